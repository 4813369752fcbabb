"""Waiting for what cannot call back. With the conformance suite, for that goes to the login node alone."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any

from slurm import Cluster, Job
from slurm.states import ENDED

# Seconds for anything that a test waits for: it costs nothing where things work, on a busy machine too.
PATIENCE = 240.0


def wait_until_ended(cluster: Cluster, jobs: Iterable[Job[Any]]) -> None:
    """Until the scheduler says so of all of them: a result may be here a moment before."""
    ids = [job.id for job in jobs]

    def ended() -> bool:
        return all(one.state in ENDED for one in cluster.backend.query_jobs(ids))

    wait_until(ended, f"{ids} have ended", every=0.1)


def wait_until(
    true: Callable[[], object], what: str, seconds: float = PATIENCE, every: float = 0.02
) -> None:
    """Ask again and again whether something is `true`; fails with `what` that should have been."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}"
        time.sleep(every)
