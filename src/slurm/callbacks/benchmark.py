"""Where the time goes: how long jobs are queued, start, run, and take to come back."""

from __future__ import annotations

import datetime
import json
from dataclasses import replace
from typing import Any

from slurm import forks
from slurm.callbacks.base import HearsOfResults
from slurm.callbacks.contexts import (
    CallbackContext,
    CompletedContext,
    JobStatusUpdatedContext,
    ResultFetchedContext,
    SubmitEndContext,
)
from slurm.callbacks.timing import JobTiming, summary, text_table
from slurm.states import ACTIVE


class BenchmarkCallback(HearsOfResults):
    """Measures the stages of every job: queued, starting, running, noticing, fetching.

    Call ``cluster.drain_callbacks()`` before you ask for the numbers: hooks are called a moment after
    what they tell of. Queued and noticing lie between two clocks, the client's and the node's.

    >>> benchmark = BenchmarkCallback()
    >>> benchmark.on_end_submit_job_ctx(SubmitEndContext(task_name="train", job_id="7"))
    >>> print(benchmark.table())
    task   jobs  failed  queued  starting  running  noticing  fetching
    train     1       0       -         -        -         -         -
    """

    def __init__(self) -> None:
        self._jobs: dict[str, JobTiming] = {}
        self._arrays: dict[str, datetime.datetime] = {}
        self._noting = forks.Lock()

    def on_end_submit_job_ctx(self, ctx: SubmitEndContext) -> None:
        if ctx.error is None and not ctx.reattached:
            if ctx.array_size is None:
                self._note(ctx, submitted=ctx.timestamp)
            else:
                self._arrays[ctx.array_dir] = ctx.timestamp

    def on_job_status_update_ctx(self, ctx: JobStatusUpdatedContext) -> None:
        seen = {"seen_running": ctx.timestamp} if ctx.changed and ctx.state in ACTIVE else {}
        self._note(ctx, state=str(ctx.state), **seen)

    def on_completed_ctx(self, ctx: CompletedContext) -> None:
        self._note(
            ctx,
            state=str(ctx.state),
            attempt=ctx.attempt,
            launched=ctx.launched_at,
            called=ctx.started_at,
            returned=ctx.ended_at,
            seen_ended=ctx.timestamp,
        )

    def result_fetched(self, ctx: ResultFetchedContext) -> None:
        self._note(ctx, fetching=ctx.duration)

    def timings(self) -> list[JobTiming]:
        """What is known of each job so far, in the order in which they were first heard of.

        >>> BenchmarkCallback().timings()
        []
        """
        with self._noting:
            return list(self._jobs.values())

    def table(self) -> str:
        """A line for each task: median and, in brackets, maximum of each stage in seconds.

        >>> BenchmarkCallback().table()
        'task  jobs  failed  queued  starting  running  noticing  fetching'
        """
        return text_table(summary(self.timings()))

    def to_json(self) -> str:
        """The same with more statistics under ``tasks``, and every job's times under ``jobs``.

        >>> json.loads(BenchmarkCallback().to_json())
        {'tasks': {}, 'jobs': []}
        """
        timings = self.timings()
        jobs = [timing.as_json() for timing in timings]
        return json.dumps({"tasks": summary(timings), "jobs": jobs}, indent=2)

    def _note(self, context: CallbackContext, **known: Any) -> None:
        with self._noting:
            timing = self._jobs.get(context.job_dir)
            if timing is None:
                submitted = self._arrays.get(context.array_dir)
                timing = JobTiming(context.task_name, context.job_id, submitted=submitted)
            self._jobs[context.job_dir] = replace(timing, **known)
