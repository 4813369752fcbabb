"""Jobs that somebody else has given to sbatch, and where they print.

Slurm tells it alone: no file of theirs is known, and what they print may lie where only their owner reads.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from slurm.errors import RemoteFileError, RemoteFileMissing
from slurm.results.logs import STDERR, STDOUT, Stream

if TYPE_CHECKING:
    from slurm.api.base import BackendBase

ASK_SECONDS = 30.0
LINE = {
    STDOUT: re.compile(r"^ *StdOut=(.+)$", re.MULTILINE),
    STDERR: re.compile(r"^ *StdErr=(.+)$", re.MULTILINE),
}


def path_of_output(backend: BackendBase, job_id: str, stream: Stream) -> str:
    """The file that takes a stream of the job, as Slurm names it.

    The controller is asked, which forgets a job some minutes after its end; then accounts, which know it from Slurm 24.05
    on. Raises `RemoteFileMissing` where neither does.
    """
    found = LINE[stream].search(_answer(backend, ["scontrol", "show", "job", job_id]))
    path = found.group(1) if found else _accounted(backend, job_id, stream)
    if not path:
        raise RemoteFileMissing(f"Slurm does not know any more where job {job_id} has printed")
    return path


def _accounted(backend: BackendBase, job_id: str, stream: Stream) -> str:
    fields = (
        "StdOut" if stream is STDOUT else "StdErr,StdOut"
    )  # one that is not named goes to the other's
    argv = ["sacct", "-X", "-n", "-P", "--expand-patterns", "-j", job_id, "-o", fields]
    lines = _answer(backend, argv).splitlines()
    return next(filter(None, lines[0].split("|")), "") if lines else ""


def _answer(backend: BackendBase, argv: list[str]) -> str:
    """What a command of Slurm's prints; nothing where it fails, or is not there."""
    try:
        status, said = backend.run_program(argv, timeout=ASK_SECONDS)
    except RemoteFileError:
        return ""
    return said.decode("utf-8", "surrogateescape") if status == 0 else ""
