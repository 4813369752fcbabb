"""The places where callbacks hear of things, while there are no callbacks: nothing happens there."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from slurm.api.requests import Progress, Submitted
    from slurm.callbacks.base import BaseCallback
    from slurm.job import Job
    from slurm.packaging.base import PackagingStrategy
    from slurm.states import JobStatus
    from slurm.submit.calls import Call
    from slurm.submit.prepare import Placement, Prepared

Packed = tuple[tuple[str, bytes], ...]


class Submission:
    """What a submission in progress has become; whoever submits says so.

    - `answers`: the scheduler's; an array may take several submissions. `job`: none for an array.
    - `progress`: who is to hear how far its large files are, if anybody is.
    """

    answers: Sequence[Submitted] = ()
    job: Job[Any] | None = None
    progress: Progress | None = None


class Listener:
    """Tells nobody. A cluster with callbacks has a `slurm.callbacks.client.CallbackListener`.

    `callbacks` is what the user gave. Every method but `drain` and `close` returns at once. In a
    workflow the callbacks have been lent: they are the job's, which will call them once more.
    """

    lent = False

    def __init__(self, callbacks: Sequence[BaseCallback] = ()) -> None:
        self.callbacks: tuple[BaseCallback, ...] = tuple(callbacks)

    def packaging(
        self, call: Call, strategy: PackagingStrategy, placement: Placement
    ) -> contextlib.AbstractContextManager[None]:
        """Around the packaging of a task."""
        return contextlib.nullcontext()

    def submitting(
        self, call: Call, prepared: Prepared, placement: Placement
    ) -> contextlib.AbstractContextManager[Submission]:
        """Around a submission."""
        return contextlib.nullcontext(Submission())

    def fetching(
        self, jobs: Sequence[Job[Any]]
    ) -> contextlib.AbstractContextManager[Progress | None]:
        """Around the reading of jobs' results, all at once; gives who is to hear how far large ones are."""
        return contextlib.nullcontext()

    def observed(self, job: Job[Any], before: JobStatus, after: JobStatus) -> None:
        """The tracker has heard of `job`. Called before anybody who waits for the job is told."""

    def looked(self, live: Callable[[], Iterable[Job[Any]]]) -> None:
        """The tracker has asked the scheduler; `live` gives the jobs that have not ended."""

    def seconds_to_poll(self) -> float:
        """How long the tracker may wait before it looks again, for the sake of callbacks."""
        return float("inf")

    def pack(self, is_workflow: bool) -> tuple[Packed, bool]:
        """The callbacks that travel with a job, pickled; and whether any of them is so by value."""
        return (), False

    def drain(self, timeout: float | None) -> bool:
        """Wait until all that has happened so far has been told; returns whether it has."""
        return True

    def close(self) -> None:
        """Tell what is left, within a bound, and then nothing any more."""
