"""Many submissions in one round trip: the calls inside a ``with cluster.batch():`` block."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

from slurm import context, forks
from slurm.context import SubmissionContext
from slurm.errors import SlurmError, SubmissionError
from slurm.job_dir.tracebacks import UsersFrames

if TYPE_CHECKING:
    from types import TracebackType

    from slurm.api.requests import Submitted
    from slurm.submit.calls import ArrayCall, TaskCall
    from slurm.submit.draft import PreparedCall
    from slurm.submit.submitter import Submitter
    from slurm.tracking.lone_record import LoneRecord
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
        self.record: LoneRecord = submitter.record(
            task_name=prepared.name,
            token=prepared.token,
            submission=self._submitted,
            waits_for=prepared.dependencies,
            options=prepared.requests[0].options,
        )

    def settle(self, answer: Submitted, problem: SlurmError | None) -> None:
        """Take the scheduler's answer about this job."""
        self.problem = problem
        if problem is None:
            self.record.settle(answer)

    def _submitted(self) -> Submitted:
        if self.problem is None:
            self._batch.submit_with(self)
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


class OpenCalls:
    """The calls of a batch that are not submitted yet, as one process has them."""

    def __init__(self) -> None:
        self.calls: list[BatchedCall] = []
        self.unheard: list[SlurmError] = []
        self.changing: threading.Lock = threading.Lock()
        self.submitting: Any = threading.RLock()


class Batch:
    """The context of a ``with cluster.batch():`` block: tasks called in it are submitted together.

    See `Cluster.batch`. Calls from threads that outlive the block are submitted by themselves. A forked child leaves to
    its parent what was called before, unless it uses one of these jobs: then both submit it under one token.
    """

    def __init__(self, cluster: ClusterContext) -> None:
        self._cluster = cluster
        self._submitter: Submitter = cluster.submitter
        self._over = False
        self._own = forks.Own(OpenCalls)
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

    @UsersFrames()
    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        left = self._own.inherited
        if left is not None and left.calls and kind is None:
            logger.warning(
                "left to the process that forked this one: %d batched jobs", len(left.calls)
            )
        with self._own.get().changing:
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
        return len(self._own.get().calls)

    def add(self, prepared: PreparedCall) -> JobRecord | None:
        """Have a call that can travel submitted with the others; None when the block has ended."""
        call = BatchedCall(self, self._submitter, prepared)
        own = self._own.get()
        with own.changing:
            if self._over:
                return None
            own.calls.append(call)
        return call.record

    @UsersFrames()
    def submit(self) -> None:
        """Submit what was called so far; the end of the block does.

        Raises the first problem of a job which nobody has been told yet. The others are submitted.
        """
        self.submit_all()
        own = self._own.get()
        with own.changing:
            problems, own.unheard = own.unheard, []
        for problem in problems[1:]:
            logger.error("a job of a batch was not submitted: %s", problem)
        if problems:
            raise problems[0]

    def heard(self, problem: SlurmError) -> None:
        """Somebody was told why a job was not submitted."""
        own = self._own.get()
        with own.changing:
            own.unheard = [one for one in own.unheard if one is not problem]

    def submit_with(self, call: BatchedCall) -> None:
        """`submit_all`; `call` as well, which may have been made before this process was forked."""
        own = self._own.get()
        with own.submitting:
            with own.changing:
                known = call.record.is_submitted or any(one is call for one in own.calls)
                if not known:
                    own.calls.append(call)
            self.submit_all()

    def submit_all(self) -> None:
        """Submit what was called so far; every job has its answer or its problem then.

        Raises what says nothing of any job, such as `TransportError`: the jobs that were not answered
        for are asked for again, by their tokens, when one of them is used.
        """
        own = self._own.get()
        with own.submitting:
            while own.calls:
                part = own.calls[: _fitting(own.calls)]
                for call in part:
                    call.asked_for = True
                self._submitter.submit_batch(part)
                with own.changing:
                    own.calls = own.calls[len(part) :]
                    own.unheard += [call.problem for call in part if call.problem is not None]

    def _give_up(self) -> None:
        own = self._own.get()
        with own.changing:
            left = [call for call in own.calls if not call.asked_for]
            own.calls = [call for call in own.calls if call.asked_for]
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
