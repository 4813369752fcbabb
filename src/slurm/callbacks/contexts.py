"""What a hook is told: one frozen object for each of the nine."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from slurm.callbacks.base import ExecutionLocus
from slurm.states import JobState

if TYPE_CHECKING:
    from slurm.cluster import Cluster
    from slurm.job import Job


def utc_now() -> datetime.datetime:
    """This moment, with its time zone."""
    return datetime.datetime.now(datetime.timezone.utc)


@dataclass(frozen=True)
class CallbackContext:
    """What every hook is told.

    - `task_name`; `is_workflow`; `parent_workflow`, the job id of the workflow that submitted it.
    - `job_id` and `job_dir`: the scheduler's id and the directory on the cluster; empty before they are known.
    - `array_index`, `array_dir`: which element of an array it is, and the array's directory; None
      and empty for a job by itself.
    - `timestamp`: when it happened, in UTC; `emitted_by`: whether the client or the runner says so.

    >>> SubmitEndContext(task_name="train", job_id="7").emitted_by
    <ExecutionLocus.CLIENT: 'client'>
    """

    task_name: str
    job_id: str = ""
    job_dir: str = ""
    is_workflow: bool = False
    parent_workflow: str | None = None
    array_index: int | None = None
    array_dir: str = ""
    timestamp: datetime.datetime = field(default_factory=utc_now)
    emitted_by: ExecutionLocus = ExecutionLocus.CLIENT


@dataclass(frozen=True)
class PackagingBeginContext(CallbackContext):
    """The user's code is about to be brought to the cluster, in the way named by `packaging`.

    >>> PackagingBeginContext(task_name="train", packaging="wheel").packaging
    'wheel'
    """

    packaging: str = "none"


@dataclass(frozen=True)
class PackagingEndContext(PackagingBeginContext):
    """That took `duration` seconds, and failed if there is an `error`.

    >>> ctx = PackagingEndContext(task_name="train", packaging="wheel", duration=2.5)
    >>> f"{ctx.packaging} took {ctx.duration} s", ctx.error
    ('wheel took 2.5 s', None)
    """

    duration: float = 0.0
    error: BaseException | None = None


@dataclass(frozen=True)
class SubmitBeginContext(CallbackContext):
    """A job, or an array of them, is about to be submitted.

    An array has one such context, and one `SubmitEndContext`, for all its elements.

    - `options`: all its sbatch options, by their long names.
    - `dependencies`: ids of the jobs it waits for.
    - `array_size`: how many elements the array has; None for a single job.
    - `token`: names the submission: the same token never makes a second job. `cluster`: where it goes.
    - `has_key`: the user gave it a key: it may be one that was made before.
    - `lookups`: with each of them and `job_dir`, ``cluster.backend.find_job(job_dir, **lookup)`` finds a job of it, should
      the answer be lost; one for a job, one for each submission that an array takes.

    >>> ctx = SubmitBeginContext(task_name="train", options={"time": "5"}, dependencies=("6",))
    >>> ctx.options["time"], ctx.dependencies, ctx.array_size
    ('5', ('6',), None)
    """

    options: Mapping[str, str] = field(default_factory=dict)
    dependencies: tuple[str, ...] = ()
    array_size: int | None = None
    token: str = ""
    lookups: tuple[Mapping[str, str], ...] = ()
    has_key: bool = False
    cluster: Cluster | None = None


@dataclass(frozen=True)
class SubmitEndContext(SubmitBeginContext):
    """It was submitted, or could not be.

    - `job`: the `Job`; None for an array, whose `job_id` ``cluster.get_array`` takes, and with an `error`.
    - `reattached`: an earlier submission with the same key made it.
    - `duration`: seconds that it took.

    >>> ctx = SubmitEndContext(task_name="double", job_id=job.id, job=job, duration=0.2)
    >>> ctx.job is job, ctx.reattached, ctx.error
    (True, False, None)
    """

    job: Job[Any] | None = None
    reattached: bool = False
    duration: float = 0.0
    error: BaseException | None = None


@dataclass(frozen=True)
class JobStatusUpdatedContext(CallbackContext):
    """The client has heard of a job's state.

    - `previous_state` and `state`: what was known before and what is now, as `JobState`. They are the
      same when nothing happened and ``poll_interval_secs`` asked to be told all the same.
    - `reason` and `node`: the scheduler's words for why it waits and where it runs; may be empty.

    >>> ctx = JobStatusUpdatedContext(task_name="train", job_id="7", reason="Resources")
    >>> f"job {ctx.job_id} is {ctx.state}: {ctx.reason}"
    'job 7 is PENDING: Resources'
    """

    job: Job[Any] | None = None
    previous_state: JobState = JobState.PENDING
    state: JobState = JobState.PENDING
    reason: str = ""
    node: str = ""

    @property
    def changed(self) -> bool:
        """Whether the state is another one than before.

        >>> JobStatusUpdatedContext(task_name="train", job_id="7", state=JobState.RUNNING).changed
        True
        """
        return self.state is not self.previous_state


@dataclass(frozen=True)
class RunBeginContext(CallbackContext):
    """The function is about to be called, in this process.

    - `attempt`: 1, and one more for each requeue; `node`: the node's name.

    >>> ctx = RunBeginContext(task_name="train", job_id="7", node="c1")
    >>> ctx.attempt, ctx.node, str(ctx.emitted_by)
    (1, 'c1', 'runner')
    """

    emitted_by: ExecutionLocus = ExecutionLocus.RUNNER
    attempt: int = 1
    node: str = ""


@dataclass(frozen=True)
class RunEndContext(RunBeginContext):
    """The function has returned or raised, and the result is written; or it goes back into the queue.

    - `started_at`: when it was called, in UTC; `duration`: seconds that it ran.
    - `error`: what it raised; None when it returned.
    - `requeued`: it was interrupted and left no result; the next attempt begins anew.

    >>> ctx = RunEndContext(task_name="train", job_id="7", duration=1.5, error=ValueError("no data"))
    >>> f"after {ctx.duration} s: {ctx.error}"
    'after 1.5 s: no data'
    """

    started_at: datetime.datetime | None = None
    duration: float | None = None
    error: BaseException | None = None
    requeued: bool = False


@dataclass(frozen=True)
class CompletedContext(CallbackContext):
    """A job has ended, in whatever way.

    - `state`, `reason`, `exit_code`: how, in the scheduler's words.
    - `launched_at`, `started_at`, `ended_at`: when the job script began, when the function was called
      and when it ended, by the node's clock; None where the job did not get so far, or was killed.
    - `duration`: seconds that the function ran; None likewise. `node`, `attempt`: the last one.
    - `error`: what ``job.get_result()`` raises; None for a job that has a result.

    >>> ctx = CompletedContext(task_name="train", job_id="7", state=JobState.TIMEOUT, node="c1")
    >>> f"job {ctx.job_id} ended as {ctx.state} on {ctx.node}"
    'job 7 ended as TIMEOUT on c1'
    """

    job: Job[Any] | None = None
    state: JobState = JobState.COMPLETED
    reason: str = ""
    exit_code: str = ""
    node: str = ""
    attempt: int = 1
    launched_at: datetime.datetime | None = None
    started_at: datetime.datetime | None = None
    ended_at: datetime.datetime | None = None
    error: BaseException | None = None

    @property
    def duration(self) -> float | None:
        """Seconds that the function ran.

        >>> began = utc_now()
        >>> ended = began + datetime.timedelta(seconds=90)
        >>> CompletedContext(task_name="train", started_at=began, ended_at=ended).duration
        90.0
        """
        return seconds_between(self.started_at, self.ended_at)

    @property
    def successful(self) -> bool:
        """Whether the job has a result.

        >>> CompletedContext(task_name="train", state=JobState.TIMEOUT).successful
        False
        """
        return self.state is JobState.COMPLETED

    def with_metadata(self, metadata: Mapping[str, Any]) -> CompletedContext:
        """This with what the job's ``metadata.json`` adds to it, not what it kept of an earlier attempt."""
        begun, called, completed = (
            time_of(metadata.get(key)) for key in ("started_at", "called_at", "completed_at")
        )
        return replace(
            self,
            is_workflow=bool(metadata.get("is_workflow", self.is_workflow)),
            parent_workflow=metadata.get("parent_workflow", self.parent_workflow),
            node=metadata.get("node") or self.node,
            attempt=metadata.get("attempt") or self.attempt,
            launched_at=time_of(metadata.get("launched_at")),
            started_at=_not_before(begun, called),
            ended_at=_not_before(begun, completed),
        )


@dataclass(frozen=True)
class TransferContext(CallbackContext):
    """A large file is on its way between this client and the cluster.

    - `direction`: ``"upload"`` for the arguments of a job or an array, ``"download"`` for a result.
    - `path`: the file on the cluster; `done` of its `total` bytes have arrived.
    - `duration`: seconds since it set out; `error`: why it never will arrive.

    >>> ctx = TransferContext("train", direction="download", path="/jobs/7/result.pkl", done=50, total=200)
    >>> f"{ctx.direction} {100 * ctx.done // ctx.total} %", ctx.finished
    ('download 25 %', False)
    """

    direction: Literal["upload", "download"] = "download"
    path: str = ""
    done: int = 0
    total: int = 0
    duration: float = 0.0
    error: BaseException | None = None

    @property
    def finished(self) -> bool:
        """Whether this is the last that is told of it.

        >>> TransferContext("train", done=200, total=200).finished
        True
        """
        return self.done == self.total or self.error is not None


@dataclass(frozen=True)
class ResultFetchedContext(CallbackContext):
    """A result was read, which took `duration` seconds. For `BenchmarkCallback`; not one of the nine."""

    duration: float = 0.0


def time_of(text: Any) -> datetime.datetime | None:
    """The time that `text` says as RFC 3339; None where it says none."""
    try:
        return datetime.datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None


def _not_before(
    start: datetime.datetime | None, moment: datetime.datetime | None
) -> datetime.datetime | None:
    return None if start and moment and moment < start else moment


def seconds_between(start: datetime.datetime | None, end: datetime.datetime | None) -> float | None:
    """Seconds from `start` to `end`; None where either is not known, never less than zero.

    Clocks of client and nodes differ: what would be less than nothing is nothing.
    """
    if start is None or end is None:
        return None
    return max(0.0, (end - start).total_seconds())
