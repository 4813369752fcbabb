"""Many submissions in one request, on every backend."""

from __future__ import annotations

import conformance_tasks as tasks
from slurm import Cluster, gather


def test_a_pipeline_written_as_a_batch_runs_as_it_would_otherwise(client: Cluster) -> None:
    with client.batch():
        first = tasks.double(1)
        second = [tasks.double(first), tasks.double(first)]
        third = tasks.double(second[1])
    assert gather(first, *second, third) == [2, 4, 4, 8]
