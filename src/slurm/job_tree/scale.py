"""Which stretch of time a timeline shows, and where in it a moment is. Pure."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from slurm.job_tree.nodes import OVER, JobNode
from slurm.job_tree.words import DAY, HOUR, MINUTE
from slurm.usage import format_duration

SHORTEST = 0.1  # seconds
APART = 60.0  # a pause of that many seconds, or as long as all before it, begins a new timeline
MOST_TICKS = 8
STEPS = (
    *(0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30),
    *(MINUTE * n for n in (1, 2, 5, 10, 15, 30)),
    *(HOUR * n for n in (1, 2, 3, 6, 12)),
)


@dataclass(frozen=True)
class Scale:
    """A stretch of time, drawn from the left (0) to the right (100)."""

    start: datetime.datetime
    end: datetime.datetime

    @property
    def seconds(self) -> float:
        return max(SHORTEST, (self.end - self.start).total_seconds())

    def at(self, time: datetime.datetime) -> float:
        """Where a moment is, in percent; one outside is at the nearer end."""
        share = (time - self.start).total_seconds() / self.seconds
        return 100 * min(1.0, max(0.0, share))

    def ticks(self) -> list[tuple[float, str]]:
        """Positions in percent, and how long after the start they are."""
        step = next((s for s in STEPS if self.seconds / s <= MOST_TICKS), 0.0)
        if not step:
            days = self.seconds / DAY / MOST_TICKS
            step = DAY * next(
                d for d in (10**e * n for e in range(7) for n in (1, 2, 5)) if d >= days
            )
        count = int(self.seconds / step)
        return [(100 * n * step / self.seconds, _after(n * step, step)) for n in range(count + 1)]


def _after(seconds: float, step: float) -> str:
    if seconds == 0:
        return "0"
    if seconds < MINUTE and step < 0.1:
        return f"{seconds:.2f} s"
    text = format_duration(seconds, "words")
    return (
        text.replace(".0 s", " s").replace(" 00 s", "").replace(" 00 min", "").replace(" 0 h", "")
    )


def timelines(
    nodes: Sequence[JobNode], now: datetime.datetime
) -> list[tuple[Scale, tuple[JobNode, ...]]]:
    """The nodes by the timelines they belong to, the first first: hours without a job are not drawn."""
    spans = sorted(((_known_times(node) or (now, now)), n) for n, node in enumerate(nodes))
    found: list[tuple[Scale, list[JobNode]]] = []
    for (start, end), number in spans:
        if found and not _apart(found[-1][0], start):
            scale, members = found[-1]
            members.append(nodes[number])
            found[-1] = (Scale(scale.start, max(end, scale.end)), members)
        else:
            found.append((Scale(start, end), [nodes[number]]))
    return [(_until_now(scale, members, now), tuple(members)) for scale, members in found]


def _apart(scale: Scale, time: datetime.datetime) -> bool:
    return (time - scale.end).total_seconds() > max(APART, scale.seconds)


def _until_now(scale: Scale, members: Sequence[JobNode], now: datetime.datetime) -> Scale:
    """Jobs under way go on until now, unless that is so long after that nobody noted their end."""
    going = any(node.state not in OVER for member in members for node in member.walk())
    if going and now > scale.end and not _apart(scale, now):
        return Scale(scale.start, now)
    return scale


def _known_times(node: JobNode) -> tuple[datetime.datetime, datetime.datetime] | None:
    times = [time for one in node.walk() for time in _times(one)]
    return (min(times), max(times)) if times else None


def _times(node: JobNode) -> Iterator[datetime.datetime]:
    for time in (node.submitted, node.started, node.ended):
        if time is not None:
            yield time
