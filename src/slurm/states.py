"""Slurm's job states, and the pure reducer from observations to what is known of a job.

It says when a state that may pass is believed, and after how long a job is given up as lost.

The rows are the states and the flags of Slurm's page "Job State Codes", all of which its tools may print.
"""

from __future__ import annotations

import enum
from typing import NamedTuple

# A job may leave PREEMPTED, NODE_FAIL or a failed launch for PENDING when it is requeued; it has
# ended only when the scheduler keeps saying so.
SIGHTINGS_TO_BELIEVE = 3
# Seconds after which a job is lost that the controller does not know while nobody says that it ended.
# Accounts are late by seconds, or by minutes after an outage; a node that goes on with a job which its
# controller has forgotten ends it as soon as they talk again, unless the job ends before.
LOST_AFTER = 600.0
# Why a job was lost, in Slurm's style; the second is sacctmgr's word.
REUSED, RUNAWAY = "JobIdReused", "RunawayJob"


class JobState(str, enum.Enum):
    """A job's state in Slurm's own words; compares equal to the plain string.

    >>> JobState.OUT_OF_MEMORY == "OUT_OF_MEMORY"
    True
    """

    PENDING = "PENDING"
    CONFIGURING = "CONFIGURING"
    RUNNING = "RUNNING"
    COMPLETING = "COMPLETING"
    SUSPENDED = "SUSPENDED"
    STOPPED = "STOPPED"
    SIGNALING = "SIGNALING"
    STAGE_OUT = "STAGE_OUT"
    RESIZING = "RESIZING"
    REQUEUED = "REQUEUED"
    REQUEUE_FED = "REQUEUE_FED"
    REQUEUE_HOLD = "REQUEUE_HOLD"
    RESV_DEL_HOLD = "RESV_DEL_HOLD"
    SPECIAL_EXIT = "SPECIAL_EXIT"
    POWER_UP_NODE = "POWER_UP_NODE"
    UPDATE_DB = "UPDATE_DB"
    EXPEDITING = "EXPEDITING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    TIMEOUT = "TIMEOUT"
    DEADLINE = "DEADLINE"
    OUT_OF_MEMORY = "OUT_OF_MEMORY"
    LAUNCH_FAILED = "LAUNCH_FAILED"
    RECONFIG_FAIL = "RECONFIG_FAIL"
    REVOKED = "REVOKED"
    NODE_FAIL = "NODE_FAIL"
    BOOT_FAIL = "BOOT_FAIL"
    PREEMPTED = "PREEMPTED"
    UNKNOWN = "UNKNOWN"  # not Slurm's: the scheduler no longer knows the job

    def __str__(self) -> str:
        return self.value


ENDED = frozenset(
    {
        JobState.COMPLETED,
        JobState.FAILED,
        JobState.CANCELLED,
        JobState.TIMEOUT,
        JobState.DEADLINE,
        JobState.OUT_OF_MEMORY,
        JobState.REVOKED,
    }
)
ENDED_IF_IT_STAYS = frozenset(
    {
        JobState.NODE_FAIL,
        JobState.BOOT_FAIL,
        JobState.PREEMPTED,
        JobState.LAUNCH_FAILED,
        JobState.RECONFIG_FAIL,
    }
)
ACTIVE = frozenset(
    {
        JobState.RUNNING,
        JobState.COMPLETING,
        JobState.SUSPENDED,
        JobState.STOPPED,
        JobState.SIGNALING,
        JobState.STAGE_OUT,
        JobState.RESIZING,
    }
)
NO_REASON = ("", "None", "(null)")
FINAL_SOURCES = frozenset({"event", "result", "metadata", "never starts", "client"})
SAYING_WHAT_IS = frozenset({"squeue", "local"})  # at this moment, and not what accounts know
NEVER_STARTS = frozenset({"DependencyNeverSatisfied"})


class Observation(NamedTuple):
    """One thing somebody said about a job.

    `source` is ``squeue``, ``sacct`` (of jobs that squeue does not name), ``local`` (the local
    scheduler), ``absent`` (the scheduler answered and did not name the job) or ``reused`` (it did name
    one of that id, which is another job). Final whatever the state: ``event`` (the job's own runner said
    that it finished), ``result`` (its result file did), ``metadata`` (its metadata did, of a job that was found again),
    ``never starts`` (what it waits for cannot happen) and ``client`` (a client of the SDK said it, which had believed
    one of the others).

    `ended_at` is when a job that has ended did so, by its scheduler's clock, in seconds since the epoch; None where the
    source does not say it. `origin` is what the source says of where the job of that id came from, its comment, its script and
    its working directory joined by ``|``; empty where it says nothing. `missing_for` is for how many
    seconds the job has been `missing` without a break.
    """

    job_id: str
    source: str
    state: JobState = JobState.UNKNOWN
    reason: str = ""
    exit_code: str = ""
    node: str = ""
    origin: str = ""
    missing_for: float = 0.0
    ended_at: float | None = None

    @property
    def missing(self) -> bool:
        """Whether the controller does not know the job while accounts have it as going on, or its id is another's.

        Nor does anybody know an ``absent`` one: that is believed after a few sightings in a row.

        >>> Observation("7", "sacct", JobState.RUNNING).missing, Observation("7", "sacct", JobState.FAILED).missing
        (True, False)
        """
        goes_on = self.state not in ENDED | ENDED_IF_IT_STAYS | {JobState.UNKNOWN}
        return self.source == "reused" or (self.source == "sacct" and goes_on)


class JobStatus(NamedTuple):
    """What is known of a job: its state, whether it `finished`, and how sure the rest is.

    `forgotten`: the controller no longer knows the job, only accounting does, or nobody. `has_result`: its own runner
    said that it ended, and so has left a result, which may not be visible everywhere yet.
    """

    state: JobState = JobState.PENDING
    finished: bool = False
    forgotten: bool = False
    reason: str = ""
    exit_code: str = ""
    node: str = ""
    sightings: int = 0
    has_result: bool = False

    @property
    def never_starts(self) -> bool:
        """True when the scheduler says that the job's dependency can not be satisfied any more."""
        return not self.finished and self.reason in NEVER_STARTS

    @property
    def uncertain(self) -> bool:
        """True when it was seen in a state that ends it only if it stays.

        >>> JobStatus(sightings=1).uncertain
        True
        """
        return bool(self.sightings) and not self.finished

    @property
    def pending_reason(self) -> str:
        """Why the job waits, in the scheduler's words as they were when it was asked last; empty for one that does not.

        >>> JobStatus(reason="Resources").pending_reason
        'Resources'
        >>> JobStatus(JobState.RUNNING, reason="None").pending_reason
        ''
        """
        waits = not (self.finished or self.forgotten or self.state in ACTIVE)
        return self.reason if waits and self.reason not in NO_REASON else ""

    @property
    def ended_well(self) -> bool | None:
        """Whether it ended and its task returned; None where nobody knows that it has ended.

        >>> JobStatus(JobState.COMPLETED, finished=True).ended_well, JobStatus(JobState.RUNNING).ended_well
        (True, None)
        """
        return self.state is JobState.COMPLETED if self.finished else None

    @property
    def reused(self) -> bool:
        """True when the scheduler has given the job's id to another job.

        >>> JobStatus(reason="JobIdReused").reused
        True
        """
        return self.reason == REUSED


def parse_state(text: str) -> JobState:
    """The state named by `text` (``CANCELLED by 1000`` included); UNKNOWN for a word not in the table.

    >>> print(parse_state("CANCELLED by 1000"))
    CANCELLED
    """
    word = text.strip().split(" ")[0].rstrip("+")
    return JobState.__members__.get(word, JobState.UNKNOWN)


def reduce(status: JobStatus, seen: Observation) -> JobStatus:
    """What is known after `seen`. A finished job stays finished, whatever comes later or twice.

    >>> seen = Observation("7", "squeue", JobState.RUNNING, node="c1")
    >>> status = reduce(JobStatus(), seen)
    >>> print(status.state, status.finished)
    RUNNING False
    >>> reduce(status, seen) is status
    True
    """
    if _is_as_before(status, seen):
        return status
    reduced = _reduced(status, seen)
    return status if reduced == status else reduced


def _is_as_before(status: JobStatus, seen: Observation) -> bool:
    """Whether the scheduler says again of a job that goes on what it said last: most of its answers, of many jobs."""
    return (
        seen.state is status.state
        and seen.reason == status.reason
        and seen.source in SAYING_WHAT_IS
        and (seen.node == status.node or not seen.node)
        and not (status.finished or status.forgotten or status.sightings)
        and seen.state not in ENDED
        and seen.state not in ENDED_IF_IT_STAYS
    )


def _reduced(status: JobStatus, seen: Observation) -> JobStatus:
    if status.finished:
        return status._replace(exit_code=status.exit_code or seen.exit_code)
    if seen.source in FINAL_SOURCES:
        return status._replace(
            state=seen.state,
            finished=True,
            exit_code=seen.exit_code,
            reason=seen.reason,
            node=seen.node or status.node,
            has_result=seen.source == "event",
        )
    if seen.missing and seen.missing_for >= LOST_AFTER:
        return _lost(status, seen)
    if seen.source == "reused":
        return status._replace(reason=REUSED, forgotten=True, sightings=0)
    if seen.source == "absent":
        return _uncertain(status, seen._replace(state=JobState.UNKNOWN))
    if seen.state in ENDED_IF_IT_STAYS:
        return _uncertain(status, seen)
    if seen.state is JobState.UNKNOWN:
        return status._replace(sightings=0)
    known = status._replace(
        state=seen.state,
        reason=seen.reason,
        node=seen.node or status.node,
        forgotten=seen.source == "sacct",
    )
    if seen.state in ENDED:
        return known._replace(finished=True, exit_code=seen.exit_code)
    return known._replace(sightings=0)


def _lost(status: JobStatus, seen: Observation) -> JobStatus:
    """A job that nobody will hear of any more."""
    reason = REUSED if seen.source == "reused" else RUNAWAY
    return status._replace(
        state=JobState.UNKNOWN, finished=True, forgotten=True, reason=reason, sightings=0
    )


def _uncertain(status: JobStatus, seen: Observation) -> JobStatus:
    """A state that ends the job only once it has been seen often enough in a row."""
    sightings = status.sightings + 1
    if sightings < SIGHTINGS_TO_BELIEVE:
        return status._replace(sightings=sightings)
    return status._replace(
        state=seen.state,
        finished=True,
        reason=seen.reason,
        exit_code=seen.exit_code,
        sightings=sightings,
    )
