"""What a scheduler says of a job, in numbers and states. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from slurm.agent.job_ids import tasks_in
from slurm.states import ACTIVE, ENDED, ENDED_IF_IT_STAYS, NO_REASON, JobState, parse_state
from slurm.usage import NO_NODES, parse_duration

OVER = ENDED | ENDED_IF_IT_STAYS
UNSAID = ("", "(null)")


class Row(NamedTuple):
    """A row about the job with this `number`, or about `tasks` of that array.

    Times are seconds since the epoch, None for what has not happened; `may_start` is when it begins at the latest, as
    the scheduler plans now. `script` has the path of the script, or the command line with which it was submitted.
    """

    number: str
    tasks: tuple[range, ...]
    state: JobState
    reason: str = ""
    exit_code: str = ""
    name: str = ""
    partition: str = ""
    node: str = ""
    nodes: int | None = None
    cpus: int | None = None
    submitted: float | None = None
    may_start: float | None = None
    started: float | None = None
    ended: float | None = None
    time_limit: int | None = None
    script: str = ""
    cwd: str = ""
    comment: str = ""

    @property
    def jobs(self) -> int:
        """How many jobs it is about."""
        return sum(map(len, self.tasks)) if self.tasks else 1

    def word(self) -> str:
        """Its id as Slurm writes it.

        >>> row_of({"job_id": "12_[3-5,7%2]", "state": "PENDING"}).word(), row_of({"job_id": "12"}).word()
        ('12_[3-5,7]', '12')
        """
        return word_of(self.number, self.tasks)

    def of(self, task: int) -> Row:
        """The same said of one task."""
        return self._replace(tasks=(range(task, task + 1),))


def word_of(number: str, tasks: tuple[range, ...]) -> str:
    """An id for some tasks of an array, or for a job by itself."""
    if not tasks:
        return number
    if len(tasks) == 1 and len(tasks[0]) == 1:
        return f"{number}_{tasks[0][0]}"
    parts = (_part(some) for some in tasks)
    return f"{number}_[{','.join(parts)}]"


def _part(some: range) -> str:
    if len(some) == 1:
        return str(some[0])
    return f"{some[0]}-{some[-1]}" + (f":{some.step}" if some.step > 1 else "")


def row_of(raw: Mapping[str, Any]) -> Row:
    """A row of a `JobListing`, whatever it says in words.

    >>> row = row_of({"job_id": "7", "state": "RUNNING", "start": "60", "end": "3660", "limit": "1:00:00"})
    >>> row.state == "RUNNING", row.started, row.ended, row.time_limit
    (True, 60.0, None, 3600)
    """
    number, tasks = tasks_in(str(raw["job_id"]))
    state = parse_state(str(raw.get("state", "")))
    start = _moment(raw.get("start"))
    waits = state not in ACTIVE and state not in OVER
    reason = str(raw.get("reason") or "")
    node = str(raw.get("node") or "")
    return Row(
        number,
        tuple(tasks),
        state,
        reason="" if reason in NO_REASON else reason,
        exit_code=str(raw.get("exit_code") or "") if state in OVER else "",
        name=str(raw.get("name") or ""),
        partition=str(raw.get("partition") or ""),
        node="" if node in NO_NODES else node,
        nodes=_count(raw.get("nodes")),
        cpus=_count(raw.get("cpus")),
        submitted=_moment(raw.get("submitted")),
        may_start=start if waits else None,
        started=None if waits else start,
        ended=_moment(raw.get("end")) if state in OVER else None,
        time_limit=_limit(raw),
        script=_said(raw.get("script")),
        cwd=_said(raw.get("cwd")),
        comment=_said(raw.get("comment")),
    )


def _said(value: Any) -> str:
    text = str(value or "")
    return "" if text in UNSAID else text


def _moment(value: Any) -> float | None:
    if isinstance(value, (int, float)):
        return float(value)
    return float(value) if isinstance(value, str) and value.isdigit() else None


def _count(value: Any) -> int | None:
    if isinstance(value, str):
        return int(value) if value.isdigit() else None
    return value if isinstance(value, int) else None


def _limit(raw: Mapping[str, Any]) -> int | None:
    """The seconds of a time limit: squeue has it as 1:00:00, accounts have minutes, the local scheduler seconds."""
    minutes = _count(raw.get("minutes"))
    if minutes is not None:
        return 60 * minutes
    return _count(raw.get("time_limit")) or parse_duration(str(raw.get("limit") or ""))
