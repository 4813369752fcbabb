"""What a test says of jobs, and what it sees of them."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from .asked import user_name
from .faults import check_word
from .jobs import new_job, shown_id
from .states import CODES
from .store import Job, State

MORE = ("comment", "name", "partition", "script", "user", "workdir")


class FakeJob(NamedTuple):
    """A job as the fake has it: what it was submitted with, and what is said of it now."""

    id: str
    state: str
    reason: str
    exit_code: str
    node: str
    name: str
    script: str
    workdir: str
    options: dict[str, str]


def step_of(
    state: str,
    after: float | None,
    reason: str | None,
    node: str | None,
    exit_code: str | None,
    in_queue: bool,
    in_accounts: bool,
) -> dict[str, Any]:
    """A state and what goes with it; the rest follows from the state. Raises ValueError."""
    check_word("state", state, CODES)
    given: dict[str, Any] = {"reason": reason, "node": node, "exit": exit_code}
    details: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    details.update(in_queue=in_queue, in_accounts=in_accounts)
    return {"state": state, "after": after, "details": details}


def check_id(job_id: str) -> None:
    """Raises ValueError for what is no id."""
    if not re.fullmatch(r"[1-9][0-9]*(_[0-9]+)?", job_id):
        raise ValueError(
            f"{job_id!r} is no id of a job: give 12, or '12_3' for one task of an array"
        )


def made(known: State, job_id: str, now: float) -> Job:
    """A job that nobody has submitted."""
    number, _, task = job_id.partition("_")
    if not task:
        return new_job(known, now, id=int(number), user=user_name())
    known["next_id"] = max(known["next_id"], int(number) + 1)
    return new_job(
        known, now, array=int(number), task=int(task), user=user_name(), indexes=[int(task)]
    )


def put(all_of_them: list[dict[str, Any]], one: dict[str, Any]) -> None:
    """Have it among the others, in the place of the one of its name."""
    for place, other in enumerate(all_of_them):
        if other["name"] == one["name"]:
            all_of_them[place] = one
            return
    all_of_them.append(one)


def shown(job: Job) -> FakeJob:
    """A job as a test sees it."""
    names = ("state", "reason", "exit", "node", "name", "script", "workdir", "options")
    return FakeJob(shown_id(job), *(job[name] for name in names))
