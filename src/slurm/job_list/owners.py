"""Which job of ours a row of the scheduler's is about: the id alone does not tell, for schedulers use ids again. Pure.

By what a row is known: its script lies in the job's directory, which no other job has; its comment has the token of the
submission. Where it says neither, by its id together with its working directory, or with the time of its submission.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Mapping
from typing import Any

from slurm.job_dir.runs import utc_moment
from slurm.job_list.rows import Row

DIRECTORY = re.compile(r"/([0-9]{8}_[0-9]{6}_[0-9a-f]{8})(?=/job(?:_[0-9]+)?\.sh(?:$|[ |]))")
SAME_MOMENT = 900.0  # seconds between a note and the submission itself, whose clocks differ
WORD = re.compile("[0-9A-Za-z]+")

Noted = Mapping[str, Any]


class Owners:
    """The jobs of ours that have noted something, to be found by what a scheduler says."""

    def __init__(self, noted: Iterable[Noted]) -> None:
        self._by_name: dict[str, Noted] = {}
        self._by_token: dict[str, Noted] = {}
        self._by_id: dict[str, list[Noted]] = {}
        for one in noted:
            self._by_name[posixpath.basename(one["path"])] = one
            self._by_token[str(one.get("token", ""))] = one
            for number in one["ids"]:
                self._by_id.setdefault(number, []).append(one)

    def of(self, row: Row) -> Noted | None:
        """The job that a row is about; None for one that is not ours, or has left nothing."""
        found = self._by_name.get(directory_name_in(row))
        if found is None:
            words = WORD.findall(row.comment)
            found = next((self._by_token[one] for one in words if one in self._by_token), None)
        return found or next(
            (one for one in self._by_id.get(row.number, ()) if _fits(one, row)), None
        )


def directory_name_in(row: Row) -> str:
    """The name of the job directory of ours in which its script lies; empty where it does not.

    >>> from slurm.job_list.rows import row_of
    >>> directory_name_in(row_of({"job_id": "7", "script": "/jobs/train/20260218_160045_0a1b2c3d/job.sh"}))
    '20260218_160045_0a1b2c3d'
    """
    found = DIRECTORY.findall(row.script)
    return found[-1] if found else ""


def _fits(noted: Noted, row: Row) -> bool:
    """Whether a row with an id of this job says nothing else than that it is the same."""
    if posixpath.basename(row.cwd) == posixpath.basename(noted["path"]):
        return True
    if row.script:
        return False
    submitted = epoch(noted, "timestamp")
    return None not in (submitted, row.submitted) and abs(submitted - row.submitted) < SAME_MOMENT  # type: ignore[operator]


def epoch(noted: Noted, key: str) -> float | None:
    """A time that was noted, in seconds since the epoch.

    >>> epoch({"timestamp": "1970-01-01T00:01:00+00:00"}, "timestamp")
    60.0
    """
    moment = utc_moment(str(noted.get(key) or ""))
    return None if moment is None else moment.timestamp()
