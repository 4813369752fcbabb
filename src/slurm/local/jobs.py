"""Jobs of the local scheduler as plain data, and the rules of their dependencies. Pure."""

from __future__ import annotations

import functools
import posixpath
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from slurm.options import InvalidOption, normalise, parse_time_limit

ACTIVE = frozenset({"RUNNING", "COMPLETING"})
LIVE = ACTIVE | {"PENDING"}
UNSUPPORTED = ("array", "begin", "hold", "deadline", "export-file")
AFTER = ("after", "afterany", "afterok", "afternotok", "aftercorr")


class Refused(Exception):
    """A request the scheduler does not accept; the message is one line for the user."""


@dataclass(frozen=True)
class LocalJob:
    """One job, in Slurm's words.

    `options` are sbatch's long options as text; `cpus` what it asked for; `time_limit` in seconds,
    None for none; `start` and `end` in Unix seconds; `exit_code` as ``sacct`` prints it.
    """

    job_id: int
    token: str
    name: str
    script: str
    cwd: str
    options: Mapping[str, str]
    submitted: float
    orchestrator: bool = False
    cpus: int = 1
    time_limit: int | None = None
    state: str = "PENDING"
    reason: str = "None"
    exit_code: str = "0:0"
    node: str = ""
    start: float | None = None
    end: float | None = None
    restarts: int = 0
    cancelled: bool = False

    def observation(self) -> dict[str, Any]:
        """What a client is told when it asks for this job."""
        names = ("state", "reason", "exit_code", "node", "start", "end", "restarts")
        return {"job_id": str(self.job_id), **{name: getattr(self, name) for name in names}}

    def queue_row(self) -> dict[str, Any]:
        """What a client is told when it lists the queue."""
        return {
            **self.observation(),
            "name": self.name,
            "cpus": self.cpus,
            "partition": partition_of(self),
            "time_limit": self.time_limit,
            "submitted": self.submitted,
            "orchestrator": self.orchestrator,
        }

    def record(self) -> dict[str, Any]:
        """All fields as JSON can carry them; `LocalJob(**record)` is this job again."""
        return asdict(self)


def partition_of(job: LocalJob) -> str:
    """The partition the job names, ``local`` where it names none."""
    return job.options.get("partition", "local")


def new_job(job_id: int, request: Mapping[str, Any], now: float) -> LocalJob:
    """The job a submission asks for. Raises `Refused`."""
    given = {**request["options"], **request["submit_options"]}
    for name in UNSUPPORTED:
        if name in given:
            raise Refused(f"--{name}: the local scheduler cannot do this, leave the option out")
    try:
        options = normalise(given)
        time_limit = parse_time_limit(options.get("time", "UNLIMITED"))
    except InvalidOption as error:
        raise Refused(str(error)) from None
    tasks = int(options.get("ntasks", options.get("ntasks-per-node", "1")))
    return LocalJob(
        job_id=job_id,
        token=request["token"],
        name=options.get("job-name", posixpath.basename(request["script"])),
        script=request["script"],
        cwd=posixpath.join(request["cwd"], options.get("chdir", request["cwd"])),
        options=options,
        submitted=now,
        orchestrator=bool(request["orchestrator"]),
        cpus=tasks * int(options.get("cpus-per-task", "1")),
        time_limit=time_limit,
    )


@dataclass(frozen=True)
class Dependency:
    """What a job waits for: `conditions` as (type, job id), all of them or `any_of` them."""

    conditions: tuple[tuple[str, int], ...] = ()
    singleton: bool = False
    any_of: bool = False


@functools.lru_cache(maxsize=4096)
def parse_dependency(text: str) -> Dependency:
    """The meaning of sbatch's ``--dependency``, in the types that concern one machine.

    Raises `Refused`.
    """
    if "," in text and "?" in text:
        raise _problem(text, "',' and '?' cannot be mixed")
    conditions: list[tuple[str, int]] = []
    singleton = False
    for part in text.replace("?", ",").split(",") if text else ():
        kind, *job_ids = part.strip().split(":")
        if kind == "singleton" and not job_ids:
            singleton = True
        elif kind not in AFTER:
            raise _problem(text, f"{part!r} is none of singleton, {', '.join(AFTER)} with job ids")
        elif not job_ids or not all(one.isascii() and one.isdigit() for one in job_ids):
            raise _problem(text, f"{part!r} must name job ids, as in {kind}:1:2")
        else:
            conditions += [(kind, int(one)) for one in job_ids]
    return Dependency(tuple(conditions), singleton, "?" in text)


def check_dependency(text: str, known: Mapping[int, LocalJob]) -> None:
    """Raise `Refused` unless `text` is a dependency on jobs that are `known`."""
    for _, job_id in parse_dependency(text).conditions:
        if job_id not in known:
            raise _problem(text, f"there is no job {job_id}")


def _problem(text: str, why: str) -> Refused:
    return Refused(f"Job dependency problem: --dependency={text}: {why}")


def dependency_holds(
    job: LocalJob, jobs: Mapping[int, LocalJob], live: Iterable[LocalJob]
) -> bool | None:
    """Whether the job may start as far as others are concerned; None when it never will.

    `live` are the jobs that have not ended, for ``singleton``.
    """
    dependency = parse_dependency(job.options.get("dependency", ""))
    verdicts: list[bool | None] = [
        _condition_holds(kind, jobs[job_id]) for kind, job_id in dependency.conditions
    ]
    if dependency.singleton:
        earlier = (one for one in live if one.job_id < job.job_id)
        verdicts.append(all(one.name != job.name for one in earlier))
    if not verdicts:
        return True
    if dependency.any_of:
        return True if True in verdicts else None if set(verdicts) == {None} else False
    return None if None in verdicts else all(verdicts)


def _condition_holds(kind: str, other: LocalJob) -> bool | None:
    if kind == "after":
        return other.state != "PENDING" or other.restarts > 0
    if other.state in LIVE:
        return False
    if kind == "afterany" or (other.state == "COMPLETED") == (kind != "afternotok"):
        return True
    return None
