"""A job's script, read back into what `slurm.rendering.render_job_script` has made it of. Pure."""

from __future__ import annotations

import os
import posixpath
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from slurm.agent.package_users import IN_SCRIPT
from slurm.errors import JobError
from slurm.rendering import Environment, options_in
from slurm.sbatch.options import escape_filename_pattern
from slurm.sbatch.overlay import DEFAULT_OPTIONS, MEMORY
from slurm.sbatch.signal_and_requeue import REQUEUES, SignalAndRequeue

EXPORT = re.compile(r"export ([A-Za-z_][A-Za-z0-9_]*)=(.*)")
LAUNCHED = "export SLURM_SDK_LAUNCHED_AT="
LINK = "slurm_sdk_name="
TRAPS = ("trap 'export SLURM_SDK_WARNED=1' USR1", "trap '' USR1")
# Where the output of a job, or of an array's element, is if nobody says otherwise; below the job's directory.
USUAL_OUTPUT = re.compile(r"(?:tasks/[^/]+/)?slurm_(?:%j|%A_%a)\.(?:out|err)")


class OldScript(NamedTuple):
    """What a job was submitted with: its `options` as sbatch has them, what Python is started by, and for what.

    - `exports`: variables that it sets; `sdk_directory`: the SDK that it runs with; `arguments`: what that is told.
    - `needed`: the copies of code and the environments that it names.
    """

    options: Mapping[str, str]
    exports: Mapping[str, str]
    environment: Environment
    sdk_directory: str
    arguments: Sequence[str]

    def task_options(self, job_dir: str) -> dict[str, str | None]:
        """The options as its task had them, those left out that the SDK had added.

        One of the SDK's defaults that was left out is None, and stays so.
        """
        found: dict[str, str | None] = {**self.options}
        found.pop("array", None)
        for name in ("output", "error"):
            given = _given_output(self.options.get(name, ""), escape_filename_pattern(job_dir))
            found.pop(name, None)
            if given:
                found[name] = given
        if "requeue" in found:
            found["requeue"] = self.exports.get(REQUEUES, "").replace("inf", "")
            if found.get("open-mode") == "append":
                del found["open-mode"]
        warned = found.pop("signal", None)
        if warned != SignalAndRequeue.of_options(found).options(found).get("signal"):
            found["signal"] = warned
        left_out = set(DEFAULT_OPTIONS) - found.keys()
        if MEMORY & found.keys():
            left_out -= MEMORY
        if any(name.startswith("ntasks-per-") for name in found) or found.get("nodes") != "1":
            left_out.discard("ntasks")
        return {**found, **dict.fromkeys(left_out)}


def _given_output(path: str, folder: str) -> str:
    """What was asked for as an output file; nothing for the usual one."""
    if not path.startswith(f"{folder}/"):
        return path
    below = path[len(folder) + 1 :]
    return "" if USUAL_OUTPUT.fullmatch(below) else below


def read_script(script: str) -> OldScript:
    """What a script was made of. Raises `JobError` for one that the SDK has not written.

    >>> old = read_script('#SBATCH --mem=1G\\nexport JOB_DIR=/jobs/7\\nexport SLURM_SDK_LAUNCHED_AT=""\\nmodule load x\\n'
    ...                   'exec /opt/python3 -u /jobs/.sdk/0a1b "$JOB_DIR" 0 3 1\\n')
    >>> old.options, list(old.environment.interpreter), list(old.environment.setup), list(old.arguments)
    ({'mem': '1G'}, ['/opt/python3'], ['module load x'], ['0', '3', '1'])
    """
    lines = script.splitlines()
    begin = next((n for n, line in enumerate(lines) if line.startswith(LAUNCHED)), None)
    at = next((n for n in reversed(range(len(lines))) if _starts_python(lines[n])), None)
    if begin is None or at is None or at < begin:
        raise JobError("its script is not as the SDK has written it")
    words = shlex.split(lines[at].removesuffix(" &"))
    interpreter = words[words[0] == "exec" : words.index("-u")]
    sdk_directory, _, *arguments = words[words.index("-u") + 1 :]
    setup = tuple(_setup(lines[begin + 1 : at]))
    environment = Environment(interpreter, setup, tuple(_cleanup(lines[at + 1 :])))
    exports = dict(_exports(lines[:begin]))
    return OldScript(options_in(script), exports, environment, sdk_directory, arguments)


def needed_by(script: str, base: str) -> tuple[str, ...]:
    """The paths of copies of code, environments and SDKs below a `job_base_dir` that a script names.

    >>> needed_by("exec /jobs/.packages/env/0a1b/bin/python -u /jobs/.sdk/0123456789abcdef", "/jobs")
    ('/jobs/.packages/env/0a1b', '/jobs/.sdk/0123456789abcdef')
    """
    names = (os.fsdecode(one) for one in IN_SCRIPT.findall(script.encode()))
    return tuple(dict.fromkeys(posixpath.join(base, name) for name in names))


def _starts_python(line: str) -> bool:
    return " -u " in line and '"$JOB_DIR"' in line


def _exports(lines: Sequence[str]) -> Iterator[tuple[str, str]]:
    for line in lines:
        match = EXPORT.fullmatch(line)
        if match is not None:
            yield match[1], "".join(shlex.split(match[2]))


def _setup(lines: Sequence[str]) -> Iterator[str]:
    """The lines of a packaging, between those that the SDK writes for links and signals."""
    own = list(lines)
    while own and (own[0].startswith((LINK, "# Slurm makes no directories")) or own[0] == TRAPS[0]):
        own.pop(0)
    if own and own[-1] == TRAPS[1]:
        own.pop()
    yield from own


def _cleanup(lines: Sequence[str]) -> Iterator[str]:
    """What comes after Python has ended, behind the loop that waits for it."""
    if "done" in lines:
        after = list(lines)[lines.index("done") + 1 :]
        yield from after[:-1]
