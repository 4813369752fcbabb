"""Why a job has no result, in words: what it asked for, how it ended, what it used, what to change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from slurm import errors
from slurm.job_dir.paths import UNWRITTEN, JobDirectory
from slurm.rendering import options_in
from slurm.results.root_cause import Root, root_of
from slurm.states import NEVER_STARTS, REUSED, RUNAWAY, JobState
from slurm.tracking.accounting import RECORD_GRACE
from slurm.usage import NO_NODES, Account, exit_in_words

if TYPE_CHECKING:
    from slurm.tracking.accounting import Accounting
    from slurm.tracking.record import JobRecord

STDERR_TAIL = 2000

ERROR_OF_STATE: dict[JobState, type[errors.JobFailed]] = {
    JobState.CANCELLED: errors.JobCancelled,
    JobState.TIMEOUT: errors.JobTimeout,
    JobState.DEADLINE: errors.JobTimeout,
    JobState.OUT_OF_MEMORY: errors.JobOutOfMemory,
    JobState.NODE_FAIL: errors.JobNodeFailed,
    JobState.BOOT_FAIL: errors.JobNodeFailed,
    JobState.PREEMPTED: errors.JobPreempted,
    JobState.UNKNOWN: errors.JobLost,
}
AGAIN = "submit it again; requeue=True lets Slurm do that"
ADVICE: dict[JobState, str] = {
    JobState.FAILED: "its process ended before the task could return or raise",
    JobState.TIMEOUT: "ask for more with the option time=, or do less per job",
    JobState.DEADLINE: "give it a later one with the option deadline=, or ask for less with time=",
    JobState.CANCELLED: "if nobody meant that, submit it again",
    JobState.NODE_FAIL: f"{AGAIN}, and exclude= keeps it off a node",
    JobState.BOOT_FAIL: f"{AGAIN}, and exclude= keeps it off a node",
    JobState.PREEMPTED: f"{AGAIN}, and another partition= or qos= may spare it",
    JobState.UNKNOWN: "the scheduler has forgotten it; its directory may tell what happened",
}
FORGOTTEN = "the controller has forgotten it, as one does that is killed before it has saved a job"
WHY_LOST = {
    REUSED: f"{FORGOTTEN}, and has given its id to another job",
    RUNAWAY: f"{FORGOTTEN}, and accounts never heard of an end: sacctmgr show runawayjobs lets an "
    "administrator mend them",
}
HOW_TO_GO_ON = "submit it again; should it leave a result yet, Job.from_dir() finds that"
MEMORY = ("mem", "mem-per-cpu", "mem-per-gpu")
# What is told of a request, in this order; what matters for how the job ended comes first.
TOLD = (
    *MEMORY,
    *("time", "nodes", "ntasks", "ntasks-per-node", "cpus-per-task"),
    *("gres", "gpus", "gpus-per-node", "gpus-per-task", "partition", "qos", "constraint"),
)
FIRST: dict[JobState, tuple[str, ...]] = {
    JobState.TIMEOUT: ("time",),
    JobState.DEADLINE: ("deadline", "time"),
    JobState.PREEMPTED: ("partition", "qos"),
    JobState.NODE_FAIL: ("nodelist", "exclude"),
    JobState.BOOT_FAIL: ("nodelist", "exclude"),
}
# The SDK's own defaults, which nobody asked for, and what is no resource.
UNTOLD = (("nodes", "1"), ("ntasks", "1"))
NO_RESOURCES = frozenset({"job-name", "output", "error", "array"})


def failure_of(
    job: JobRecord, accounting: Accounting, timeout: float | None = None
) -> errors.JobError:
    """The error for a finished `job` that left no result file.

    What the job used is waited for up to `timeout` seconds, and a few at most. Raises only what says
    nothing about the job: `TransportError`.
    """
    status = job.status
    if status.state is JobState.COMPLETED:
        return errors.ResultMissing(
            f"job {job.id} ({job.task_name}) is COMPLETED but {job.directory.result} is not there",
            job_id=job.id,
            job_dir=job.job_dir,
        )
    never = status.never_starts or status.reason in NEVER_STARTS
    waited_in_vain = status.state is JobState.CANCELLED and status.node in NO_NODES
    if never or waited_in_vain:
        root = root_of(job)
        if root is not None or never:
            return _dependency_failure(job, root)
    requested = requested_of(job)
    if status.reason in WHY_LOST:  # what is on record is another's, or goes on and on
        return _error(job, Ending(status.state, "", requested, Account(), status.reason))
    grace = RECORD_GRACE if timeout is None else min(RECORD_GRACE, timeout)
    nothing_to_come = waited_in_vain or status.state is JobState.UNKNOWN
    account = accounting.of(job.id, 0.0 if nothing_to_come else grace)
    told = status.reason if ": " in status.reason else ""  # Slurm's own reasons are a word
    return _error(job, Ending(status.state, status.exit_code, requested, account, told))


@dataclass(frozen=True)
class Ending:
    """How a job ended: its `state`, what it asked for by sbatch's names, what is on record of it.

    `reason` says why it was lost, or names the file that the local scheduler could not use.
    """

    state: JobState
    exit_code: str
    requested: Mapping[str, str]
    account: Account
    reason: str = ""

    @property
    def out_of_memory(self) -> bool:
        """Whether it was its memory: where Slurm does not enforce that itself, the job is just killed."""
        killed = self.state is JobState.FAILED and self.account.out_of_memory
        return killed or self.state is JobState.OUT_OF_MEMORY

    @property
    def kind(self) -> type[errors.JobFailed]:
        """The class of the error."""
        if self.out_of_memory:
            return errors.JobOutOfMemory
        return ERROR_OF_STATE.get(self.state, errors.JobFailed)

    @property
    def all_requested(self) -> dict[str, str]:
        """What was asked for, in the user's words, and what the site filled in."""
        filled_in = dict(self.account.requested)
        if any(name in self.requested for name in MEMORY):
            filled_in.pop("mem", None)
        return {**self.requested, **{k: v for k, v in filled_in.items() if k not in self.requested}}

    def in_words(self) -> str:
        """``ended as ...; asked for ...; ran ...; what to change``."""
        lost = WHY_LOST.get(self.reason)
        why = f" ({self.reason})" if self.reason and not lost else ""
        parts = [f"is lost: {lost}" if lost else f"ended as {self.state}{self._by_whom}{why}"]
        asked = ", ".join(f"{_keyword(name)}={value}" for name, value in self._told())
        if asked:
            parts.append(f"asked for {asked}")
        used, exit_code = self.account.usage.in_words(), exit_in_words(self._exit_code)
        parts += [used, exit_code, self._advice]
        return "; ".join(filter(None, parts))

    def _told(self) -> list[tuple[str, str]]:
        requested = self.all_requested
        names = dict.fromkeys((*FIRST.get(self.state, ()), *TOLD))
        pairs = [(name, requested[name]) for name in names if requested.get(name)]
        return [pair for pair in pairs if pair not in UNTOLD]

    @property
    def _by_whom(self) -> str:
        word, _, user = self.account.state.partition(" by ")
        return f" by the user with the id {user}" if word == "CANCELLED" and user else ""

    @property
    def _advice(self) -> str:
        if self.reason in WHY_LOST:
            return HOW_TO_GO_ON
        if self.out_of_memory:
            given = [name for name in MEMORY if name in self.requested]
            why = "it was killed for its memory; " if self.state is JobState.FAILED else ""
            return f"{why}ask for more with the option {_keyword((given or ['mem'])[0])}="
        if self.state is JobState.FAILED and self._exit_code.startswith(f"{UNWRITTEN}:"):
            return (
                "its result could not be written: see to it that there is room where its files are"
            )
        return ADVICE.get(self.state, "")

    @property
    def _exit_code(self) -> str:
        return self.exit_code or self.account.exit_code


def requested_of(job: JobRecord) -> dict[str, str]:
    """What the job asked for, by sbatch's names, as its script says; nothing where that is gone."""
    directory = job.directory if job.element is None else JobDirectory(job.element.array.path)
    try:
        [script] = job.site.backend.read_files([directory.script])
    except errors.RemoteFileError:
        script = None
    options = options_in((script or b"").decode("utf-8", "replace"))
    return {name: value for name, value in options.items() if name not in NO_RESOURCES}


def stderr_tail(job: JobRecord) -> str:
    """The last lines the job wrote to stderr; empty where there is no such file."""
    try:
        tail = job.site.backend.read_tail(job.log_directory.stderr(job.id), STDERR_TAIL)
    except errors.RemoteFileError:
        return ""
    return tail.decode("utf-8", "replace").strip()


def _error(job: JobRecord, ending: Ending) -> errors.JobFailed:
    stderr = stderr_tail(job)
    message = f"job {job.id} ({job.task_name}) {ending.in_words()}. Its files: {job.job_dir}"
    if stderr:
        message += f"\nThe end of its stderr:\n{stderr}"
    return ending.kind(
        message,
        job_id=job.id,
        job_dir=job.job_dir,
        state=str(ending.state),
        exit_code=ending.exit_code or ending.account.exit_code,
        stderr=stderr,
        requested={_keyword(name): value for name, value in ending.all_requested.items()},
        used=ending.account.usage,
    )


def _keyword(option: str) -> str:
    """An option as a task takes it."""
    return option.replace("-", "_")


def _dependency_failure(job: JobRecord, root: Root | None) -> errors.DependencyFailed:
    told = "because a job it depends on did not end as required"
    if root is not None:
        name = f" ({root.task_name})" if root.task_name else ""
        told = f"because job {root.job_id}{name} ended as {root.state}"
        told += "; it waited for that to fail" if root.type == "afternotok" else ""
    return errors.DependencyFailed(
        f"job {job.id} ({job.task_name}) never started {told}",
        job_id=job.id,
        job_dir=job.job_dir,
        state=str(job.status.state),
        root_job_id=root.job_id if root else "",
    )
