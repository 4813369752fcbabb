"""What is said of jobs that have not ended in time: their states, and why those that wait do. Asks nobody.

The reasons are the scheduler's, as the last poll had them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from slurm.tracking.elements import Elements

if TYPE_CHECKING:
    from slurm.states import JobStatus
    from slurm.tracking.record import JobRecord

MOST_NAMED = 8
# Reasons that do not pass by themselves, and what helps. Slurm accepts such jobs unless a partition is
# configured to refuse them (slurm.conf(5), EnforcePartLimits).
ADVICE: Mapping[str, str] = {
    "PartitionTimeLimit": (
        "the partition allows less time: ask for less with time=, or leave it to the site with time=None"
    ),
    "PartitionNodeLimit": "the partition does not allow so many nodes: ask for others with nodes=",
    "JobHeldUser": "somebody has to release it: scontrol release",
    "JobHeldAdmin": "an administrator has to release it",
}


def words_for(status: JobStatus) -> str:
    """A job's state, with the reason in the scheduler's words while it waits.

    >>> from slurm.states import JobStatus
    >>> words_for(JobStatus(reason="Resources"))
    'PENDING (Resources)'
    """
    reason = status.pending_reason
    return f"{status.state} ({reason})" if reason else str(status.state)


def advice_for(statuses: Iterable[JobStatus]) -> str:
    """What helps jobs that wait for what does not come by itself; empty where time does.

    >>> from slurm.states import JobStatus
    >>> advice_for([JobStatus(reason="JobHeldUser")])
    ': somebody has to release it: scontrol release'
    """
    reasons = dict.fromkeys(status.pending_reason for status in statuses)
    return "".join(f": {ADVICE[reason]}" for reason in reasons if reason in ADVICE)


def summary_of(records: Sequence[JobRecord]) -> str:
    """How many of these jobs have not ended, which, and why.

    ``3 of 5 jobs have not ended: 2 PENDING (Resources): items 3-4; 1 RUNNING: item 0``.
    """
    groups: dict[str, list[JobRecord]] = {}
    statuses = []
    for status, some in _alike(records):
        if not status.finished:
            statuses.append(status)
            groups.setdefault(words_for(status), []).extend(some)
    parts = [f"{len(group)} {words}{_which(group)}" for words, group in groups.items()]
    left = sum(map(len, groups.values()))
    parts_and_advice = "; ".join(parts) + advice_for(statuses)
    return f"{left} of {len(records)} jobs have not ended: {parts_and_advice}"


def _alike(records: Sequence[JobRecord]) -> Iterator[tuple[JobStatus, Sequence[JobRecord]]]:
    """Those of one status together where that is known without looking at each: of an array."""
    if not isinstance(records, Elements):
        yield from ((record.status, [record]) for record in records)
        return
    for status, indices in records.array.alike(range(len(records))):
        yield status, [records[index] for index in indices]


def pending_in(statuses: Iterable[JobStatus] | Mapping[JobStatus, int]) -> str:
    """How many jobs wait for which reason, the most frequent one first; empty where no reason is known.

    Takes how many have each status as well.

    >>> from slurm.states import JobStatus
    >>> pending_in([JobStatus(reason="Priority"), JobStatus(reason="Resources"), JobStatus(reason="Resources")])
    '2 PENDING (Resources), 1 PENDING (Priority)'
    """
    counts: dict[str, int] = {}
    for status, count in Counter(statuses).items():
        if status.pending_reason:
            words = words_for(status)
            counts[words] = counts.get(words, 0) + count
    most_first = sorted(counts.items(), key=lambda both: -both[1])
    return ", ".join(f"{count} {words}" for words, count in most_first)


def _which(records: Sequence[JobRecord]) -> str:
    if len({record.element.array.path for record in records if record.element}) == 1:
        items = [record.element.index for record in records if record.element]
        if len(items) == len(records):
            return f": item{'s' if len(items) > 1 else ''} {_listed(_ranges(items))}"
    ids = [record.id for record in records if record.is_submitted]
    return f": {_listed(ids)}" if ids else ""


def _ranges(numbers: Iterable[int]) -> list[str]:
    """Numbers in their order, neighbours together: ``3-5``."""
    found: list[tuple[int, int]] = []
    for number in sorted(set(numbers)):
        if found and number == found[-1][1] + 1:
            found[-1] = found[-1][0], number
        else:
            found.append((number, number))
    return [str(first) if first == last else f"{first}-{last}" for first, last in found]


def _listed(texts: Sequence[str]) -> str:
    more = ["..."] if len(texts) > MOST_NAMED else []
    return ", ".join([*texts[:MOST_NAMED], *more])
