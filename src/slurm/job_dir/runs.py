"""The runs of a task, in the order in which they were submitted."""

from __future__ import annotations

import datetime
import os
import posixpath
import threading
import time
from collections.abc import Iterator, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any

from slurm.agent.json_files import read_json_if_whole
from slurm.job_dir.paths import ARRAY_METADATA, METADATA, STAMP, directory_name, sanitised

STAMP_LENGTH = len("YYYYMMDD_HHMMSS")
KEPT = ("task_name", "timestamp", "job_id", "token")


class SubmissionClock:
    """The moments of this process's submissions, in Unix seconds: each is later than the one before.

    Also where the clock was set back, and where it has not moved on: what was submitted last stays the latest.
    """

    STEP = 0.000_001  # what `slurm.job_dir.metadata.rfc3339` can tell

    def __init__(self) -> None:
        self._last = 0.0
        self._changing = threading.Lock()

    def now(self) -> float:
        """This moment, for one submission."""
        with self._changing:
            self._last = round(max(time.time(), self._last + self.STEP), 6)
            return self._last


@dataclass(frozen=True)
class Run:
    """One run of a task: its directory, and what its metadata file holds of `KEPT`, nothing where that is missing or damaged.

    `count` is how many items it has, for an array.
    """

    path: str
    metadata: Mapping[str, Any]
    count: int | None = None


def runs_of_task(
    folder: str, task_name: str, known: MutableMapping[str, Run] | None = None
) -> list[Run]:
    """The runs of a task whose directories are in `folder`, the one that was submitted last first.

    `known` has those that were read before, by their paths, and are not read again: all that have an id.

    The name in the metadata counts: directories of several tasks may lie side by side, where names that are not of
    ``[a-z0-9_]`` were once told apart by nothing else.
    """
    known = {} if known is None else known
    own, shared = directory_name(task_name), sanitised(task_name)
    beside = _runs_in(posixpath.join(folder, own), known)
    found = [run for run in beside if _is_of(run, task_name, task_name)]
    if shared != own:
        beside = _runs_in(posixpath.join(folder, shared), known)
        found += [run for run in beside if _is_of(run, task_name)]
    return sorted(found, key=_order, reverse=True)


def _is_of(run: Run, task_name: str, unless_noted: str | None = None) -> bool:
    return bool(run.metadata.get("task_name", unless_noted) == task_name)


def _order(run: Run) -> tuple[float, tuple[int, ...], str]:
    submitted = utc_moment(str(run.metadata.get("timestamp", "")))
    return submission_order(submitted, str(run.metadata.get("job_id") or ""), run.path)


def _runs_in(folder: str, known: MutableMapping[str, Run]) -> Iterator[Run]:
    try:
        names = os.listdir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return
    for name in names:
        path = posixpath.join(folder, name)
        run = known.get(path)
        if run is None and os.path.isdir(path):
            run = _read(path)
            if run.metadata.get("job_id"):  # nothing of it changes any more
                known[path] = run
        if run is not None:
            yield run


def _read(path: str) -> Run:
    array = metadata_in(path, ARRAY_METADATA)
    count = array.get("count")
    found = array or metadata_in(path)
    kept = {key: found[key] for key in KEPT if key in found}  # there may be very many
    return Run(path, kept, count if isinstance(count, int) else None)


def metadata_in(path: str, name: str = METADATA) -> Mapping[str, Any]:
    """What a directory's metadata file holds; nothing where it is missing or damaged."""
    try:
        return read_json_if_whole(posixpath.join(path, name))
    except OSError:
        return {}


def utc_moment(text: str) -> datetime.datetime | None:
    """A time in UTC; None for what is none, or could be any for want of a zone."""
    try:
        time = datetime.datetime.fromisoformat(text)
        return time.astimezone(datetime.timezone.utc) if time.tzinfo else None
    except (ValueError, OverflowError):
        return None


def submission_order(
    submitted: datetime.datetime | None, job_id: str, path: str
) -> tuple[float, tuple[int, ...], str]:
    """Sorts runs as they were submitted: by the moment that is noted, and those of one moment by their ids.

    Where none is noted, the directory's name tells, to the second.

    >>> noon = datetime.datetime(2025, 3, 1, 12, tzinfo=datetime.timezone.utc)
    >>> submission_order(noon, "9", "train/x") < submission_order(noon, "10", "train/a")
    True
    >>> submission_order(None, "", "train/20250301_120001_a1b2c3d4") > submission_order(noon, "10", "train/a")
    True
    """
    digits = tuple(int(part) for part in job_id.split("_") if part.isdecimal())
    moment = submitted.timestamp() if submitted is not None else _stamp_of(path)
    return moment, digits, path


def _stamp_of(path: str) -> float:
    """The moment in a directory's name; later than all for one that has none."""
    try:
        stamp = posixpath.basename(path)[:STAMP_LENGTH]
        import calendar  # late: for runs of earlier programs

        return float(calendar.timegm(time.strptime(stamp, STAMP)))
    except ValueError:
        return float("inf")
