"""The value of sbatch's ``--dependency``: clauses for jobs, merged and joined, and as metadata has them. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, TypeVar

from slurm.errors import ConfigError

T = TypeVar("T")

TYPES = ("afterok", "afternotok", "aftercorr", "afterany")


class DependencyClause(NamedTuple):
    """A `type` of dependency on the jobs with these `ids`.

    It does not count where the scheduler need not know of it any more: it forgets jobs a while after their end.
    """

    type: str
    ids: tuple[str, ...]
    counts: bool = True


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
    counting = [one for one in clauses if one.counts]
    if counting and "?" in given:
        jobs = ", ".join(job_id for one in counting for job_id in one.ids)
        raise ConfigError(
            f"option dependency={given!r}: any of those cannot be joined with the jobs that this one "
            f"waits for in any case ({jobs}); put them together with ','"
        )
    parts = [given]
    for kind in TYPES:
        found = [one.ids for one in counting if one.type == kind]
        ids = [job_id for of in found for job_id in ([of[piece]] if kind == "aftercorr" else of)]
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
