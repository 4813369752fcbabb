"""What is told of one job, beside its log and its tree. Pure."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator

from slurm.dash.log_text import lines_of
from slurm.job_list import ListedJob
from slurm.job_tree.words import counted, plain
from slurm.states import NO_REASON
from slurm.usage import exit_in_words, format_duration

NAMES = 12  # characters


def details(job: ListedJob, error: str = "") -> list[str]:
    """All that is known, a line each; and the `error` of the job, in as many lines as it has.

    >>> from slurm.states import JobState
    >>> details(ListedJob("12", "train", state=JobState.PENDING, reason="Priority", cpus=4))
    ['job          12 train (not submitted by slurm-tasks)', 'state        PENDING (Priority)', 'asked for    4 cpus']
    """
    lines = [f"{name:<{NAMES}} {plain(value)}" for name, value in _facts(job) if value]
    return [*lines, *(["", *lines_of(error)] if error else [])]


def _facts(job: ListedJob) -> Iterator[tuple[str, str]]:
    whose = "" if job.ours else "(not submitted by slurm-tasks)"
    yield job.kind, " ".join(filter(None, [job.job_id, job.name, whose]))
    yield "task", job.task if job.task != job.name else ""
    why = f"({job.reason})" if job.reason not in NO_REASON else ""
    yield "state", " ".join(filter(None, [str(job.state), why, exit_in_words(job.exit_code)]))
    yield "elements", counted(Counter(job.states))
    yield "node", job.node
    yield "partition", job.partition
    yield "asked for", _asked(job)
    yield "submitted", _clock(job.submitted)
    yield "may start", _clock(job.may_start)
    yield "started", _clock(job.started)
    yield "ended", _clock(job.ended)
    yield "ran", "" if job.elapsed is None else format_duration(job.elapsed, "words")
    yield "workflow", job.workflow
    yield "directory", job.directory


def _asked(job: ListedJob) -> str:
    parts = [
        _count(job.nodes, "node"),
        _count(job.cpus, "cpu"),
        f"{format_duration(job.time_limit, 'words')} at most" if job.time_limit else "",
    ]
    return ", ".join(filter(None, parts))


def _count(number: int | None, of: str) -> str:
    if number is None:
        return ""
    return f"{number} {of}" if number == 1 else f"{number} {of}s"


def _clock(moment: float | None) -> str:
    """A moment by the clock of whoever looks."""
    return "" if moment is None else time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(moment))
