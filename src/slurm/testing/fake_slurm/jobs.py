"""Records of jobs: one for each job, and for each task of an array; and how they go on."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .dependencies import look_at
from .states import ENDED, EXIT_CODES, REASONS
from .store import Job, State
from .values import hosts, numbers_of

DEFAULTS: dict[str, Any] = {
    "array": None,
    "task": None,
    "throttle": None,
    "name": "job",
    "partition": "cpu",
    "user": "",
    "state": "PENDING",
    "reason": "None",
    "node": "",
    "exit": "0:0",
    "submitted": None,
    "eligible": None,
    "start": None,
    "end": None,
    "since": 0.0,
    "limit": 60,
    "begin": None,
    "held": False,
    "depends": "",
    "dependency": "",
    "kill_invalid": False,
    "requeue": True,
    "restarts": 0,
    "comment": "",
    "script": "",
    "workdir": "/",
    "line": "",
    "arguments": [],
    "stdout": "",
    "stderr": "",
    "cpus": 1,
    "nodes": 1,
    "memory": 64,
    "gres": "",
    "account": "",
    "qos": "normal",
    "options": {},
    "indexes": [],
    "priority": 0,
    "in_queue": True,
    "in_accounts": True,
    # Steps to come; whether a test has said what it is; whether it is to run here, and what is to become of it.
    "next": [],
    "told": False,
    "runs": False,
    "ending": "",
    "signals": [],
    "earlier": [],
}


def new_job(state: State, now: float, **fields: Any) -> Job:
    """A job that waits, with the next id unless `fields` has one."""
    number = fields.pop("id", None) or state["next_id"]
    job: Job = {**DEFAULTS, "id": number, "submitted": now, "since": now, **fields}
    state["next_id"] = max(state["next_id"], number + 1)
    state["jobs"].append(job)
    return job


def shown_id(job: Job) -> str:
    """What users call it: ``12``, or ``12_3``."""
    return str(job["id"]) if job["task"] is None else f"{job['array']}_{job['task']}"


def selected(jobs: Iterable[Job], word: str) -> list[Job]:
    """Those that one word names: a job, an array, one task of it, or several. Raises ValueError.

    >>> array = [dict(DEFAULTS, id=n + 8, array=8, task=n) for n in range(3)]
    >>> [shown_id(job) for job in selected(array, "8_[0-1%2]")], len(selected(array, "8"))
    (['8_0', '8_1'], 3)
    """
    number, underscore, tasks = word.partition("_")
    if not number.isdigit():
        raise ValueError(word)
    mine = [job for job in jobs if number in (str(job["array"]), str(job["id"]))]
    of_array = [job for job in mine if str(job["array"]) == number]
    if not underscore:
        return of_array or mine
    if tasks.startswith("[") and tasks.endswith("]"):
        tasks = tasks[1:-1]
    wanted = set(numbers_of(tasks.partition("%")[0]))
    return [job for job in of_array if job["task"] in wanted]


def apply(job: Job, step: dict[str, Any], now: float) -> None:
    """Have the job be in the state of a step, with what goes with that."""
    before, after = job["state"], step["state"]
    if before in ENDED | {"RUNNING", "COMPLETING"} and after == "PENDING":
        put_back(job, now)
    if after not in ("PENDING", "CONFIGURING", "CANCELLED") and job["start"] is None:
        job["start"] = now
        job["node"] = job["node"] or "c1"
    if after in ENDED:
        job["start"] = now if job["start"] is None else job["start"]
        job["end"] = now
        pending = before == "PENDING" and after == "CANCELLED"
        job["exit"] = "0:0" if pending else EXIT_CODES.get(after, "0:0")
    # What was cancelled in the queue keeps what it waited for.
    if not (before == "PENDING" and after == "CANCELLED"):
        job["reason"] = REASONS.get(after, "None")
    job.update(step["details"], state=after, since=now)


def put_back(job: Job, now: float, delay: float = 0.0) -> None:
    """Have it wait once more, and at least for `delay` seconds; what it was is on record as an earlier run."""
    before = {name: job[name] for name in ("exit", "start", "node", "restarts")}
    job["earlier"].append({**before, "state": "REQUEUED", "end": now})
    job.update(state="PENDING", reason="None", start=None, end=None, node="", exit="0:0")
    job.update(restarts=job["restarts"] + 1, submitted=now, since=now, ending="", eligible=None)
    if delay:
        job.update(begin=now + delay, reason="BeginTime")


def cancel(job: Job, now: float) -> None:
    """What ``scancel`` does to one job; one that runs here is ended by who started it."""
    if job["state"] in ENDED:
        return
    job["next"] = []
    if job["runs"] and job["state"] in ("RUNNING", "COMPLETING"):
        job.update(state="COMPLETING", ending="CANCELLED")
    else:
        apply(job, {"state": "CANCELLED", "details": {}}, now)


def settle(state: State, now: float) -> None:
    """Have all jobs go on as far as time and other jobs have them."""
    looked: dict[str, tuple[str, str]] = {}  # all tasks of an array wait for the same
    for job in state["jobs"]:
        while job["next"] and job["next"][0]["after"] is not None:
            due = job["since"] + job["next"][0]["after"]
            if now < due or _waits(job):
                break
            apply(job, job["next"].pop(0), due)
        if job["state"] == "PENDING" and not job["told"]:
            _wait(state, job, now, looked)
        if job["state"] in ENDED and job["end"] is not None:
            aged = now - job["end"] > state["min_job_age"]
            job["in_queue"] = job["in_queue"] and not aged


def look(jobs: Iterable[Job], now: float) -> None:
    """These jobs were asked for: the next time they are what comes next."""
    for job in jobs:
        if job["next"] and job["next"][0]["after"] is None and not _waits(job):
            apply(job, job["next"].pop(0), now)


def may_start(job: Job, now: float) -> bool:
    """Whether nothing but room keeps a job from running."""
    waits = job["held"] or job["depends"] or (job["begin"] or 0.0) > now
    return job["state"] == "PENDING" and not job["told"] and not waits


def _waits(job: Job) -> bool:
    held = bool(job["depends"] or job["held"])
    return job["state"] == "PENDING" and held and not job["told"]


def _wait(state: State, job: Job, now: float, looked: dict[str, tuple[str, str]]) -> None:
    """Find out what a job waits for."""
    depends = job["depends"]
    if depends:
        own = "aftercorr" in depends or "singleton" in depends
        answer = looked.get(depends) or look_at(state["jobs"], job)
        if not own:
            looked[depends] = answer
        verdict, job["dependency"] = answer
        if verdict == "met":
            job["depends"] = ""
        job["reason"] = "DependencyNeverSatisfied" if verdict == "never" else "Dependency"
        if verdict == "never" and job["kill_invalid"]:
            apply(job, {"state": "CANCELLED", "details": {}}, now)
            return
    if job["held"]:
        job["reason"] = "JobHeldUser"
    elif (job["begin"] or 0.0) > now:
        job["reason"] = "BeginTime"
    elif not job["depends"] and job["reason"] in _WAITED:
        job["reason"] = "None"
    if not job["held"] and not job["depends"] and job["eligible"] is None:
        job["eligible"] = max(now, job["begin"] or 0.0)


_WAITED = ("Dependency", "DependencyNeverSatisfied", "JobHeldUser", "BeginTime")


def end_of(job: Job) -> float | None:
    """When it ended, or its limit will end it; None where that is not known."""
    if job["end"] is not None:
        return float(job["end"])
    begin = job["start"] if job["start"] is not None else job["begin"]
    return None if begin is None or not job["limit"] else float(begin + job["limit"] * 60)


def nodes_of(state: State, job: Job) -> str:
    """Where it runs."""
    if job["nodes"] < 2 or not job["node"]:
        return str(job["node"])
    return hosts([node["name"] for node in state["nodes"]][: job["nodes"]])
