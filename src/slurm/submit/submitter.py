"""Handing calls to a cluster's backend, and making futures of its answers.

The way of a call: its code is packaged and its arguments are packed; a draft is made of all that, and requests of the
draft (`slurm.submit.draft`, `slurm.submit.prepare`); the backend takes them in one round trip.
"""

from __future__ import annotations

import contextlib
import posixpath
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from slurm import context
from slurm.api.requests import Submitted
from slurm.errors import RemoteFileError, SlurmError, SubmissionUnknown
from slurm.job_dir.paths import ArrayDirectory
from slurm.submit.arrays import WaitingArray
from slurm.submit.code_again import with_code
from slurm.submit.effects import ClusterFunctions, Effects, NoEffects
from slurm.submit.refusals import (
    Refusals,
    no_main_guard,
    say_kept_options,
    taken,
    unknown,
    unknown_batch,
)
from slurm.tracking.lone_record import LoneRecord
from slurm.tracking.record import ArrayElement, JobOperations, JobRecord
from slurm.tracking.submitted_array import SubmittedArray
from slurm.tracking.upstream import Dependency, Upstream

if TYPE_CHECKING:
    from slurm.api.requests import Archive, JobRequest, Progress
    from slurm.api.site import Site
    from slurm.sbatch.array_layout import ArrayLayout
    from slurm.submit.calls import ArrayCall, Call, TaskCall
    from slurm.submit.draft import Drafter, Placement, PreparedCall
    from slurm.submit.packing import PickledCall
    from slurm.tracking.array_record import ArrayRecord
    from slurm.tracking.listener import Listener, SubmissionNews


class CallInBatch(Protocol):
    """A call that is ready, and is submitted with others."""

    prepared: PreparedCall
    record: LoneRecord
    problem: SlurmError | None

    def settle(self, answer: Submitted, problem: SlurmError | None) -> None:
        """Take the scheduler's answer about its job."""


class Submitter(NamedTuple):
    """Submits to one cluster, as long as it is open; the children of a workflow's job under its `placement`.

    Without one, calls belong where the workflow that is active at the call has its jobs, if this is its cluster; else
    below the cluster's `job_base_dir`.
    """

    site: Site
    operations: JobOperations
    listener: Listener
    functions: ClusterFunctions
    placement: Placement | None = None

    def placed(self, placement: Placement) -> Submitter:
        """This one, for the children of a workflow's job."""
        return self._replace(placement=placement)

    def _here(self) -> Submitter:
        """This one, for a call that is made here."""
        found = None if self.placement is not None else context.placement_on(self.site)
        return self if found is None else self.placed(found)

    # Jobs

    def submit(self, call: TaskCall) -> Any:
        """Submit one call, and return its `Job`; see `SlurmTask`."""
        return self.submit_prepared(self.prepare(call))

    def prepare(self, call: TaskCall) -> PreparedCall:
        """The call, ready to be submitted. Raises where it cannot travel."""
        self._require_open(call.task.name)
        return self._here()._drafter(Effects).call(call)

    def preview(self, call: TaskCall) -> JobRequest:
        """The request that `submit` would hand to the backend; nothing is sent or submitted for it."""
        self._require_open(call.task.name)
        return self._here()._drafter(NoEffects).call(call).requests[0]

    def submit_prepared(self, prepared: PreparedCall) -> Any:
        """Submit a call that is ready, and return its `Job`, which is watched."""
        with self.listener.submitting(prepared.facts, prepared.about) as news:
            [answer] = news.answers = self._submit(prepared, news)
            record = news.record = self.record(
                task_name=prepared.name,
                token=prepared.token,
                submission=answer,
                waits_for=prepared.dependencies,
                options=prepared.requests[0].options,
            )
            job = self.job_of(
                record
            )  # before it is watched: who hears of its end hears of this one
        self.operations.watch([record])
        return job

    def submit_batch(self, calls: Sequence[CallInBatch]) -> None:
        """Submit calls in one request: each has its answer, or its problem, afterwards.

        Raises what says nothing of any single job, such as `TransportError`.
        """
        self._require_open("a batch")
        with contextlib.ExitStack() as all_told:
            tellings = [all_told.enter_context(contextlib.ExitStack()) for _ in calls]
            news_of = [
                telling.enter_context(
                    self.listener.submitting(call.prepared.facts, call.prepared.about)
                )
                for telling, call in zip(tellings, calls)
            ]
            try:
                answers = self._ask([call.prepared for call in calls], news_of)
            except SubmissionUnknown as error:
                raise unknown_batch([call.prepared for call in calls], error) from None
            refusals = Refusals(self.site.backend)
            for telling, news, [answer], call in zip(tellings, news_of, answers, calls):
                with contextlib.suppress(SlurmError), telling:
                    call.settle(answer, refusals.problem_of(call.prepared, answer))
                    news.answers, news.record = [answer], call.record
                    say_kept_options(call.prepared, answer)
                    if call.problem is not None:
                        raise call.problem
        self.operations.watch([call.record for call in calls if call.problem is None])

    # Arrays

    def map(self, call: ArrayCall) -> Any:
        """The `ArrayJob` of a mapped task, which is submitted when it is needed; its arguments are pickled now."""
        from slurm.submit.packing import pickle_call  # late: as `Drafter`

        self._require_open(call.task.name)
        _ = self.site.job_base_dir  # one that makes no sense is refused here already
        pickled = pickle_call(call, self.site.backend.large_from)
        waiting = WaitingArray(call, pickled, self._here().submit_array)
        return self.functions.array_of(call.task.name, waiting)

    def submit_array(self, call: ArrayCall, pickled: PickledCall) -> SubmittedArray:
        """Submit an array; `ArrayJob` does when it is needed. One without items is done with that."""
        from slurm.sbatch.array_layout import ArrayLayout  # late: as all that an array alone needs

        if not pickled.count:
            nowhere, nothing = ArrayDirectory(""), ArrayLayout(0, call.pack)
            return SubmittedArray((), nowhere, nothing, call.token, call.after)
        self._require_open(call.task.name)
        largest = self.site.backend.limits()["max_array_size"]
        layout = ArrayLayout(pickled.count, call.pack, largest)
        prepared = self._drafter(Effects).array(call, pickled, layout)
        return self.submit_prepared_array(prepared, layout)

    def submit_prepared_array(self, prepared: PreparedCall, layout: ArrayLayout) -> SubmittedArray:
        """Submit an array that is ready."""
        with self.listener.submitting(prepared.facts, prepared.about) as news:
            answers = news.answers = self._submit(prepared, news)
        return SubmittedArray(
            ids=tuple(answer.job_id for answer in answers),
            directory=ArrayDirectory(answers[0].job_dir),
            layout=layout,
            token=prepared.token,
            waits_for=prepared.dependencies,
            reattached=answers[0].reattached,
            options=tuple(request.options for request in prepared.requests),
        )

    # Futures

    def record(
        self,
        *,
        task_name: str,
        token: str,
        submission: Submitted | Callable[[], Submitted],
        waits_for: Sequence[Dependency] = (),
        element: ArrayElement | None = None,
        options: Mapping[str, str] | None = None,
    ) -> LoneRecord:
        """A record of a job here; see `LoneRecord`."""
        return LoneRecord(
            self.site,
            self.operations,
            task_name=task_name,
            token=token,
            submission=submission,
            waits_for=waits_for,
            element=element,
            options=options,
        )

    def array_record(self, task_name: str, state: SubmittedArray, group: Upstream) -> ArrayRecord:
        """What is known of an array that the scheduler has; `group` is its `ArrayJob`."""
        from slurm.tracking.array_record import (
            ArrayRecord,
        )  # late: as all that an array alone needs

        return ArrayRecord(self.site, self.operations, task_name, state, group)

    def job_of(self, record: JobRecord) -> Any:
        """The `Job` of a record: the one that somebody holds, or a new one."""
        return self.functions.job_of(record)

    def array_of(self, task_name: str, state: SubmittedArray) -> Any:
        """The `ArrayJob` of an array that the scheduler has."""
        return self.functions.array_of(task_name, state)

    # Whether it may be submitted

    def _require_open(self, what: str) -> None:
        """Raises where nothing may be submitted."""
        if self.functions.is_closed():
            raise SlurmError(f"{what} was not submitted: its cluster was closed")
        if context.is_loading_script():
            raise no_main_guard(f"submits {what}")

    def _drafter(self, effects: type[Effects]) -> Drafter:
        from slurm.submit.draft import Drafter  # late: who only reads results needs none of it

        made = effects(self.site, self.listener)
        return Drafter(self.site, self.listener, self.functions, self.placement, made)

    # From requests to answers

    def _ask(
        self, calls: Sequence[PreparedCall], news_of: Sequence[SubmissionNews]
    ) -> list[list[Submitted]]:
        """The answers to the requests of each call, each of which belongs to the submission in its place."""

        def ask(numbers: Sequence[int]) -> list[list[Submitted]]:
            chosen = [(calls[number], news_of[number]) for number in numbers]
            requests = [(one, news) for call, news in chosen for one in call.requests]
            archive = chosen[0][0].archive
            answers = iter(
                self._ask_once([one for one, _ in requests], archive, [of for _, of in requests])
            )
            return [[next(answers) for _ in call.requests] for call, _ in chosen]

        return with_code(calls, ask)

    def _ask_once(
        self,
        requests: Sequence[JobRequest],
        archive: Archive,
        news_of: Sequence[SubmissionNews],
    ) -> list[Submitted]:
        """The answers to all requests, each of which belongs to the submission in its place."""
        backend = self.site.backend
        listening = {}  # a backend that is never handed large files need not know the word
        if backend.large_from is not None:
            listening["progress"] = _progress_of(requests, news_of)
        base = self.site.job_base_dir
        try:
            return backend.submit_jobs(
                requests, base=base, events=self.site.event_dir, archive=archive, **listening
            )
        except RemoteFileError as error:
            raise type(error)(
                f"job_base_dir {base} cannot be used: {error}. Name a directory that you can write to with "
                "job_base_dir="
            ) from None

    def _submit(self, prepared: PreparedCall, news: SubmissionNews) -> list[Submitted]:
        """The answers to all requests of one call. Raises unless all of it exists."""
        try:
            [answers] = self._ask([prepared], [news])
        except SubmissionUnknown as error:  # the connection was lost: this holds for all of them
            raise unknown(prepared, error) from None
        refusals = Refusals(self.site.backend)
        problems = (refusals.problem_of(prepared, answer) for answer in answers)
        problem = next(filter(None, problems), None)
        if problem is None:
            say_kept_options(prepared, answers[0])
            return answers
        accepted = [one.job_id for one in answers if one.job_id and not taken(prepared, one)]
        if accepted:  # a part of an array is none
            self.site.backend.cancel_jobs(accepted)
        raise problem


class NoSubmitter:
    """Takes calls where nothing can be submitted, and says `why`."""

    site = None

    def __init__(self, why: str) -> None:
        self._why = why

    def submit(self, call: TaskCall) -> Any:
        """Raises `SlurmError`."""
        raise self._refusal(call)

    def map(self, call: ArrayCall) -> Any:
        """Raises `SlurmError`."""
        raise self._refusal(call)

    def _refusal(self, call: Call) -> SlurmError:
        return SlurmError(f"{call.task.name} cannot be submitted {self._why}")


def _progress_of(
    requests: Sequence[JobRequest], news_of: Sequence[SubmissionNews]
) -> Progress | None:
    """Who is to hear of the large files of each request, by the directory that they are for."""
    listeners = {request.job_dir: news.progress for request, news in zip(requests, news_of)}

    def told(path: str, done: int, total: int) -> None:
        progress = listeners.get(posixpath.dirname(path))
        if progress is not None:
            progress(path, done, total)

    return told if any(listeners.values()) else None
