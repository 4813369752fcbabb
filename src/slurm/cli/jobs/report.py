"""What is told of a job: from its metadata, its script and what the scheduler says, to JSON and to lines. Pure."""

from __future__ import annotations

import posixpath
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from slurm.job_dir.paths import PACKAGES
from slurm.job_list.reasons import in_words
from slurm.rendering import interpreter_in, options_in
from slurm.results.efficiency import Efficiency
from slurm.usage import Usage, exit_in_words

OUTPUT = ("output", "error")
TIMES: Mapping[str, Sequence[str]] = {
    "submitted": ("timestamp",),
    "started": ("started_at",),
    "ended": ("completed_at", "ended_at"),
}


@dataclass(frozen=True)
class Seen:
    """What was found of a job.

    - `job_id`, `directory`: as the SDK knows it; `metadata`, `script`: what is in its files.
    - `state`, `reason`, `exit_code`, `node`: the scheduler's words; `usage`: what it used.
    - `states`: of an array, how many of its elements are in which; `count`: how many there are.
    - `may_start`: when it starts at the latest, as the scheduler plans now; `efficiency`: what it used of what it asked for.
    - `frames`: the traceback of what its task raised, the user's frames alone; `tree`: of a workflow, its jobs.
    - `stderr`: the file that has what it printed there, `last`: the last lines of that, where it failed.
    """

    job_id: str
    directory: str
    metadata: Mapping[str, Any]
    script: str = ""
    state: str = ""
    reason: str = ""
    exit_code: str = ""
    node: str = ""
    usage: Usage = field(default_factory=Usage)
    count: int = 0
    states: Mapping[str, int] = field(default_factory=dict)
    stderr: str = ""
    last: Sequence[str] = ()
    may_start: str = ""
    efficiency: Efficiency | None = None
    frames: Sequence[str] = ()
    tree: Sequence[str] = ()


def as_json(seen: Seen) -> dict[str, Any]:
    """All of it as plain JSON; what is not known is null, or empty."""
    metadata = seen.metadata
    interpreter = interpreter_in(seen.script)
    said: dict[str, Any] = {
        "job_id": seen.job_id,
        "task": metadata.get("task_name"),
        "kind": _kind(seen),
        "state": seen.state,
        "reason": seen.reason or None,
        "why": in_words(seen.reason) or None,
        "may_start": seen.may_start or None,
        "exit_code": seen.exit_code or None,
        "node": seen.node or metadata.get("node"),
        "directory": seen.directory,
        "workflow": metadata.get("parent_workflow"),
        **{name: _first(metadata, keys) for name, keys in TIMES.items()},
        "attempt": metadata.get("attempt"),
        "used": {
            "elapsed": seen.usage.elapsed,
            "max_rss": seen.usage.max_rss,
            "cpu_time": seen.usage.cpu_time,
        },
        "efficiency": seen.efficiency.as_json() if seen.efficiency is not None else None,
        "options": options_in(seen.script),
        "waits_for": metadata.get("dependencies") or [],
        "packaging": metadata.get("packaging"),
        "code": metadata.get("code") or [],
        "python": interpreter,
        "environment": environment_of(interpreter),
        "image": metadata.get("image"),
        "sdk_version": metadata.get("sdk_version"),
        "error": metadata.get("error") if seen.state != "COMPLETED" else None,
        "traceback": list(seen.frames),
        "stderr": seen.stderr or None,
        "last_lines": list(seen.last),
    }
    if seen.states:
        said["elements"] = {"count": seen.count, "states": dict(seen.states)}
    return said


def lines(seen: Seen) -> Iterator[tuple[str, str]]:
    """All that is known, each with its name."""
    said = as_json(seen)
    yield said["kind"], f"{said['job_id']} {said['task']}"
    yield "state", _state(seen)
    yield from _if_known("because", said["why"])
    yield from _if_known("may start", said["may_start"])
    if seen.states:
        yield "elements", f"{seen.count}: {_counted(seen.states)}"
    for name in TIMES:
        yield from _if_known(name, said[name])
    yield from _if_known("used", seen.usage.in_words())
    yield from _percentages(seen.efficiency)
    yield from _if_known("workflow", said["workflow"])
    yield from _if_known("options", " ".join(_chosen(seen, said["options"])))
    for one in said["waits_for"]:
        yield "waits for", f"{one.get('type')} of {one.get('job_id')}"
    yield "directory", seen.directory
    yield from _code(said)
    yield from _block("tree", seen.tree)
    yield from _if_known("error", said["error"])
    yield from _block("", seen.frames)
    if seen.last:
        yield "stderr", seen.stderr
    for line in seen.last:
        yield "", line


def _chosen(seen: Seen, options: Mapping[str, str]) -> Iterator[str]:
    """The options as they were given, but for where the output goes if that is where it always goes."""
    for name, value in options.items():
        if name not in OUTPUT or not value.startswith(seen.directory):
            yield f"--{name}={value}" if value else f"--{name}"


def _if_known(name: str, value: object) -> Iterator[tuple[str, str]]:
    if value:
        yield name, str(value)


def _percentages(used: Efficiency | None) -> Iterator[tuple[str, str]]:
    """Of what it asked for how much it used, as far as that is known, and advice."""
    if used is not None:
        yield from ((name, words) for name, words in used.lines() if words.endswith("%"))
        yield from (("advice", one) for one in used.advice)


def _block(name: str, lines: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Lines of which the first has the name."""
    yield from ((name if number == 0 else "", line) for number, line in enumerate(lines))


def environment_of(interpreter: Sequence[str]) -> str | None:
    """The environment that the SDK has made, whose interpreter that is.

    >>> environment_of(["/jobs/.packages/env/0123456789abcdef/bin/python"])
    '/jobs/.packages/env/0123456789abcdef'
    """
    place = posixpath.dirname(posixpath.dirname(interpreter[-1])) if interpreter else ""
    return place if f"/{PACKAGES}/" in place else None


def _kind(seen: Seen) -> str:
    if seen.count:
        return "array"
    return "workflow" if seen.metadata.get("is_workflow") else "job"


def _first(metadata: Mapping[str, Any], keys: Sequence[str]) -> Any:
    return next((metadata[key] for key in keys if metadata.get(key)), None)


def _state(seen: Seen) -> str:
    words = [seen.state, f"({seen.reason})" if seen.reason else "", exit_in_words(seen.exit_code)]
    node = seen.node or seen.metadata.get("node")
    return " ".join(filter(None, [*words, f"on {node}" if node else ""]))


def _counted(states: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {state}" for state, count in Counter(states).most_common())


def _code(said: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What it runs with."""
    from slurm.cli.packages.words import code_in_words

    yield from _if_known("packaging", said["packaging"])
    for one in said["code"]:
        yield "code", code_in_words(one)
        yield "", str(one.get("copy", ""))
    if said["image"]:
        image = said["image"]
        yield (
            "image",
            " ".join(str(image[key]) for key in ("name", "digest", "runtime") if image.get(key)),
        )
    if said["environment"]:
        yield "environment", said["environment"]
    elif said["python"]:
        yield "python", said["python"][-1]
