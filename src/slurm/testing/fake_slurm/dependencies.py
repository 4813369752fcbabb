"""What ``--dependency`` makes a job wait for."""

from __future__ import annotations

import re
from collections.abc import Iterable

from .states import ENDED
from .store import Job

KINDS = ("after", "afterany", "afterburstbuffer", "aftercorr", "afternotok", "afterok")
# Of a job that the controller has forgotten these can be nothing but true.
OF_ANY_JOB = ("after", "afterany")


def clauses_of(text: str) -> list[tuple[str, str]]:
    """The kinds and ids in the value of the option. Raises ValueError.

    >>> clauses_of("afterok:5:6_*,singleton")
    [('afterok', '5'), ('afterok', '6_*'), ('singleton', '')]
    """
    found = []
    for word in re.split("[,?]", text):
        kind, *ids = word.split(":")
        if kind == "singleton" and not ids:
            found.append((kind, ""))
            continue
        if kind not in KINDS or not ids:
            raise ValueError(word)
        for one in ids:
            if not re.fullmatch(r"[1-9]\d*(_(\d+|\*))?(\+\d+)?", one):
                raise ValueError(word)
            found.append((kind, one.partition("+")[0]))
    return found


def check(jobs: Iterable[Job], text: str) -> None:
    """Raises ValueError for what Slurm calls a job dependency problem."""
    for kind, one in clauses_of(text):
        if kind not in ("singleton", *OF_ANY_JOB) and not _upstream(jobs, one):
            raise ValueError(one)


def look_at(jobs: Iterable[Job], job: Job) -> tuple[str, str]:
    """Whether what a job waits for is "met", "never" or to come, and how squeue shows what is left."""
    jobs = list(jobs)
    clauses = [
        (kind, one, _verdict(jobs, job, kind, one)) for kind, one in clauses_of(job["depends"])
    ]
    verdicts = [verdict for _, _, verdict in clauses]
    any_of_them = "?" in job["depends"]
    left = [clause for clause in clauses if clause[2] != "met"]
    text = ("?" if any_of_them else ",").join(_shown(*clause) for clause in left)
    if not left or (any_of_them and "met" in verdicts):
        return "met", ""
    never = all(v == "never" for v in verdicts) if any_of_them else "never" in verdicts
    return ("never" if never else "later"), text


def _shown(kind: str, one: str, verdict: str) -> str:
    word = "failed" if verdict == "never" else "unfulfilled"
    return f"{kind}:{one}({word})" if one else f"{kind}({word})"


def _verdict(jobs: list[Job], job: Job, kind: str, one: str) -> str:
    if kind == "singleton":
        return _alone(jobs, job)
    upstream = _upstream(jobs, one)
    if kind == "aftercorr":
        upstream = [other for other in upstream if other["task"] == job["task"]] or upstream
    states = [other["state"] for other in upstream]
    if kind == "after":
        return "later" if "PENDING" in states else "met"
    ended = all(state in ENDED for state in states)
    bad = [state for state in states if state in ENDED and state != "COMPLETED"]
    if kind == "afternotok":
        return "later" if not ended else "met" if bad else "never"
    if kind in ("afterok", "aftercorr") and bad:
        return "never"
    return "met" if ended else "later"


def _alone(jobs: list[Job], job: Job) -> str:
    mine = (job["name"], job["user"])
    before = [one for one in jobs if (one["name"], one["user"]) == mine and one["id"] < job["id"]]
    return "met" if all(one["state"] in ENDED for one in before) else "later"


def _upstream(jobs: Iterable[Job], one: str) -> list[Job]:
    number, _, task = one.partition("_")
    if task in ("", "*"):
        return [job for job in jobs if number in (str(job["array"]), str(job["id"]))]
    return [job for job in jobs if str(job["array"]) == number and str(job["task"]) == task]
