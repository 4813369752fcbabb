"""What an interrupted wait does to the jobs it waits for: nothing, unless their cluster says otherwise."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any

from slurm.errors import SlurmError

if TYPE_CHECKING:
    from slurm.cluster import Cluster
    from slurm.job import Job

logger: logging.Logger = logging.getLogger(__name__)


class Waiting:
    """``with Waiting(jobs):`` has a ``KeyboardInterrupt`` inside cancel those that have not ended.

    Only on clusters with ``cancel_on_interrupt``. The interrupt goes on in any case.
    """

    def __init__(self, jobs: Sequence[Job[Any]]) -> None:
        self.jobs = jobs

    def __enter__(self) -> None:
        pass

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is not None and issubclass(kind, KeyboardInterrupt):
            _cancel(self.jobs)


def _cancel(jobs: Sequence[Job[Any]]) -> None:
    by_cluster: dict[Cluster, list[Job[Any]]] = {}
    for job in jobs:
        if job.cluster.cancel_on_interrupt and not job.is_completed():
            by_cluster.setdefault(job.cluster, []).append(job)
    for cluster, of in by_cluster.items():
        try:
            cluster.tracker.cancel(of)
        except SlurmError as error:
            ids = ", ".join(job.id for job in of)
            logger.warning("interrupted, and these jobs go on: %s: %s", ids, error)
