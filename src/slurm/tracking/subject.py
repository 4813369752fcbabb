"""What a piece of news is about: a job, or items of an array of which the same is known."""

from __future__ import annotations

import abc
from collections.abc import Hashable, Iterable, Sequence
from typing import TYPE_CHECKING

from slurm.states import JobStatus, Observation, reduce

if TYPE_CHECKING:
    from slurm.tracking.deadline import Moment
    from slurm.tracking.record import ArrayElement, JobRecord, Watched
    from slurm.tracking.waiting import Calls


class Subject(abc.ABC):
    """One job, or several that share a status and of which one thing is said.

    - `status`: what is known of them; `element`: the place of the first of them in an array, None for a job by itself.
    """

    __slots__ = ()

    @property
    @abc.abstractmethod
    def status(self) -> JobStatus:
        """What is known of it at this moment."""

    @property
    @abc.abstractmethod
    def element(self) -> ArrayElement | None:
        """Its place in an array, None for a job by itself."""

    @property
    @abc.abstractmethod
    def watched(self) -> Watched:
        """What a tracker watches for its sake."""

    @property
    @abc.abstractmethod
    def unmet(self) -> bool:
        """Whether it was found again, and nobody has said anything of it since."""

    @property
    @abc.abstractmethod
    def key(self) -> Hashable:
        """The same for the same jobs, in one answer of the scheduler's and in the next."""

    @property
    @abc.abstractmethod
    def records(self) -> Iterable[JobRecord]:
        """Those of the jobs, one by one."""

    @property
    @abc.abstractmethod
    def job_ids(self) -> Sequence[str]:
        """The scheduler's ids of them, each once: items of a pack share one."""

    @property
    def finished(self) -> bool:
        """Whether it has ended, in whatever way."""
        return self.status.finished

    def after(self, seen: Observation) -> Iterable[tuple[Subject, JobStatus]]:
        """What is known after `seen`: of each part of it that is alike at this moment, its status then."""
        return ((self, reduce(self.status, seen)),)

    @abc.abstractmethod
    def seen_alive(self, at: Moment) -> None:
        """Take notice that the scheduler knew it `at` that moment, as one that goes on."""

    @abc.abstractmethod
    def observe(self, status: JobStatus, at: Moment | None = None) -> Calls | None:
        """Take the tracker's news, as they were `at` that moment; the last ones end every wait.

        Returns whom to tell of the end, if there is anybody.
        """
