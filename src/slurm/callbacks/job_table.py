"""What is known of many jobs at once, a row for each task and array of the table that `rich_logger` draws. Pure."""

from __future__ import annotations

import datetime
from collections import Counter
from dataclasses import dataclass, field

from slurm.callbacks.contexts import (
    CallbackContext,
    CompletedContext,
    JobStatusUpdatedContext,
    PackagingBeginContext,
    PackagingEndContext,
    SubmitBeginContext,
    SubmitEndContext,
    TransferContext,
)
from slurm.states import ACTIVE, JobState, JobStatus

MOST_REASONS = 2


@dataclass
class TaskRow:
    """The jobs of one task, or the elements of one array.

    `total` of them are known, and no more will be if it `is_fixed`; `done` and `failed` have ended;
    `live` has the last known state of others, `reasons` why those wait that the scheduler gave a reason for.
    """

    title: str
    began: datetime.datetime
    total: int = 0
    is_fixed: bool = False
    done: int = 0
    failed: int = 0
    live: dict[str, JobState] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)
    ended_at: datetime.datetime | None = None

    @property
    def ended(self) -> int:
        """How many have ended, well or not."""
        return self.done + self.failed

    @property
    def running(self) -> int:
        """How many are running."""
        return sum(state in ACTIVE for state in self.live.values())

    @property
    def waiting(self) -> int:
        """How many have not begun."""
        return self.total - self.ended - self.running

    @property
    def waiting_words(self) -> str:
        """How many have not begun, and why: the most frequent reasons first."""
        if not self.waiting:
            return "-"
        counted = Counter(self.reasons.values()).most_common()
        reasons = [reason for reason, _ in counted[:MOST_REASONS]]
        more = ["..."] if len(counted) > MOST_REASONS else []
        why = f" ({', '.join([*reasons, *more])})" if reasons else ""
        return f"{self.waiting}{why}"

    def elapsed(self, now: datetime.datetime) -> float:
        """Seconds from the first submission to the last end, or to `now`."""
        return max(0.0, ((self.ended_at or now) - self.began).total_seconds())


class JobTable:
    """All rows, in the order in which they began. Not for several threads at once."""

    def __init__(self) -> None:
        self.rows: dict[str, TaskRow] = {}
        self.doing: list[str] = []
        self.transfers: dict[str, TransferContext] = {}

    @property
    def at_rest(self) -> bool:
        """Whether everything has ended, and nothing is being packaged, submitted or transferred."""
        return not (self.doing or self.transfers) and all(
            row.ended_at for row in self.rows.values()
        )

    def note(self, context: CallbackContext) -> None:
        """Take in what a hook was told."""
        if isinstance(context, (PackagingEndContext, SubmitEndContext)):
            if _work(context) in self.doing:
                self.doing.remove(_work(context))
            if isinstance(context, SubmitEndContext) and context.error is None:
                self._submitted(context)
        elif isinstance(context, (PackagingBeginContext, SubmitBeginContext)):
            self.doing.append(_work(context))
        elif isinstance(context, JobStatusUpdatedContext):
            self._status(context)
        elif isinstance(context, TransferContext):
            self.transfers[context.path] = context
            if context.finished:
                del self.transfers[context.path]
        elif isinstance(context, CompletedContext):
            self._completed(context)

    def shown(self, most: int) -> list[TaskRow]:
        """At most so many rows: those that have not ended before those that have, the newest of each."""
        rows = list(self.rows.values())
        if len(rows) > most:
            rows.sort(key=lambda row: row.ended_at is None)
            rows = rows[-most:]
        return rows

    def _submitted(self, context: SubmitEndContext) -> None:
        row = self._row(context)
        row.ended_at = None
        if context.array_size is None:
            row.total += 1
            row.live[context.job_dir] = JobState.PENDING
        else:
            row.total, row.is_fixed = context.array_size, True

    def _status(self, context: JobStatusUpdatedContext) -> None:
        row = self._row_of(context)
        row.live[context.job_dir] = context.state
        reason = JobStatus(context.state, reason=context.reason).pending_reason
        row.reasons[context.job_dir] = reason
        if not reason:
            del row.reasons[context.job_dir]

    def _completed(self, context: CompletedContext) -> None:
        row = self._row_of(context)
        row.live.pop(context.job_dir, None)
        row.reasons.pop(context.job_dir, None)
        row.done += context.successful
        row.failed += not context.successful
        if row.ended >= row.total:
            row.ended_at = context.timestamp

    def _row_of(self, context: JobStatusUpdatedContext | CompletedContext) -> TaskRow:
        """The row of a job; one that another client submitted is counted when it is first heard of."""
        row = self._row(context)
        if not row.is_fixed and context.job_dir not in row.live:
            row.total += 1
            row.live[context.job_dir] = JobState.PENDING
        return row

    def _row(self, context: CallbackContext) -> TaskRow:
        """The row of a task, or of an array, which has its directory to itself."""
        title = context.task_name
        if context.array_dir:
            title = f"{title} {context.job_id.partition('_')[0]}"
        key = context.array_dir or context.task_name
        return self.rows.setdefault(key, TaskRow(title, context.timestamp))


def _work(context: PackagingBeginContext | SubmitBeginContext) -> str:
    what = "packaging" if isinstance(context, PackagingBeginContext) else "submitting"
    return f"{what} {context.task_name}"
