"""Callbacks of a client behind ssh and of jobs on nodes that know neither the SDK nor the tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from callback_tasks import Says, halve, halves
from slurm import BenchmarkCallback, Cluster
from slurm.testing import DockerCluster

pytestmark = pytest.mark.slurm

TIMEOUT = 240.0


@pytest.fixture
def says() -> Says:
    return Says()


@pytest.fixture
def benchmark() -> BenchmarkCallback:
    return BenchmarkCallback()


@pytest.fixture
def told(
    slurm_cluster: DockerCluster, says: Says, benchmark: BenchmarkCallback
) -> Iterator[Cluster]:
    cluster = Cluster.from_env(slurm_cluster.slurmfile, callbacks=[says, benchmark])
    with cluster:
        yield cluster
    cluster.close()


def test_elements_of_an_array_are_told_of_on_their_nodes_and_here(
    told: Cluster, says: Says, benchmark: BenchmarkCallback
) -> None:
    array = halve.map([2, 3])
    assert array.wait(TIMEOUT)
    array.get_results(TIMEOUT, return_exceptions=True)
    assert told.drain_callbacks(TIMEOUT)
    well, badly = (says.ended[job.id] for job in array)
    assert (str(well.state), well.error, well.array_index) == ("COMPLETED", None, 0)
    assert (str(badly.state), str(badly.error), badly.array_index) == ("FAILED", "odd", 1)
    assert array[0].get_stdout().splitlines() == [
        f"begins halve {array.id}_0 0 {well.node}",
        f"ends halve {array.id}_0 None None",
    ]
    assert array[1].get_stdout().splitlines()[1] == f"ends halve {array.id}_1 None odd"
    for timing in benchmark.timings():
        assert None not in timing.stages().values(), timing


def test_a_workflow_hears_of_its_children(told: Cluster, says: Says) -> None:
    flow = halves()
    child_said = flow.get_result(TIMEOUT)
    begins, ends = child_said.splitlines()
    _, task_name, child, _, _ = begins.split()
    assert (task_name, ends) == ("halve", f"ends halve {child} {flow.id} None")
    assert f"hears of halve {child}" in flow.get_stdout().splitlines()
    assert told.drain_callbacks(TIMEOUT)
    assert list(says.ended) == [flow.id]
    assert says.ended[flow.id].is_workflow
