"""What a job waits for, in the words of sbatch's ``--dependency``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Union

from slurm.errors import ConfigError, SubmissionError

if TYPE_CHECKING:
    from slurm.array_job import ArrayJob
    from slurm.job import Job

    Upstream = Union[Job[Any], ArrayJob[Any]]

# From the strictest: what one of them demands of a job, those behind it need not say again.
TYPES = ("afterok", "afternotok", "aftercorr", "afterany")


@dataclass(frozen=True, eq=False)
class Dependency:
    """A job or an array, `on` which another waits, and what of it: a `type` of sbatch's ``--dependency``.

    ``afterok``: it ended well; ``afternotok``: it did not; ``afterany``: it ended; ``aftercorr``:
    the element of the array with the same index ended well.
    """

    on: Upstream
    type: str = "afterok"

    @property
    def ids(self) -> tuple[str, ...]:
        """The scheduler's ids of what is waited for; an array that is not submitted yet is now."""
        return self.on.ids

    @property
    def means_something(self) -> bool:
        """Whether the scheduler still has to know: it forgets jobs a while after their end."""
        return self.on.holds_others_back(self.type)


def check_jobs(method: str, jobs: Iterable[object]) -> None:
    """Raises ``TypeError`` unless all of `jobs`, which `method` was called with, are jobs or arrays."""
    for job in jobs:
        if not hasattr(job, "holds_others_back"):
            raise TypeError(f"{method}() takes jobs, one argument each, not {type(job).__name__}")


def merged(dependencies: Iterable[Dependency]) -> tuple[Dependency, ...]:
    """Each job once for each type, and no ``afterany`` beside an ``afterok`` on the same job."""
    unique = {(one.ids, one.type): one for one in dependencies}
    strict = {ids for ids, kind in unique if kind == "afterok"}
    return tuple(
        one
        for (ids, kind), one in unique.items()
        if kind not in ("afterany", "aftercorr") or ids not in strict
    )


def option_of(dependencies: Sequence[Dependency], given: str = "", piece: int = 0) -> str:
    """The value for ``--dependency``, what the user has `given` for it included; empty for none.

    `piece` is which of an array's submissions it is for: each pairs with the same one of the other.
    """
    waiting = [one for one in dependencies if one.means_something]
    for one in waiting:
        _require_own_ids(one.on)
    if waiting and "?" in given:
        jobs = ", ".join(job_id for one in waiting for job_id in one.ids)
        raise ConfigError(
            f"option dependency={given!r}: any of those cannot be joined with the jobs that this one "
            f"waits for in any case ({jobs}); put them together with ','"
        )
    parts = [given]
    for kind in TYPES:
        found = [one.ids for one in waiting if one.type == kind]
        ids = [job_id for of in found for job_id in ([of[piece]] if kind == "aftercorr" else of)]
        parts.append(":".join([kind, *ids]) if ids else "")
    return ",".join(filter(None, parts))


def _require_own_ids(on: Upstream) -> None:
    """Raises `SubmissionError` where the id of a job that is waited for is another job's by now."""
    jobs: Sequence[Job[Any]] = getattr(on, "jobs", None) or (on,)
    for job in jobs:
        if job.status.reused:
            raise SubmissionError(
                f"nothing can wait for job {job.id} ({job.task_name}), which the controller has forgotten "
                "and whose id is another job's now: submit it again first"
            )


def records(dependencies: Iterable[Dependency], given: str = "") -> list[dict[str, str]]:
    """Dependencies as ``metadata.json`` holds them, what the user has `given` for the option included."""
    own = [{"job_id": job_id, "type": one.type} for one in dependencies for job_id in one.ids]
    parts = (part.split(":") for part in given.lower().replace("?", ",").split(","))
    return own + [{"job_id": _plain(one), "type": kind} for kind, *ids in parts for one in ids]


def _plain(job_id: str) -> str:
    """The job, element or array of an id in ``--dependency``, which may say more: ``12+5``, ``12_*``."""
    return job_id.partition("+")[0].partition("_*")[0].partition("_[")[0]
