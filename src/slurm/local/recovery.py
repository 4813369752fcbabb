"""What a new daemon knows of the jobs of an earlier one: from the journal, and from the spool where that is damaged."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import NamedTuple

from slurm.local.jobs import LocalJob, Refused
from slurm.local.journal import Journal
from slurm.local.records import Records
from slurm.local.shapes import LARGEST_ID
from slurm.local.state import DamagedFile, StateDirectory

MALFORMED = (DamagedFile, ValueError, TypeError, KeyError, AttributeError, Refused)


class Known(NamedTuple):
    """The `records` there are, and the jobs of which something may be missing, for the `problem` of the journal."""

    records: Records
    doubtful: frozenset[int]
    problem: str


def known_again(state: StateDirectory, journal: Journal, log: Callable[[str], None]) -> Known:
    """What the journal says; and where it is damaged or gone, the live submissions that the spool has.

    Then ids go on above every one that may have been given: an id is never given twice.
    """
    said, problem = journal.said, journal.problem
    whole = said.lines > 0 and not problem
    doubtful = set(said.doubtful)
    spooled = ids_in_spool(state)
    for job_id in () if whole else sorted(spooled - said.jobs.keys()):
        if job_id in said.submissions or not os.path.lexists(state.spooled(job_id, "json")):
            continue
        try:
            content = state.read_spooled(job_id, "json") or {}
            said.submitted(content["submission"], again=False)
        except MALFORMED as error:
            log(f"job {job_id} cannot be recovered from the spool: {error}")
        else:
            doubtful |= set(said.submissions[job_id].job_ids)
            problem = problem or f"{journal.path} is gone"
    records = Records(said.submissions, said.jobs)
    if not whole:
        given = max(said.largest_id, state.ids_given(), *spooled, 0)
        records.next_id = max(records.next_id, given + 1)
    if problem:
        log(problem)
    return Known(records, frozenset(doubtful), problem)


def ids_in_spool(state: StateDirectory) -> set[int]:
    """The ids of the jobs that have a file there."""
    names = (name.partition(".")[0] for name in os.listdir(state.spool))
    return {int(name) for name in names if name.isdecimal() and int(name) <= LARGEST_ID}


def has_begun(state: StateDirectory, job: LocalJob, *, doubtful: bool) -> bool:
    """Whether a job that nobody runs, and that is pending as far as is known, may have been started.

    Of a job of its own the file with its environment goes when its end is known; that of an array stays
    until all elements have ended. The pipe is there a moment before the journal says that a job runs.
    """
    if os.path.lexists(state.spooled(job.job_id, "pid")):
        return True
    if not doubtful:
        return False
    alone = job.index is None and os.path.lexists(state.spooled(job.job_id, "json"))
    return not alone or os.path.lexists(state.spooled(job.job_id, "alive"))
