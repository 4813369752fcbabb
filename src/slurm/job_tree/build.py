"""From the contents of metadata files to the jobs of a tree. Pure; nothing in a file is relied upon."""

from __future__ import annotations

import datetime
import json
import posixpath
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from slurm.agent.directory_names import ENDS, RECORDS
from slurm.job_dir.array_ends import notes_in
from slurm.job_dir.metadata import ENDED
from slurm.job_dir.paths import ARRAY_METADATA, METADATA, TASKS
from slurm.job_dir.runs import submission_order
from slurm.job_tree.elements import array_of
from slurm.job_tree.facts import LONGEST_TEXT, Content, moment, number, state_in, text
from slurm.job_tree.nodes import BAD, JOB, OVER, WORKFLOW, JobNode, Wait
from slurm.job_tree.recorded import recorded

ROOT = "."


def build(files: Mapping[str, bytes]) -> tuple[JobNode, ...]:
    """The jobs whose metadata files these are, by path; what lies in a job's directory is below it."""
    contents = _contents(files)
    below: defaultdict[str | None, list[str]] = defaultdict(list)
    for path in contents:
        below[_parent(path, contents)].append(path)
    known = _Known(contents)
    made: dict[str, JobNode] = {}
    for path in sorted(contents, key=_depth, reverse=True):  # children before their parents
        kind, content = contents[path]
        children = tuple(sorted((made[child] for child in below[path]), key=_order))
        made[path] = _node(path, kind, content, children, known)
    return tuple(sorted((made[path] for path in below[None]), key=_order))


def _contents(files: Mapping[str, bytes]) -> dict[str, tuple[str, Content]]:
    """Directory -> the name of its metadata file, and what that holds; an array's own counts first."""
    contents: dict[str, tuple[str, Content]] = {}
    records: defaultdict[str, dict[str, bytes]] = defaultdict(dict)
    ends: dict[str, bytes] = {}
    for file in sorted(files, key=lambda file: posixpath.basename(file) != ARRAY_METADATA):
        folder, name = posixpath.split(file)
        if name in (METADATA, ARRAY_METADATA):
            contents.setdefault(folder or ROOT, (name, _parsed(name, files[file])))
        elif name == ENDS:
            ends[folder or ROOT] = files[file]
        elif posixpath.basename(folder) == RECORDS:
            records[posixpath.dirname(folder) or ROOT][name] = files[file]
    for array in ends.keys() & contents.keys():
        name, content = contents[array]
        contents[array] = name, {**content, ENDED: notes_in(content, ends[array])}
    for array, own in records.items():
        for item, content in recorded(contents[array][1], own) if array in contents else ():
            path = posixpath.normpath(posixpath.join(array, TASKS, item))
            in_directory = contents.get(path, (METADATA, {}))[1]  # which a few items have as well
            contents[path] = (METADATA, {**in_directory, **content})
    return contents


def _parsed(name: str, data: bytes) -> Content:
    try:
        content = json.loads(data)
    except (ValueError, RecursionError):
        content = None
    if isinstance(content, dict):
        return content
    return {"status": "unknown", "error": f"{name} cannot be read"}


def _depth(path: str) -> int:
    return 0 if path == ROOT else path.count("/") + 1


def _upwards(path: str) -> Iterator[str]:
    """The path itself, and each directory that it is in."""
    yield path
    while path != ROOT:
        path = posixpath.dirname(path) or ROOT
        yield path


def _parent(path: str, contents: Mapping[str, Any]) -> str | None:
    return next((one for one in _upwards(path) if one != path and one in contents), None)


class _Known:
    """Which directories a job id may mean: ids are unique to a scheduler, and not for ever."""

    def __init__(self, contents: Mapping[str, tuple[str, Content]]) -> None:
        # id -> each directory in or under which a job has it -> the last submitted of those, and the last but one
        self._last: defaultdict[str, dict[str, Sequence[str]]] = defaultdict(dict)
        self._submitted: dict[str, str] = {}
        for path, (name, content) in contents.items():
            self._submitted[path] = text(content, "timestamp")
            keys = [key for key in content if key == "job_id" or key.startswith("job_id_")]
            for key in keys if name == ARRAY_METADATA else ["job_id"]:
                if job_id := text(content, key):
                    self._add(self._last[job_id], path)

    def _add(self, last: dict[str, Sequence[str]], path: str) -> None:
        for folder in _upwards(path):
            some = dict.fromkeys((*last.get(folder, ()), path))
            last[folder] = sorted(some, key=self._submitted.__getitem__, reverse=True)[:2]

    def find(self, job_id: str, dependent: str) -> str:
        """The directory of the job that a job in `dependent` calls by this id; empty for none.

        The nearest one to it; of those that are as near the last submitted.
        """
        last = self._last.get(job_id) or self._last.get(job_id.partition("_")[0], {})
        near = (path for folder in _upwards(dependent) for path in last.get(folder, ()))
        return next((path for path in near if path != dependent), "")


def _node(
    path: str, name: str, content: Content, children: tuple[JobNode, ...], known: _Known
) -> JobNode:
    task = _whole_or_told_apart(text(content, "task_name", longest=None))
    task = task or posixpath.basename(posixpath.dirname(path))
    node = JobNode(
        path=path,
        task_name=task or "job",
        job_id=text(content, "job_id"),
        kind=WORKFLOW if content.get("is_workflow") is True else JOB,
        state=state_in(content),
        submitted=moment(content, "timestamp"),
        started=moment(content, "started_at"),
        ended=_ended(content),
        attempt=number(content, "attempt"),
        node=text(content, "node"),
        error=text(content, "error") if state_in(content) in BAD else "",
        waits_for=_waits(content, path, known),
        children=children,
    )
    return array_of(node, content) if name == ARRAY_METADATA else node


def _whole_or_told_apart(name: str) -> str:
    """A name, not too long: siblings of one name are drawn as one task, so two that differ must go on doing so."""
    if len(name) <= LONGEST_TEXT:
        return name
    import hashlib  # late: hardly any name is so long

    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{name[:LONGEST_TEXT]}… {digest}"


def _ended(content: Content) -> datetime.datetime | None:
    """When it ended; the ends of earlier attempts, which a job that runs again has too, are none."""
    if state_in(content) not in OVER:
        return None
    started = moment(content, "started_at")
    ends = [moment(content, "completed_at"), moment(content, "ended_at")]
    return max((end for end in ends if end and (started is None or end >= started)), default=None)


def _waits(content: Content, path: str, known: _Known) -> tuple[Wait, ...]:
    given = content.get("dependencies")
    waits = []
    for entry in given if isinstance(given, list) else ():
        if isinstance(entry, dict) and (job_id := text(entry, "job_id")):
            kind = text(entry, "type") or "afterok"
            waits.append(Wait(job_id, kind, known.find(job_id, path)))
    return tuple(waits)


def _order(node: JobNode) -> tuple[float, tuple[int, ...], str]:
    return submission_order(node.submitted, node.job_id, node.path)
