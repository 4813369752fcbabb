"""What a job has used so far, which its owner may ask of the nodes that it runs on."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from slurm.errors import RemoteFileError
from slurm.usage import parse_duration, parse_size

if TYPE_CHECKING:
    from collections.abc import Sequence

    from slurm.api.base import BackendBase

ASK_SECONDS = 30.0
FIELDS = "MaxRSS,AveCPU,NTasks"


class LiveUsage(NamedTuple):
    """Bytes of memory at most, and seconds for which processors were busy; None for what nobody tells."""

    max_rss: int | None = None
    cpu_time: float | None = None


def live_usage(backend: BackendBase, job_id: str) -> LiveUsage:
    """That of all steps of a job that runs, by ``sstat``; nothing where that is not there, or may not be asked.

    The backend of a machine without Slurm is not to be asked: a cluster may have another job of that number.
    """
    argv = ["sstat", "--noheader", "--parsable2", "--allsteps", "-j", job_id, "-o", FIELDS]
    try:
        status, said = backend.run_program(argv, timeout=ASK_SECONDS)
    except RemoteFileError:
        return LiveUsage()
    rows = [line.split("|") for line in said.decode("utf-8", "replace").splitlines()]
    return (
        usage_in([row for row in rows if len(row) == len(FIELDS.split(","))])
        if status == 0
        else LiveUsage()
    )


def usage_in(rows: Sequence[Sequence[str]]) -> LiveUsage:
    """What the rows of the steps tell: the largest memory, and the processors of all.

    >>> usage_in([("1024K", "00:01:00", "2"), ("512K", "00:00:01", "1"), ("", "", "1")])
    LiveUsage(max_rss=2097152, cpu_time=121.0)
    """
    sizes, times = [], []
    for size, mean, tasks in rows:
        count = int(tasks) if tasks.isdecimal() else 1
        memory, seconds = parse_size(size), parse_duration(mean)
        sizes += [] if memory is None else [memory * max(1, count)]
        times += [] if seconds is None else [seconds * max(1, count)]
    return LiveUsage(max(sizes, default=None), float(sum(times)) if times else None)
