"""Times, numbers and states in words, the same in every drawing."""

from __future__ import annotations

import datetime
import unicodedata
from collections import Counter

from slurm.job_tree.nodes import JobNode
from slurm.job_tree.rows import Row
from slurm.states import JobState
from slurm.usage import format_duration

MINUTE, HOUR, DAY = 60, 3600, 86400
MOST_NAMED = 5


def ran(row: Row, now: datetime.datetime) -> str:
    """How long a row's jobs ran, from the first start to the last end, or until `now`."""
    if row.started is None:
        return ""
    return format_duration(max(0.0, ((row.ended or now) - row.started).total_seconds()), "words")


def clock(time: datetime.datetime) -> str:
    """A moment, to the second, in UTC.

    >>> clock(datetime.datetime(2025, 3, 1, 12, 0, 5, tzinfo=datetime.timezone.utc))
    '2025-03-01 12:00:05 UTC'
    """
    return time.strftime("%Y-%m-%d %H:%M:%S UTC")


def counted(counts: Counter[JobState]) -> str:
    """States and how many jobs are in each, the most frequent first.

    >>> counted(Counter({JobState.FAILED: 2, JobState.COMPLETED: 98}))
    '98 COMPLETED, 2 FAILED'
    """
    return ", ".join(f"{count} {state}" for state, count in counts.most_common())


def state_of(row: Row) -> str:
    """The state of a row's job, or how many of its jobs are in which."""
    return counted(row.states) if row.folded else str(row.state)


def title(row: Row) -> str:
    """The row's name, and how many jobs it stands for."""
    return f"{row.name} × {row.count}" if row.folded else row.name


def waits(node: JobNode) -> str:
    """What a job waits for, in Slurm's words where that is more than a good end.

    The first few by name: a reduction waits for a thousand.
    """
    kinds: dict[str, list[str]] = {}
    for wait in node.waits_for:
        kinds.setdefault(wait.type, []).append(wait.job_id)
    return ", ".join(
        f"{'after' if kind == 'afterok' else kind} {some(ids)}" for kind, ids in kinds.items()
    )


def some(names: list[str]) -> str:
    """The first few of many names.

    >>> some(["1", "2", "3", "4", "5", "6", "7"])
    '1, 2, 3, 4, 5 and 2 more'
    """
    more = len(names) - MOST_NAMED
    return ", ".join(names[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def plain(text: str) -> str:
    r"""Text in one line and without what would command a terminal.

    >>> plain("two\nlines \x1b[31m")
    'two lines ?[31m'
    """
    line = " ".join(text.split())
    return "".join("?" if unicodedata.category(c) in ("Cc", "Cf", "Cs") else c for c in line)
