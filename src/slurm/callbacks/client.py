"""Where the callbacks of a cluster hear of things: every hook that is called on the client."""

from __future__ import annotations

import contextlib
import functools
import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal

from slurm.callbacks.base import BaseCallback, ExecutionLocus
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
from slurm.callbacks.hooks import name_of
from slurm.callbacks.transfer_progress import TransferProgress
from slurm.callbacks.travel import pack, pickled_callbacks
from slurm.callbacks.worker import FETCHED, Worker
from slurm.packaging.names import name_of_strategy
from slurm.submit.calls import ArrayCall
from slurm.tracking.listener import Listener, Packed, Submission

if TYPE_CHECKING:
    from slurm.api.requests import Progress
    from slurm.job import Job
    from slurm.packaging.base import PackagingStrategy
    from slurm.states import JobStatus
    from slurm.submit.calls import Call
    from slurm.submit.prepare import Placement, Prepared

logger: logging.Logger = logging.getLogger(__name__)

DRAIN_SECONDS = 10.0  # for all callbacks together, when the cluster is closed


class CallbackListener(Listener):
    """Tells the callbacks that are called on the client, each in a thread of its own."""

    def __init__(self, callbacks: Sequence[BaseCallback]) -> None:
        super().__init__(callbacks)
        here = [one for one in callbacks if one.locus != ExecutionLocus.RUNNER]
        self._workers = [Worker(callback) for callback in here]
        self._pickled = pickled_callbacks(callbacks)
        self._origins: dict[str, dict[str, Any]] = {}

    @contextlib.contextmanager
    def packaging(
        self, call: Call, strategy: PackagingStrategy, placement: Placement
    ) -> Iterator[None]:
        about = {**_of_call(call, placement), "packaging": name_of_strategy(strategy)}
        self._tell("on_begin_package_ctx", lambda: PackagingBeginContext(**about))
        with self._timed("on_end_package_ctx", lambda end: PackagingEndContext(**about, **end)):
            yield

    @contextlib.contextmanager
    def submitting(
        self, call: Call, prepared: Prepared, placement: Placement
    ) -> Iterator[Submission]:
        origin = _of_call(call, placement)
        about = {**origin, **_of_request(call, prepared)}
        submission = Submission()

        def ended(end: dict[str, Any]) -> SubmitEndContext:
            return SubmitEndContext(**{**about, **_of_answers(submission), **end})

        self._tell("on_begin_submit_job_ctx", lambda: SubmitBeginContext(**about))
        on_its_way = {**origin, "job_dir": about["job_dir"], "array_dir": about["array_dir"]}
        with self._timed("on_end_submit_job_ctx", ended):
            with self._transferring("upload", lambda path: on_its_way) as submission.progress:
                yield submission
            if origin["is_workflow"] or origin["parent_workflow"] is not None:
                self._origins[submission.answers[0].job_dir] = origin

    @contextlib.contextmanager
    def fetching(self, jobs: Sequence[Job[Any]]) -> Iterator[Progress | None]:
        started = time.monotonic()
        owners = {job.directory.result: job for job in jobs}
        with self._transferring("download", lambda path: self._of_job(owners[path])) as progress:
            yield progress
        each = (time.monotonic() - started) / len(jobs)
        for job in jobs:
            about = self._of_job(job)
            self._tell(FETCHED, functools.partial(ResultFetchedContext, **about, duration=each))

    def observed(self, job: Job[Any], before: JobStatus, after: JobStatus) -> None:
        if after.state is not before.state:
            self._tell("on_job_status_update_ctx", lambda: self._update(job, before.state, after))
        if after.finished and not before.finished:
            self._tell("on_completed_ctx", lambda: self._completed(job, after), Completion)

    def looked(self, live: Callable[[], Iterable[Job[Any]]]) -> None:
        curious = [worker for worker in self._workers if worker.take_poll()]
        if not curious:
            return
        jobs = {job.token: job for job in live()}.values()  # some have several futures
        contexts = [self._update(job, job.status.state, job.status) for job in jobs]
        for worker in curious:
            worker.put_all("on_job_status_update_ctx", contexts)

    def seconds_to_poll(self) -> float:
        return min((worker.seconds_to_poll() for worker in self._workers), default=float("inf"))

    def pack(self, is_workflow: bool) -> tuple[Packed, bool]:
        return pack(self._pickled, is_workflow)

    def drain(self, timeout: float | None) -> bool:
        deadline = None if timeout is None else time.monotonic() + timeout
        return all(worker.drain(deadline) for worker in self._workers)

    def close(self) -> None:
        for worker in self._workers:
            worker.close(last=not self.lent)
        deadline = time.monotonic() + DRAIN_SECONDS
        for worker in self._workers:
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

    def _of_job(self, job: Job[Any]) -> dict[str, Any]:
        about: dict[str, Any] = {
            "task_name": job.task_name,
            "job_id": job.id,
            "job_dir": job.job_dir,
        }
        if job.element is not None:
            about["array_index"] = job.element.index
            about["array_dir"] = job.element.array.path
        return {**self._origins.get(about.get("array_dir", job.job_dir), {}), **about}

    def _update(self, job: Job[Any], before: Any, after: JobStatus) -> JobStatusUpdatedContext:
        return JobStatusUpdatedContext(
            **self._of_job(job),
            job=job,
            previous_state=before,
            state=after.state,
            reason=after.reason,
            node=after.node,
        )

    def _completed(self, job: Job[Any], status: JobStatus) -> CompletedContext:
        return CompletedContext(
            **self._of_job(job),
            job=job,
            state=status.state,
            reason=status.reason,
            exit_code=status.exit_code,
            node=status.node,
        )


def _same(context: CallbackContext) -> CallbackContext:
    return context


def _of_call(call: Call, placement: Placement) -> dict[str, Any]:
    return {
        "task_name": call.task.name,
        "is_workflow": call.task._is_workflow,
        "parent_workflow": placement.parent,
    }


def _of_request(call: Call, prepared: Prepared) -> dict[str, Any]:
    request = prepared.requests[0]
    is_array = isinstance(call, ArrayCall)
    return {
        "job_dir": request.job_dir,
        "options": {**request.options, **request.submit_options},
        "dependencies": tuple(name for one in prepared.dependencies for name in one.ids),
        "array_dir": request.job_dir if is_array else "",
        "array_size": len(call.arguments) if is_array else None,
    }


def _of_answers(submission: Submission) -> dict[str, Any]:
    if not submission.answers:
        return {}
    first = submission.answers[0]
    about: dict[str, Any] = {
        "job": submission.job,
        "job_id": ",".join(answer.job_id for answer in submission.answers),
        "job_dir": first.job_dir,
        "reattached": first.reattached,
    }
    return about if submission.job else {**about, "array_dir": first.job_dir}
