"""A cluster as a ``concurrent.futures.Executor``."""

from __future__ import annotations

import concurrent.futures

import pytest
from tests.conformance.sites import Gate
from tests.conformance.waiting import PATIENCE, wait_until

import conformance_tasks as tasks
from slurm import Cluster


def test_calls_are_jobs_and_their_futures_the_standard_librarys(
    client: Cluster, gate: Gate
) -> None:
    with client.executor(time="5") as executor:
        running = executor.submit(tasks.wait_for, gate.path, "waited")
        pending = executor.submit(tasks.double, running.job)
        plain, failed = executor.submit(pow, 2, 10), executor.submit(tasks.fail, "no luck")
        mapped = executor.map(tasks.add, [1, 2], [30, 40], chunksize=2)
        wait_until(running.running, "the client hears that the job runs")
        assert not running.cancel()
        assert pending.cancel()
        _, left = concurrent.futures.wait([plain, failed, pending], PATIENCE)
        assert not left
        gate.open()
    assert (running.result(0), plain.result(0)) == ("waited", 1024)
    assert isinstance(failed.exception(0), tasks.Unlucky)
    assert list(mapped) == [31, 42]
    with pytest.raises(concurrent.futures.CancelledError):
        pending.result(0)
    assert pending.job.wait(PATIENCE)
    assert pending.job.get_status() == "CANCELLED"
