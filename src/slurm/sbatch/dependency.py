"""The value of sbatch's ``--dependency``: clauses for jobs, merged and joined, and as metadata has them. Pure."""

from __future__ import annotations

import enum
from collections.abc import Collection, Iterable
from typing import NamedTuple, TypeVar

from slurm.errors import ConfigError

T = TypeVar("T")

TYPES = ("afterok", "afternotok", "aftercorr", "afterany")


class Verdict(enum.Enum):
    """What the ends of jobs that are known mean for one that waits for them."""

    OPEN = "it has to wait"
    MET = "it may start"
    BROKEN = "it can not start any more"


def judged(type: str, ends: Collection[bool | None]) -> Verdict:
    """Whether a dependency of that `type` is met by jobs that ended well, or badly, or (None) have not ended.

    As Slurm has it: ``afternotok`` on an array is met when any of its elements has failed.

    >>> judged("afterok", [True, None]).name, judged("afterok", [False, None]).name, judged("afternotok", [True, False]).name
    ('OPEN', 'BROKEN', 'MET')
    """
    if type in ("afterok", "aftercorr"):
        if all(ends):
            return Verdict.MET
        pairs_go_on = type == "aftercorr" and None in ends  # each has its own counterpart
        return Verdict.BROKEN if False in ends and not pairs_go_on else Verdict.OPEN
    if None in ends:
        return Verdict.OPEN
    return Verdict.MET if type == "afterany" or False in ends else Verdict.BROKEN


class DependencyClause(NamedTuple):
    """A `type` of dependency on the jobs with these `ids`.

    Those that are `done` have ended as they had to: the scheduler is not told of them. It forgets jobs a while after
    their end, and may have given their ids to others.
    """

    type: str
    ids: tuple[str, ...]
    done: frozenset[str] = frozenset()

    @property
    def left(self) -> tuple[str, ...]:
        """The ids that the scheduler has to know of."""
        return tuple(one for one in self.ids if one not in self.done)


def merged(found: Iterable[tuple[T, DependencyClause]]) -> list[tuple[T, DependencyClause]]:
    """Each clause once, beside what it was made of; ``afterok`` on a job covers ``afterany`` and ``aftercorr`` on it.

    >>> found = [("a", DependencyClause("afterany", ("12",))), ("b", DependencyClause("afterok", ("12",)))]
    >>> [origin for origin, clause in merged(found)]
    ['b']
    """
    unique = {(clause.ids, clause.type): (origin, clause) for origin, clause in found}
    strict = {ids for ids, kind in unique if kind == "afterok"}
    return [
        both
        for (ids, kind), both in unique.items()
        if kind not in ("afterany", "aftercorr") or ids not in strict
    ]


def option_of(clauses: Iterable[DependencyClause], given: str = "", piece: int = 0) -> str:
    """The value for ``--dependency``, what the user has `given` for it included; empty for none.

    `piece` is which of an array's submissions it is for: each pairs with the same one of the other.

    >>> option_of([DependencyClause("afterany", ("12",)), DependencyClause("afterok", ("13", "14"))], given="singleton")
    'singleton,afterok:13:14,afterany:12'
    """
    counting = [one for one in clauses if one.left]
    if counting and "?" in given:
        jobs = ", ".join(job_id for one in counting for job_id in one.left)
        raise ConfigError(
            f"option dependency={given!r}: any of those cannot be joined with the jobs that this one "
            f"waits for in any case ({jobs}); put them together with ','"
        )
    parts = [given]
    for kind in TYPES:
        found = [one for one in counting if one.type == kind]
        told = ((of.ids[piece],) if kind == "aftercorr" else of.ids for of in found)
        ids = [one for of, own in zip(found, told) for one in own if one not in of.done]
        parts.append(":".join([kind, *ids]) if ids else "")
    return ",".join(filter(None, parts))


def as_metadata(clauses: Iterable[DependencyClause], given: str = "") -> list[dict[str, str]]:
    """What is waited for as ``metadata.json`` holds it, what the user has `given` for the option included."""
    own = [{"job_id": job_id, "type": one.type} for one in clauses for job_id in one.ids]
    parts = (part.split(":") for part in given.lower().replace("?", ",").split(","))
    return own + [{"job_id": _plain(one), "type": kind} for kind, *ids in parts for one in ids]


def _plain(job_id: str) -> str:
    """The job, element or array of an id in ``--dependency``, which may say more: ``12+5``, ``12_*``."""
    return job_id.partition("+")[0].partition("_*")[0].partition("_[")[0]
