"""The questions that a dashboard asks of a cluster, and the answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from slurm.api.requests import FilePlace
from slurm.job_list import ListedJob


class Answer(NamedTuple):
    """The jobs at the time `now` of the cluster, and the `problem` if something about them could not be had."""

    now: float
    jobs: Sequence[ListedJob]
    problem: str = ""


class LogPart(NamedTuple):
    """What was added to a log up to a `place`; `anew` where it was begun anew, as by a requeue."""

    text: str
    place: FilePlace
    anew: bool = False


class Source(Protocol):
    """What is shown in a dashboard. Each question is asked in a thread, and may raise `SlurmError`.

    - `name`: of the cluster; `pauses`: the seconds between two questions for all jobs, at least and at most; `log_pause`:
      those between two for a log.
    """

    name: str
    pauses: tuple[float, float]
    log_pause: float

    def rows(self, *, elements: bool) -> Answer:
        """All jobs, in one round trip; the `elements` of arrays one by one, if wanted."""

    def log(self, job: ListedJob, *, stderr: bool, place: FilePlace | None) -> LogPart:
        """What a job has printed behind that place; the last of it without one."""

    def error(self, job: ListedJob) -> str:
        """What a job that failed says of it; empty where it says nothing."""

    def tree(self, job: ListedJob) -> str:
        """The workflow to which a job belongs, drawn."""

    def cancel(self, jobs: Sequence[ListedJob]) -> None:
        """Cancel them."""

    def rerun(self, job: ListedJob) -> str:
        """Submit a job once more, of an array what failed; the id of the new one."""
