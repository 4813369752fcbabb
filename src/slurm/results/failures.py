"""Why a job has no result, in words: what it asked for, how it ended, what it used, what to change."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from slurm import errors
from slurm.job_dir.paths import UNWRITTEN
from slurm.rendering import options_in
from slurm.results.logs import STDERR, STDOUT, path_of, tail
from slurm.results.never_began import (
    HAS_TO_EXIST,
    OUTPUT_UNOPENED,
    UNOPENED,
    or_no_python,
    read_script_and_metadata,
    why_it_never_began,
)
from slurm.results.root_cause import Root, roots_of
from slurm.results.root_error import RootError, dependency_failed, exception_of
from slurm.states import NEVER_STARTS, REUSED, RUNAWAY, JobState, JobStatus
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


def failures_of(
    jobs: Sequence[JobRecord],
    accounting: Accounting,
    timeout: float | None = None,
    known: MutableMapping[str, Root] | None = None,
) -> Iterator[errors.JobError]:
    """The error for each of these finished `jobs` of one cluster that left no result file.

    What a job used is waited for up to `timeout` seconds, and a few at most; what several failed for is looked for once, and
    what was `known` before is not looked for again, see `roots_of`.
    Raises only what says nothing about the jobs: `TransportError`.
    """
    waited = [job for job in jobs if _may_have_waited(job.status)]
    roots = dict(zip(waited, roots_of(waited, known) if waited else ()))
    found: dict[Root, RootError | None] = {}
    for job in jobs:
        root = roots.get(job)
        if root is not None and root not in found:
            found[root] = root_error_of(root, accounting, timeout)
        if root is not None or _never_starts(job.status):
            yield _dependency_failure(job, root, found[root] if root else None)
        else:
            yield _failure_of(job, accounting, timeout)


def _never_starts(status: JobStatus) -> bool:
    return status.never_starts or status.reason in NEVER_STARTS


def _may_have_waited(status: JobStatus) -> bool:
    """Whether it may be another job's end because of which this one has no result."""
    if status.state is JobState.COMPLETED:
        return False
    return _never_starts(status) or _waited_in_vain(status)


def _waited_in_vain(status: JobStatus) -> bool:
    return status.state is JobState.CANCELLED and status.node in NO_NODES


def _failure_of(
    job: JobRecord, accounting: Accounting, timeout: float | None = None
) -> errors.JobError:
    status = job.status
    if status.state is JobState.COMPLETED:
        return errors.ResultMissing(
            f"job {job.id} ({job.task_name}) is COMPLETED but {job.directory.result} is not there, nor was it "
            f"within {job.site.result_grace:g} s: where files appear later than that, raise the cluster's result_grace"
            f"{or_no_python(job)}",
            job_id=job.id,
            job_dir=job.job_dir,
        )
    return _failure_by_itself(job, accounting, timeout)


def _failure_by_itself(
    job: JobRecord, accounting: Accounting, timeout: float | None
) -> errors.JobFailed:
    """The error for a job of which no other is the cause."""
    status, (script, metadata) = job.status, read_script_and_metadata(job)
    requested = {name: v for name, v in options_in(script).items() if name not in NO_RESOURCES}
    if status.reason in WHY_LOST:  # what is on record is another's, or goes on and on
        return _error(job, Ending(status.state, "", requested, Account(), status.reason))
    grace = RECORD_GRACE if timeout is None else min(RECORD_GRACE, timeout)
    nothing_to_come = _waited_in_vain(status) or status.state is JobState.UNKNOWN
    account = accounting.of(job.id, 0.0 if nothing_to_come else grace)
    told = status.reason if ": " in status.reason else ""  # Slurm's own reasons are a word
    ending = Ending(status.state, status.exit_code, requested, account, told)
    if status.state is JobState.FAILED and not ending.out_of_memory and not told:
        facts = script, metadata, ending.all_exit_code, account.usage.nodes or status.node
        ending = replace(ending, never_began=why_it_never_began(job, *facts))
    return _error(job, ending)


@dataclass(frozen=True)
class Ending:
    """How a job ended: its `state`, what it asked for by sbatch's names, what is on record of it.

    `reason` says why it was lost, or names the file that the local scheduler could not use; `never_began` what kept
    its runner from its work.
    """

    state: JobState
    exit_code: str
    requested: Mapping[str, str]
    account: Account
    reason: str = ""
    never_began: str = ""

    @property
    def out_of_memory(self) -> bool:
        """Whether it was its memory: where Slurm does not enforce that itself, the job is just killed."""
        killed = self.state is JobState.FAILED and self.account.out_of_memory
        return killed or self.state is JobState.OUT_OF_MEMORY

    @property
    def output_unopened(self) -> bool:
        """Whether it never ran, for the files of its output could not be opened."""
        return self.all_exit_code == OUTPUT_UNOPENED or UNOPENED in self.never_began

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
        used, exit_code = self.account.usage.in_words(), exit_in_words(self.all_exit_code)
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
        if self.never_began:
            return self.never_began
        if self.output_unopened:
            return HAS_TO_EXIST
        if self.state is JobState.FAILED and self.all_exit_code.startswith(f"{UNWRITTEN}:"):
            return (
                "its result could not be written: see to it that there is room where its files are"
            )
        return ADVICE.get(self.state, "")

    @property
    def all_exit_code(self) -> str:
        """As the controller says, or else as accounts do."""
        return self.exit_code or self.account.exit_code


def _error(job: JobRecord, ending: Ending) -> errors.JobFailed:
    stderr, why_none = tail(job, STDERR_TAIL)
    message = f"job {job.id} ({job.task_name}) {ending.in_words()}. Its files: {job.job_dir}"
    if ending.output_unopened:
        message += f"\nIts output was to go to {path_of(job, STDOUT)} and {path_of(job, STDERR)}"
    if stderr:
        message += f"\nThe end of its stderr:\n{stderr}"
    elif why_none and not ending.output_unopened:
        message += f"\n{why_none}"
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


def _dependency_failure(
    job: JobRecord, root: Root | None, found: RootError | None
) -> errors.DependencyFailed:
    never = f"job {job.id} ({job.task_name}) never started because"
    about = {"job_id": job.id, "job_dir": job.job_dir, "state": str(job.status.state)}
    if root is None:
        why = "a job it depends on did not end as required"
        return errors.DependencyFailed(f"{never} {why}", **about)
    return dependency_failed(never, root, found, **about)


def root_error_of(root: Root, accounting: Accounting, timeout: float | None) -> RootError | None:
    """What the job at the root failed with; None where it did not fail, or its files are not known."""
    if root.state is JobState.COMPLETED or not root.records:
        return None
    found = exception_of(root.records)
    if found is not None:
        return found._replace(stderr=tail(found.record, STDERR_TAIL)[0])
    record = root.records[0]
    failure = _failure_by_itself(record, accounting, timeout)
    return RootError(failure, False, record, failure.stderr)
