"""What a backend answers when it is asked for all jobs of its user: plain data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple


class JobListing(NamedTuple):
    """All that is known of a user's jobs, from three sources, at the time `now` of the cluster.

    - `queue`: what the scheduler says now, a row for each job, pending tasks of an array together as ``12_[0-99]``.
    - `accounts`: the same of those that had not ended by the time that was asked for; None where nobody keeps accounts.
    - `noted`: what the directories of jobs tell, in few words each; with ``path`` and the ``ids`` of the job.
    - `problem`: why there are no accounts now, if there should be.

    A row has ``job_id``, ``name``, ``state``, ``script``, ``comment`` and more, as text or numbers; times are seconds since
    the epoch.

    >>> JobListing(now=0.0).accounts is None
    True
    """

    now: float
    queue: Sequence[Mapping[str, Any]] = ()
    accounts: Sequence[Mapping[str, Any]] | None = None
    noted: Sequence[Mapping[str, Any]] = ()
    problem: str = ""
