"""Which of the files in a run's artifacts are brought home, and which are missing: functions of values, without a file."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from slurm.api.requests import TreeFile
from slurm.config.globs import Globs, is_inside
from slurm.runs.design import Design
from slurm.usage import format_size

MOST_FILES = 100_000  # in a run's artifacts


class Skipped(NamedTuple):
    """A file that is not brought home, and why not.

    >>> print(Skipped("model.pt", "Permission denied"))
    model.pt: Permission denied
    """

    path: str
    why: str

    def __str__(self) -> str:
        return f"{self.path}: {self.why}"


class Plan(NamedTuple):
    """What is to be here at the end, the required files first, and what is not to be."""

    wanted: tuple[TreeFile, ...]
    skipped: tuple[Skipped, ...] = ()

    @property
    def bytes(self) -> int:
        """How much that is."""
        return sum(file.size for file in self.wanted)


def plan(files: Iterable[TreeFile], design: Design, most_bytes: int) -> Plan:
    """Choose from the `files` on the cluster, up to `most_bytes` of them all.

    What is required comes first, whether or not a pattern excludes it; a file for which too little is left is skipped,
    smaller ones may come after it.

    >>> from pathlib import Path
    >>> files = [TreeFile("metrics.json", 10), TreeFile("model.pt", 1 << 40), TreeFile("log.txt", 5)]
    >>> found = plan(files, Design(Path("design.yaml"), exclude=("*.txt",)), most_bytes=1 << 30)
    >>> [file.path for file in found.wanted], str(found.skipped[0])
    (['metrics.json'], 'model.pt: its 1T are more than what is left of 1G (sync.max_size of the policy)')
    """
    required = Globs(design.required, whole=True)
    include, exclude = Globs(design.include), Globs(design.exclude)
    wanted, skipped, left = list[TreeFile](), list[Skipped](), most_bytes
    chosen: list[tuple[bool, str, TreeFile]] = []
    for file in files:
        needed = file.path in design.required or required.match(file.path)
        by_pattern = not design.include or include.match(file.path)
        if needed or (by_pattern and not exclude.match(file.path)):
            chosen.append((not needed, file.path, file))
    for _, path, file in sorted(chosen, key=lambda one: one[:2]):
        if not is_inside(path):
            skipped.append(Skipped(path, "it would lie outside of the run's artifacts"))
        elif not file.regular:
            skipped.append(Skipped(path, "it is no file, or leads out of the artifacts"))
        elif file.size > left:
            size, most = format_size(file.size), format_size(most_bytes)
            why = f"its {size} are more than what is left of {most} (sync.max_size of the policy)"
            skipped.append(Skipped(path, why))
        else:
            left -= file.size
            wanted.append(file)
    return Plan(tuple(wanted), tuple(skipped))


def missing(required: Sequence[str], here: Iterable[str]) -> tuple[str, ...]:
    """Those of the `required` paths and patterns that nothing `here` is.

    A directory is here if something is in it.

    >>> missing(["metrics.json", "model/*.pt", "plots"], ["model/best.pt", "plots/loss.png"])
    ('metrics.json',)
    """
    names = list(here)
    known = set(names)
    return tuple(
        one
        for one in required
        if one not in known and not any(map(Globs([one], whole=True).match, names))
    )


def about_missing(lost: Sequence[str], skipped: Iterable[Skipped]) -> str:
    """Why those are missing of which that is known; empty where nothing is.

    >>> about_missing(["model"], [Skipped("model/best.pt", "Permission denied"), Skipped("log", "it is no file")])
    'model/best.pt: Permission denied'
    """
    of_them = Globs(lost, whole=True)
    return "; ".join(str(one) for one in skipped if one.path in lost or of_them.match(one.path))
