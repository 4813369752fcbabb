"""Submissions of the local scheduler and the jobs they become, as plain data. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from slurm.local.arrays import Array, parse_array

ACTIVE = frozenset({"RUNNING", "COMPLETING"})
LIVE = ACTIVE | {"PENDING"}


class Refused(Exception):
    """A request the scheduler does not accept; the message is one line for the user."""


class JobSpec(NamedTuple):
    """What was asked for at once: a job, or an array of them. In Slurm's words.

    `job_id` is the job's or the array's; `options` are sbatch's long options as text; `cpus` and
    `mem` (megabytes, None for all there is) what each of its jobs asks for; `time_limit` in seconds,
    None for none.
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
    mem: int | None = 0
    time_limit: int | None = None
    array: Array | None = None

    @property
    def job_ids(self) -> Sequence[int]:
        """The ids of its jobs: those of an array's elements follow the array's own."""
        if self.array is None:
            return (self.job_id,)
        return range(self.job_id + 1, self.job_id + 1 + len(self.array.indices))

    @property
    def last_id(self) -> int:
        """The largest id it uses."""
        return self.job_ids[-1]

    @property
    def partition(self) -> str:
        """The partition it names, ``local`` where it names none."""
        return self.options.get("partition", "local")

    def element(self, index: int) -> int | None:
        """The job id of the array's element with this index, None where there is none."""
        position = None if self.array is None else self.array.position(index)
        return None if position is None else self.job_id + 1 + position

    def jobs(self) -> list[LocalJob]:
        """Its jobs as they are before anything has happened to them."""
        if self.array is None:
            return [LocalJob(self.job_id, self)]
        numbered = zip(self.job_ids, self.array.indices)
        return [LocalJob(job_id, self, index) for job_id, index in numbered]

    def record(self) -> dict[str, Any]:
        """All fields as JSON can carry them."""
        content = {**self._asdict(), "options": dict(self.options)}
        del content["array"]  # the options say it
        return content

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> JobSpec:
        """The submission that `record` was made of."""
        array = record["options"].get("array")
        return cls(**record, array=None if array is None else parse_array(array))


class LocalJob(NamedTuple):
    """One job: a submission's only one, or the element `index` of an array.

    `start` and `end` are Unix seconds; `exit_code` is as ``sacct`` prints it; `max_rss` is the most
    memory one of its processes used, in kilobytes, `cpu_ms` the time of processors that they used, 0 where that is not known. `crashes` are the starts
    in a row that ended with the loss of the supervisor. `cancelled` and `requeued` say what is to
    become of a job whose processes are being ended.
    """

    job_id: int
    submission: JobSpec
    index: int | None = None  # type: ignore[assignment]  # a tuple's own is not needed
    state: str = "PENDING"
    reason: str = "None"
    exit_code: str = "0:0"
    node: str = ""
    start: float | None = None
    end: float | None = None
    restarts: int = 0
    crashes: int = 0
    max_rss: int = 0
    cpu_ms: int = 0
    cancelled: bool = False
    requeued: bool = False

    @property
    def shown(self) -> str:
        """Its id as Slurm shows it: ``12``, or ``12_3`` for an element of an array."""
        if self.index is None:
            return str(self.job_id)
        return f"{self.submission.job_id}_{self.index}"

    @property
    def options(self) -> Mapping[str, str]:
        """sbatch's long options as text."""
        return self.submission.options

    @property
    def begun(self) -> bool:
        """Whether it has been started, or never will be."""
        return self.state != "PENDING" or self.restarts > 0

    def observation(self) -> dict[str, Any]:
        """What a client is told when it asks for this job."""
        names = ("state", "reason", "exit_code", "node", "start", "end", "restarts", "max_rss")
        return {"job_id": self.shown, **{name: getattr(self, name) for name in names}}

    def queue_row(self) -> dict[str, Any]:
        """What a client is told when it lists the queue."""
        submission = self.submission
        return {
            **self.observation(),
            "name": submission.name,
            "comment": submission.options.get("comment", ""),
            "script": submission.script,
            "cpus": submission.cpus,
            "mem": submission.mem,
            "partition": submission.partition,
            "time_limit": submission.time_limit,
            "cpu_ms": self.cpu_ms,
            "submitted": submission.submitted,
            "orchestrator": submission.orchestrator,
        }

    def record(self) -> dict[str, Any]:
        """What has happened to it, as JSON can carry it."""
        content = {name: getattr(self, name) for name in CHANGING}
        changed = {name: value for name, value in content.items() if value != CHANGING[name]}
        return {"job": self.job_id, **changed}

    def changed_by(self, record: Mapping[str, Any]) -> LocalJob:
        """This job as `record` says it is."""
        return self._replace(**{**CHANGING, **{k: v for k, v in record.items() if k != "job"}})


CHANGING: Mapping[str, Any] = {
    name: default for name, default in LocalJob._field_defaults.items() if name != "index"
}


def pending_again(job: LocalJob) -> LocalJob:
    """`job` after a requeue that was asked for: what has happened to it is forgotten, but that it was started.

    The job itself asks for it before its time limit, say, which is no sign of trouble.
    """
    return job._replace(**{**CHANGING, "restarts": job.restarts + 1})


def pending_after_crash(job: LocalJob) -> LocalJob:
    """The same when its supervisor was lost, which is counted as long as it happens in a row."""
    return pending_again(job)._replace(crashes=job.crashes + 1)


def never_started(job: LocalJob) -> LocalJob:
    """`job` whose scheduler died before it let it begin: as it was before it was chosen."""
    return job._replace(**{**CHANGING, "restarts": job.restarts, "crashes": job.crashes})


def spokesman(jobs: Sequence[LocalJob]) -> LocalJob:
    """The element that says how an array is: one that runs, else one that waits, else one that did not
    end well."""
    for wanted in (ACTIVE, LIVE):
        for job in jobs:
            if job.state in wanted:
                return job
    return next((job for job in jobs if job.state != "COMPLETED"), jobs[0])


def array_observation(jobs: Sequence[LocalJob]) -> dict[str, Any]:
    """What is told of a whole array: it runs as long as something of it does, then waits, then ended.

    It has COMPLETED when every element has; else it shows the first element that has not.
    """
    shown = spokesman(jobs)
    starts = [job.start for job in jobs if job.start is not None]
    ends = [job.end for job in jobs if job.end is not None]
    return {
        **shown.observation(),
        "job_id": str(shown.submission.job_id),
        "start": min(starts, default=None),
        "end": max(ends, default=None) if shown.state not in LIVE else None,
        "restarts": max(job.restarts for job in jobs),
        "max_rss": max(job.max_rss for job in jobs),
    }
