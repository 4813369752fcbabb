"""What a callback is: a class with hooks that do nothing until they are overridden, and where they are called."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from slurm.callbacks.contexts import (
        CompletedContext,
        JobStatusUpdatedContext,
        PackagingBeginContext,
        PackagingEndContext,
        ResultFetchedContext,
        RunBeginContext,
        RunEndContext,
        SubmitBeginContext,
        SubmitEndContext,
        TransferContext,
    )


class ExecutionLocus(str, enum.Enum):
    """In which processes a callback is called.

    - ``CLIENT``: in the process that made the cluster. The callback stays there.
    - ``RUNNER``: in the jobs, on their nodes. The callback travels with them.
    - ``BOTH``: in either. A workflow, which submits jobs itself, is both at once.

    >>> ExecutionLocus("both") is ExecutionLocus.BOTH
    True
    """

    CLIENT = "client"
    RUNNER = "runner"
    BOTH = "both"

    def __str__(self) -> str:
        return self.value


CLIENT_HOOKS = (
    "on_begin_package_ctx",
    "on_end_package_ctx",
    "on_begin_submit_job_ctx",
    "on_end_submit_job_ctx",
    "on_job_status_update_ctx",
    "on_transfer_ctx",
    "on_completed_ctx",
)
RUNNER_HOOKS = ("on_begin_run_job_ctx", "on_end_run_job_ctx", "on_completed_ctx")


class BaseCallback:
    """Override the hooks you want to be told by; ``Cluster(callbacks=[...])`` takes instances.

    On the client each callback has a thread of its own, in which its hooks are called one after
    another in the order in which things happened: a slow one delays nobody else. In a job they are
    called by the job's process, in its main thread. What a hook raises is logged, and is never the
    job's failure.

    - `locus`: where the callback is called, see `ExecutionLocus`. One whose locus is ``RUNNER`` or
      ``BOTH`` is pickled when its cluster is made, and travels with the arguments of each job that
      has a hook to call; what a job's copy keeps stays in the job.
    - `poll_interval_secs`: call `on_job_status_update_ctx` for every live job every so many seconds
      as well, not only when its state changes.

    >>> class Count(BaseCallback):
    ...     ended = 0
    ...
    ...     def on_completed_ctx(self, ctx: CompletedContext) -> None:
    ...         self.ended += 1
    >>> from slurm import Cluster
    >>> cluster = Cluster("local", callbacks=[Count()])
    """

    locus: ExecutionLocus = ExecutionLocus.CLIENT
    poll_interval_secs: float | None = None

    def on_begin_package_ctx(self, ctx: PackagingBeginContext) -> None:
        """Client: a task's code is about to be packaged.

        >>> class Mine(BaseCallback):
        ...     def on_begin_package_ctx(self, ctx: PackagingBeginContext) -> None:
        ...         print(f"packaging {ctx.task_name} as {ctx.packaging}")
        """

    def on_end_package_ctx(self, ctx: PackagingEndContext) -> None:
        """Client: the code is packaged, or could not be.

        >>> class Mine(BaseCallback):
        ...     def on_end_package_ctx(self, ctx: PackagingEndContext) -> None:
        ...         print(f"that took {ctx.duration:.1f} s", ctx.error or "")
        """

    def on_begin_submit_job_ctx(self, ctx: SubmitBeginContext) -> None:
        """Client: a job or an array is about to be submitted.

        >>> class Mine(BaseCallback):
        ...     def on_begin_submit_job_ctx(self, ctx: SubmitBeginContext) -> None:
        ...         print(ctx.options["time"], ctx.array_size or 1)
        """

    def on_end_submit_job_ctx(self, ctx: SubmitEndContext) -> None:
        """Client: it was submitted, or could not be.

        >>> class Mine(BaseCallback):
        ...     def on_end_submit_job_ctx(self, ctx: SubmitEndContext) -> None:
        ...         print(f"{ctx.task_name} is job {ctx.job_id} in {ctx.job_dir}")
        """

    def on_begin_run_job_ctx(self, ctx: RunBeginContext) -> None:
        """Runner: the function is about to be called, in this process.

        >>> class Mine(BaseCallback):
        ...     def on_begin_run_job_ctx(self, ctx: RunBeginContext) -> None:
        ...         print(f"attempt {ctx.attempt} on {ctx.node}")  # into the job's stdout
        """

    def on_end_run_job_ctx(self, ctx: RunEndContext) -> None:
        """Runner: the function has returned or raised; its result is written.

        >>> class Mine(BaseCallback):
        ...     def on_end_run_job_ctx(self, ctx: RunEndContext) -> None:
        ...         print("it raised", ctx.error) if ctx.error else print("it returned")
        """

    def on_job_status_update_ctx(self, ctx: JobStatusUpdatedContext) -> None:
        """Client: a job's state is another one; or it is time to be told, see `poll_interval_secs`.

        >>> class Mine(BaseCallback):
        ...     def on_job_status_update_ctx(self, ctx: JobStatusUpdatedContext) -> None:
        ...         if ctx.changed:
        ...             print(f"{ctx.previous_state} -> {ctx.state}", ctx.reason)
        """

    def on_transfer_ctx(self, ctx: TransferContext) -> None:
        """Client: a large file is on its way to or from the cluster; told a few times a second at most.

        >>> class Mine(BaseCallback):
        ...     def on_transfer_ctx(self, ctx: TransferContext) -> None:
        ...         print(f"{ctx.direction} of {ctx.path}: {100 * ctx.done // ctx.total} %")
        """

    def on_completed_ctx(self, ctx: CompletedContext) -> None:
        """Client and runner: a job has ended. ``ctx.emitted_by`` says which of the two this is.

        >>> class Mine(BaseCallback):
        ...     def on_completed_ctx(self, ctx: CompletedContext) -> None:
        ...         if not ctx.successful:
        ...             print(f"{ctx.task_name} {ctx.job_id}: {ctx.state}", ctx.error)
        """

    def close(self) -> None:
        """Called after the last hook, when the cluster is closed or the job ends. May be called again.

        >>> BaseCallback().close()
        """


class HearsOfResults(BaseCallback):
    """A callback that is told as well, on the client, when a result was read; not one of the nine hooks.

    >>> issubclass(HearsOfResults, BaseCallback)
    True
    """

    def result_fetched(self, ctx: ResultFetchedContext) -> None:
        """A result was read.

        >>> class Mine(HearsOfResults):
        ...     def result_fetched(self, ctx: ResultFetchedContext) -> None:
        ...         print(f"the result of {ctx.job_id} took {ctx.duration:.1f} s")
        """


class HearsOfReasons(BaseCallback):
    """A callback that is told as well, on the client, why a job still waits; not one of the nine hooks.

    >>> issubclass(HearsOfReasons, BaseCallback)
    True
    """

    def reason_changed(self, ctx: JobStatusUpdatedContext) -> None:
        """The scheduler gives another reason, and the job is in the state in which it was.

        >>> class Mine(HearsOfReasons):
        ...     def reason_changed(self, ctx: JobStatusUpdatedContext) -> None:
        ...         print(f"job {ctx.job_id} waits: {ctx.reason}")
        """


class HoldsSubmission(BaseCallback):
    """A callback that each submission waits for, on the client; not of the nine hooks.

    Its two methods are called in the thread that submits, before the scheduler is asked and after it has answered, and
    from several threads at once where several submit. What `before_submission` raises is why nothing is submitted, and is
    raised as `SubmissionError`; what `after_submission` raises is logged: there may be a job. Both take their time from
    the program. The other hooks are called in the callback's own thread, as any callback's.

    >>> class Quota(HoldsSubmission):
    ...     left = 100
    ...
    ...     def before_submission(self, ctx: SubmitBeginContext) -> None:
    ...         if not self.left:
    ...             raise RuntimeError("that would be the 101st job of today")
    ...         self.left -= 1
    >>> from slurm import Cluster
    >>> cluster = Cluster("local", callbacks=[Quota()])
    """

    def before_submission(self, ctx: SubmitBeginContext) -> None:
        """Client: a job or an array is not submitted before this has returned.

        >>> class Mine(HoldsSubmission):
        ...     def before_submission(self, ctx: SubmitBeginContext) -> None:
        ...         print(f"{ctx.token} will be in {ctx.job_dir}")
        """

    def after_submission(self, ctx: SubmitEndContext) -> None:
        """Client: it was submitted, or could not be; for each that `before_submission` has let pass.

        >>> class Mine(HoldsSubmission):
        ...     def after_submission(self, ctx: SubmitEndContext) -> None:
        ...         print(f"{ctx.token} is job {ctx.job_id}", ctx.error or "")
        """


def overrides(callback: BaseCallback, hook: str) -> bool:
    """Whether `callback` wants to be told by `hook`."""
    own = getattr(type(callback), hook, None) is not getattr(BaseCallback, hook)
    return own or hook in getattr(callback, "__dict__", {})
