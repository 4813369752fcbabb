"""Job arrays as ``sbatch --array`` spells them. Pure."""

from __future__ import annotations

import bisect
import re
from typing import NamedTuple

MAX_ARRAY_SIZE = 1001  # Slurm's own default of MaxArraySize: the largest index is one less
LARGEST_SIZE = 4_000_001  # what Slurm allows MaxArraySize to be
RANGE = re.compile(r"([0-9]{1,9})(?:-([0-9]{1,9})(?::([0-9]{1,9}))?)?")
LIMIT = re.compile(r"[0-9]{1,9}")


class MalformedArray(ValueError):
    """A specification that is none; the message is one line that says why."""


class Array(NamedTuple):
    """The elements of an array: their `indices` in order, and how many run at once, None for all."""

    indices: tuple[int, ...]
    limit: int | None = None

    @property
    def step(self) -> int:
        """The distance of the indices from each other, 1 where they have no common one."""
        gaps = {after - before for before, after in zip(self.indices, self.indices[1:])}
        return gaps.pop() if len(gaps) == 1 else 1

    def position(self, index: int) -> int | None:
        """Where in `indices` an index stands; None where it does not."""
        position = bisect.bisect_left(self.indices, index)
        if position < len(self.indices) and self.indices[position] == index:
            return position
        return None


def parse_array(text: str, max_array_size: int = LARGEST_SIZE) -> Array:
    """The array that sbatch's ``--array`` asks for.

    >>> parse_array("0,3,5-9:2%4")
    Array(indices=(0, 3, 5, 7, 9), limit=4)

    Raises `MalformedArray`, also for an index that is not below `max_array_size`.
    """
    ranges, percent, limit = text.partition("%")
    if percent and not LIMIT.fullmatch(limit):
        raise _problem(text, f"after % stands how many run at once, such as %10, not {limit!r}")
    indices: set[int] = set()
    for part in ranges.split(","):
        indices |= set(_range(text, part, max_array_size))
    return Array(tuple(sorted(indices)), int(limit or "0") or None)


def _range(text: str, part: str, max_array_size: int) -> range:
    match = RANGE.fullmatch(part)
    if match is None:
        raise _problem(text, f"{part!r} is none of 3, 0-9 and 0-9:2")
    first, last, step = int(match[1]), int(match[2] or match[1]), int(match[3] or "1")
    if last < first or step == 0:
        raise _problem(text, f"{part!r} has no elements")
    if last >= max_array_size:
        why = f"index {last} is not below max_array_size, which is {max_array_size}"
        raise _problem(text, why)
    return range(first, last + 1, step)


def _problem(text: str, why: str) -> MalformedArray:
    return MalformedArray(f"Invalid job array specification: --array={text}: {why}")
