"""The interface through which callbacks are told what happens to jobs; a cluster without callbacks has this one.

What is told is plain facts and records; a cluster with callbacks has a `slurm.callbacks.client.CallbackListener`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from slurm.api.requests import Progress, Submitted
    from slurm.states import JobStatus
    from slurm.tracking.record import JobRecord

# Callbacks that travel with a job, pickled, each beside the name of its class.
PackedCallbacks = tuple[tuple[str, bytes], ...]


class CallFacts(NamedTuple):
    """Whose call it is: the task's name, and the id of the workflow job that made it, if one did."""

    task_name: str
    is_workflow: bool = False
    parent_workflow: str | None = None


class RequestFacts(NamedTuple):
    """What a call has become: where its files go, all its sbatch options, what it waits for.

    `array_size` is how many elements an array has; None for a job. By its `token` the submission is known, and by each of
    `lookups` a job of it is found: those of an array are several. `has_key` says that a user's key gave it that token.
    """

    job_dir: str
    options: Mapping[str, str]
    dependencies: tuple[str, ...] = ()
    array_size: int | None = None
    token: str = ""
    lookups: tuple[Mapping[str, str], ...] = ()
    has_key: bool = False


class SubmissionNews:
    """What a submission in progress has become; whoever submits says so.

    - `answers`: the scheduler's; an array may take several submissions. `record`: none for an array.
    - `progress`: who is to hear how far its large files are, if anybody is.
    """

    answers: Sequence[Submitted] = ()
    record: JobRecord | None = None
    progress: Progress | None = None


class Listener:
    """Tells nobody. Every method but `drain` and `close` returns at once.

    `hears_of_jobs` says whether it wants to be told what is `observed`, of each job and of each item of an array.
    """

    @property
    def hears_of_jobs(self) -> bool:
        """Whether anybody would be told of a job's state, or of its end."""
        return False

    def packaging(self, call: CallFacts, packaging: str) -> contextlib.AbstractContextManager[None]:
        """Around the packaging of a task, with the strategy of this name."""
        return contextlib.nullcontext()

    def submitting(
        self, call: CallFacts, request: RequestFacts
    ) -> contextlib.AbstractContextManager[SubmissionNews]:
        """Around a submission."""
        return contextlib.nullcontext(SubmissionNews())

    def fetching(
        self, records: Sequence[JobRecord]
    ) -> contextlib.AbstractContextManager[Progress | None]:
        """Around the reading of jobs' results, all at once; gives who is to hear how far large ones are."""
        return contextlib.nullcontext()

    def observed(self, record: JobRecord, before: JobStatus, after: JobStatus) -> None:
        """The tracker has heard of a job. Called before anybody who waits for the job is told."""

    def polled(self, live: Callable[[], Iterable[JobRecord]]) -> None:
        """The tracker has asked the scheduler; `live` gives the jobs that have not ended."""

    def seconds_to_poll(self) -> float:
        """How long the tracker may wait before it polls again, for the sake of callbacks."""
        return float("inf")

    def pack(self, is_workflow: bool) -> tuple[PackedCallbacks, bool]:
        """The callbacks that travel with a job, pickled; and whether any of them is so by value."""
        return (), False

    def drain(self, timeout: float | None) -> bool:
        """Wait until all that has happened so far has been told; returns whether it has."""
        return True

    def close(self) -> None:
        """Tell what is left, within a bound, and then nothing any more."""
