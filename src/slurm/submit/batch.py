"""Many submissions in one round trip: the calls inside a ``with cluster.batch():`` block."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

from slurm import context
from slurm.context import SubmissionContext
from slurm.errors import SlurmError, SubmissionError

if TYPE_CHECKING:
    from types import TracebackType

    from slurm.api.requests import Submitted
    from slurm.submit.calls import ArrayCall, TaskCall
    from slurm.submit.draft import PreparedCall
    from slurm.submit.submitter import Submitter
    from slurm.tracking.record import JobRecord

logger: logging.Logger = logging.getLogger(__name__)

# One request to the cluster: its answer comes when the last of its jobs has its id.
MOST_JOBS = 50
MOST_BYTES = 8 << 20


class BatchedCall:
    """A call that is submitted with others of its batch, or when something needs to know its job's id."""

    def __init__(self, batch: Batch, submitter: Submitter, prepared: PreparedCall) -> None:
        self.prepared = prepared
        self.problem: SlurmError | None = None  # the scheduler's, or that it was given up
        self.asked_for: bool = False  # the scheduler may have it, whether or not that was answered
        self._batch = batch
        self.record: JobRecord = submitter.record(
            task_name=prepared.name,
            token=prepared.token,
            submission=self._submitted,
            waits_for=prepared.dependencies,
        )

    def settle(self, answer: Submitted, problem: SlurmError | None) -> None:
        """Take the scheduler's answer about this job."""
        self.problem = problem
        if problem is None:
            self.record.settle(answer)

    def _submitted(self) -> Submitted:
        if self.problem is None:
            self._batch.submit_all()
        if self.problem is not None:
            self._batch.heard(self.problem)
            raise self.problem
        return self.record.submission


class ClusterContext(SubmissionContext, Protocol):
    """A cluster, of which ``with`` makes it active."""

    def __enter__(self) -> Any:
        """Make it active."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
        /,
    ) -> Any:
        """End that."""


class Batch:
    """The context of a ``with cluster.batch():`` block: tasks called in it are submitted together.

    See `Cluster.batch`. Calls from threads that outlive the block are submitted by themselves.
    """

    def __init__(self, cluster: ClusterContext) -> None:
        self._cluster = cluster
        self._submitter: Submitter = cluster.submitter
        self._calls: list[BatchedCall] = []
        self._unheard: list[SlurmError] = []
        self._over = False
        self._changing = threading.Lock()
        self._submitting = threading.RLock()
        self._entered = contextlib.ExitStack()

    def __enter__(self) -> Batch:
        active = context.get_active_context()
        if active is None or active.submitter.site is not self._submitter.site:
            active = self._cluster
        self._submitter = (
            active.submitter
        )  # a workflow's own, say, which knows the place of its children
        self._entered.enter_context(self._cluster)
        token = context.set_collector(active, Collector(self, self._submitter))
        self._entered.callback(context.reset_active_context, token)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with self._changing:
            self._over = True
        try:
            if kind is None:
                self.submit()
            else:
                self._give_up()
        finally:
            self._entered.__exit__(kind, error, traceback)

    def __len__(self) -> int:
        """How many jobs wait to be submitted."""
        return len(self._calls)

    def add(self, prepared: PreparedCall) -> JobRecord | None:
        """Have a call that can travel submitted with the others; None when the block has ended."""
        call = BatchedCall(self, self._submitter, prepared)
        with self._changing:
            if self._over:
                return None
            self._calls.append(call)
        return call.record

    def submit(self) -> None:
        """Submit what was called so far; the end of the block does.

        Raises the first problem of a job which nobody has been told yet. The others are submitted.
        """
        self.submit_all()
        with self._changing:
            problems, self._unheard = self._unheard, []
        for problem in problems[1:]:
            logger.error("a job of a batch was not submitted: %s", problem)
        if problems:
            raise problems[0]

    def heard(self, problem: SlurmError) -> None:
        """Somebody was told why a job was not submitted."""
        with self._changing:
            self._unheard = [one for one in self._unheard if one is not problem]

    def submit_all(self) -> None:
        """Submit what was called so far; every job has its answer or its problem then.

        Raises what says nothing of any job, such as `TransportError`: the jobs that were not answered
        for are asked for again, by their tokens, when one of them is used.
        """
        with self._submitting:
            while self._calls:
                part = self._calls[: _fitting(self._calls)]
                for call in part:
                    call.asked_for = True
                self._submitter.submit_batch(part)
                with self._changing:
                    self._calls = self._calls[len(part) :]
                    self._unheard += [call.problem for call in part if call.problem is not None]

    def _give_up(self) -> None:
        with self._changing:
            left = [call for call in self._calls if not call.asked_for]
            self._calls = [call for call in self._calls if call.asked_for]
        if left:
            logger.warning(
                "jobs of a batch are not submitted, for it was left by an exception: %d", len(left)
            )
        for call in left:
            call.problem = SubmissionError(
                f"{call.prepared.name} was not submitted: its batch was left by an exception"
            )


class Collector:
    """Takes the calls inside of a batch, in place of the submitter that will submit them."""

    def __init__(self, batch: Batch, submitter: Submitter) -> None:
        self._batch = batch
        self._submitter = submitter

    def submit(self, call: TaskCall) -> Any:
        """The `Job` of a call, which is submitted when the block ends or its id is needed."""
        prepared = self._submitter.prepare(call)
        record = self._batch.add(prepared)
        if record is None:
            return self._submitter.submit_prepared(prepared)
        return self._submitter.job_of(record)

    def instead_of(self, submitter: Submitter) -> Collector | Submitter:
        """What collects the calls that are for `submitter`; itself where it is another cluster's."""
        own = submitter.site is self._submitter.site
        return Collector(self._batch, submitter) if own else submitter

    def map(self, call: ArrayCall) -> Any:
        """The `ArrayJob` of a mapped task, which is a submission of its own."""
        return self._submitter.map(call)


def _fitting(calls: Sequence[BatchedCall]) -> int:
    """How many of these calls go into one request."""
    total = 0
    for count, call in enumerate(calls[:MOST_JOBS]):
        total += sum(len(data) for one in call.prepared.requests for data in one.files.values())
        if total > MOST_BYTES and count:
            return count
    return min(len(calls), MOST_JOBS)
