"""The jobs and arrays for which others wait, as the process knows them that has submitted them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from slurm.tracking.record import JobRecord
from slurm.tracking.upstream import Dependency, Upstream


class Known(NamedTuple):
    """A job or an array up the chain that was submitted by this process: its directory, and a record for each job."""

    job_dir: str
    records: Sequence[JobRecord]
    is_array: bool = False

    @property
    def task_name(self) -> str:
        return self.records[0].task_name

    @property
    def waits_for(self) -> tuple[Dependency, ...]:
        return self.records[0].waits_for


def _known(upstream: Upstream) -> Known:
    record = upstream.records[0]
    is_array = upstream.layout is not None and record.element is not None
    path = record.element.array.path if is_array and record.element else record.job_dir
    return Known(path, upstream.records, is_array)


def known_above(records: Iterable[JobRecord]) -> dict[str, Known]:
    """The jobs and arrays of this process up the chains, by each of their ids."""
    found: dict[str, Known] = {}
    for record in records:
        left = [found.setdefault(record.id, Known(record.job_dir, [record]))]
        group = record.element.group if record.element is not None else None
        if group is not None and group.ids[0] not in found:
            found.update(dict.fromkeys(group.ids, _known(group)))
        while left:
            for dependency in left.pop().waits_for:
                for job_id in dependency.ids:
                    if job_id not in found:
                        found[job_id] = _known(dependency.on)
                        left.append(found[job_id])
    return found
