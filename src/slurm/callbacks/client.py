"""Where the callbacks of a cluster hear of things: every hook that is called on the client."""

from __future__ import annotations

import contextlib
import functools
import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal

from slurm import forks
from slurm.callbacks.base import BaseCallback, ExecutionLocus, HoldsSubmission
from slurm.callbacks.completion import Completion
from slurm.callbacks.contexts import (
    CallbackContext,
    CompletedContext,
    JobStatusUpdatedContext,
    PackagingBeginContext,
    PackagingEndContext,
    ResultFetchedContext,
    SubmitBeginContext,
    SubmitEndContext,
    TransferContext,
)
from slurm.callbacks.holding import held
from slurm.callbacks.hooks import LentCallbacks, checked, name_of
from slurm.callbacks.transfer_progress import TransferProgress
from slurm.callbacks.travel import pack, pickled_callbacks
from slurm.callbacks.worker import FETCHED, REASON, Worker
from slurm.tracking.listener import CallFacts, Listener, RequestFacts, SubmissionNews

if TYPE_CHECKING:
    from slurm.api.requests import Progress
    from slurm.cluster import Cluster
    from slurm.job import Job
    from slurm.states import JobState, JobStatus
    from slurm.tracking.listener import PackedCallbacks
    from slurm.tracking.record import JobRecord

logger: logging.Logger = logging.getLogger(__name__)

OF_JOBS = frozenset({"on_job_status_update_ctx", "on_completed_ctx", REASON})
DRAIN_SECONDS = 10.0  # for all callbacks together, when the cluster is closed


class CallbackListener(Listener):
    """Tells the callbacks that are called on the client, each in a thread of its own."""

    def __init__(
        self,
        callbacks: Sequence[BaseCallback],
        job_of: Callable[[JobRecord], Job[Any]],
        cluster: Cluster | None = None,
        *,
        lent: bool = False,
    ) -> None:
        here = [one for one in callbacks if one.locus != ExecutionLocus.RUNNER]
        self._job_of = job_of
        self._cluster = cluster
        self._lent = lent
        self._holders = [one for one in here if isinstance(one, HoldsSubmission)]
        # A forked child has threads of its own, and tells of what it does itself.
        self._own_workers = forks.Own(lambda: [Worker(callback) for callback in here])
        self._own_workers.get()
        self._pickled = pickled_callbacks(callbacks)
        self._calls: dict[
            str, CallFacts
        ] = {}  # by their directory; those that are not a plain task's

    @property
    def _workers(self) -> Sequence[Worker]:
        return self._own_workers.get()

    @property
    def hears_of_jobs(self) -> bool:
        return any(not OF_JOBS.isdisjoint(worker.hooks) for worker in self._workers)

    @contextlib.contextmanager
    def packaging(self, call: CallFacts, packaging: str) -> Iterator[None]:
        about = {**call._asdict(), "packaging": packaging}
        self._tell("on_begin_package_ctx", lambda: PackagingBeginContext(**about))
        with self._timed("on_end_package_ctx", lambda end: PackagingEndContext(**about, **end)):
            yield

    @contextlib.contextmanager
    def submitting(self, call: CallFacts, request: RequestFacts) -> Iterator[SubmissionNews]:
        array_dir = "" if request.array_size is None else request.job_dir
        about = {
            **call._asdict(),
            **request._asdict(),
            "array_dir": array_dir,
            "cluster": self._cluster,
        }
        begin = SubmitBeginContext(**about)
        news = SubmissionNews()

        def ended(end: dict[str, Any]) -> SubmitEndContext:
            return SubmitEndContext(**{**about, **self._of_answers(news), **end})

        self._tell("on_begin_submit_job_ctx", lambda: begin)
        on_its_way = {**call._asdict(), "job_dir": request.job_dir, "array_dir": array_dir}
        holding = held(self._holders, begin, ended)
        with self._timed("on_end_submit_job_ctx", ended), holding:
            with self._transferring("upload", lambda path: on_its_way) as news.progress:
                yield news
            if call.is_workflow or call.parent_workflow is not None:
                self._calls[news.answers[0].job_dir] = call

    @contextlib.contextmanager
    def fetching(self, records: Sequence[JobRecord]) -> Iterator[Progress | None]:
        started = time.monotonic()
        owners = {record.directory.result: record for record in records}
        with self._transferring("download", lambda path: self._of_job(owners[path])) as progress:
            yield progress
        each = (time.monotonic() - started) / len(records)
        for record in records:
            about = self._of_job(record)
            self._tell(FETCHED, functools.partial(ResultFetchedContext, **about, duration=each))

    def observed(self, record: JobRecord, before: JobStatus, after: JobStatus) -> None:
        if after.state is not before.state:
            self._tell(
                "on_job_status_update_ctx", lambda: self._update(record, before.state, after)
            )
        elif after.pending_reason != before.pending_reason:
            self._tell(REASON, lambda: self._update(record, before.state, after))
        if after.finished and not before.finished:
            self._tell("on_completed_ctx", lambda: self._completed(record, after), Completion)

    def polled(self, live: Callable[[], Iterable[JobRecord]]) -> None:
        curious = [worker for worker in self._workers if worker.take_poll()]
        if not curious:
            return
        records = {record.token: record for record in live()}.values()  # some have several futures
        contexts = [self._update(one, one.status.state, one.status) for one in records]
        for worker in curious:
            worker.put_all("on_job_status_update_ctx", contexts)

    def seconds_to_poll(self) -> float:
        return min((worker.seconds_to_poll() for worker in self._workers), default=float("inf"))

    def pack(self, is_workflow: bool) -> tuple[PackedCallbacks, bool]:
        return pack(self._pickled, is_workflow)

    def drain(self, timeout: float | None) -> bool:
        deadline = None if timeout is None else time.monotonic() + timeout
        return all(worker.drain(deadline) for worker in self._workers)

    def close(self) -> None:
        workers = self._own_workers.known or ()
        for worker in workers:
            worker.close(last=not self._lent)
        deadline = time.monotonic() + DRAIN_SECONDS
        for worker in workers:
            if not worker.drain(deadline):
                logger.warning(
                    "the callback %s did not end in time: %d calls of its hooks are left undone",
                    name_of(worker.callback),
                    worker.left,
                )

    @contextlib.contextmanager
    def _transferring(
        self, direction: Literal["upload", "download"], about: Callable[[str], dict[str, Any]]
    ) -> Iterator[Progress | None]:
        """Around everything that may move large files, of which `about` knows the job."""

        def tell(path: str, **how: Any) -> None:
            one = functools.partial(TransferContext, direction=direction, path=path, **how)
            self._tell("on_transfer_ctx", lambda: one(**about(path)))

        progress = TransferProgress(tell)
        error: BaseException | None = None
        try:
            yield progress.step
        except BaseException as failure:
            error = failure
            raise
        finally:
            progress.end(error)

    # How it is told

    def _tell(
        self,
        hook: str,
        make: Callable[[], CallbackContext],
        later: Callable[[Any], Callable[[], CallbackContext]] | None = None,
    ) -> None:
        """Have `hook` called with what `make` returns now, or with what `later` makes of that when it is called."""
        workers = [worker for worker in self._workers if hook in worker.hooks]
        if not workers:
            return
        made = make()
        context = functools.partial(_same, made) if later is None else later(made)
        for worker in workers:
            worker.put(hook, context)

    @contextlib.contextmanager
    def _timed(
        self, hook: str, make: Callable[[dict[str, Any]], CallbackContext]
    ) -> Iterator[None]:
        """Tell at the end how long it took, and with which error it ended."""
        started = time.monotonic()
        error: BaseException | None = None
        try:
            yield
        except BaseException as failure:
            error = failure
            raise
        finally:
            took = time.monotonic() - started
            self._tell(hook, lambda: make({"duration": took, "error": error}))

    def _of_job(self, record: JobRecord) -> dict[str, Any]:
        about: dict[str, Any] = {
            "task_name": record.task_name,
            "job_id": record.id,
            "job_dir": record.job_dir,
        }
        if record.element is not None:
            about["array_index"] = record.element.index
            about["array_dir"] = record.element.array.path
        call = self._calls.get(about.get("array_dir", record.job_dir))
        return {**(call._asdict() if call else {}), **about}

    def _of_answers(self, news: SubmissionNews) -> dict[str, Any]:
        if not news.answers:
            return {}
        first = news.answers[0]
        about: dict[str, Any] = {
            "job": None if news.record is None else self._job_of(news.record),
            "job_id": ",".join(answer.job_id for answer in news.answers),
            "job_dir": first.job_dir,
            "reattached": first.reattached,
        }
        return about if news.record is not None else {**about, "array_dir": first.job_dir}

    def _update(
        self, record: JobRecord, before: JobState, after: JobStatus
    ) -> JobStatusUpdatedContext:
        return JobStatusUpdatedContext(
            **self._of_job(record),
            job=self._job_of(record),
            previous_state=before,
            state=after.state,
            reason=after.reason,
            node=after.node,
        )

    def _completed(self, record: JobRecord, status: JobStatus) -> CompletedContext:
        return CompletedContext(
            **self._of_job(record),
            job=self._job_of(record),
            state=status.state,
            reason=status.reason,
            exit_code=status.exit_code,
            node=status.node,
        )


def _same(context: CallbackContext) -> CallbackContext:
    return context


def heard_by(
    callbacks: Iterable[BaseCallback], job_of: Callable[[JobRecord], Job[Any]], cluster: Cluster
) -> tuple[tuple[BaseCallback, ...], CallbackListener]:
    """The callbacks that a user gave for `cluster`, and the listener that tells them what happens. Raises `ConfigError`."""
    given = checked(callbacks)
    lent = isinstance(callbacks, LentCallbacks)
    return given, CallbackListener(given, job_of, cluster, lent=lent)
