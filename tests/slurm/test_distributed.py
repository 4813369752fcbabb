"""What a job knows of itself on a real Slurm, and programs on several nodes."""

from __future__ import annotations

import json

import pytest

import distributed_tasks
from slurm import Cluster
from slurm.node.node_list import expand_node_list

pytestmark = pytest.mark.slurm

TIMEOUT = 240.0


def test_processes_that_srun_starts_on_two_nodes_find_each_other(ssh: Cluster) -> None:
    found = distributed_tasks.meet().get_result(TIMEOUT)
    assert found["said"] == found["expected"]
    assert found["status"] == 0
    assert found["hostnames"] == found["slurms"]
    assert len(found["hostnames"]) == 2


def test_every_process_knows_its_rank(ssh: Cluster) -> None:
    found = distributed_tasks.ranks().get_result(TIMEOUT)
    seen = sorted((json.loads(line) for line in found["said"]), key=lambda one: int(one["RANK"]))
    assert found["world_size"] == 4
    assert [one["RANK"] for one in seen] == ["0", "1", "2", "3"]
    assert [one["NODE_RANK"] for one in seen] == ["0", "0", "1", "1"]
    assert [one["LOCAL_RANK"] for one in seen] == ["0", "1", "0", "1"]
    assert {(one["WORLD_SIZE"], one["LOCAL_WORLD_SIZE"]) for one in seen} == {("4", "2")}
    assert len({(one["MASTER_ADDR"], one["MASTER_PORT"]) for one in seen}) == 1


def test_the_time_left_is_that_of_the_jobs_limit(ssh: Cluster) -> None:
    """On Slurm 22.05 it is asked for, on newer ones it stands in the environment."""
    limited = distributed_tasks.time_of()
    unlimited = distributed_tasks.time_of.with_options(time="UNLIMITED")()
    found = limited.get_result(TIMEOUT)
    assert found["asked"] == ["1:00"]
    assert 0 < found["left"] <= 60
    assert unlimited.get_result(TIMEOUT) == {"left": None, "asked": ["UNLIMITED"]}


def test_node_lists_mean_what_slurm_says(ssh: Cluster) -> None:
    texts = ["c[1-3,7],login", "n[08-11]", "a[1-2]b[3-4]", "r[0-1]-n[00-01],c1", "c[9-11]"]
    expected = distributed_tasks.slurms_hostnames(texts).get_result(TIMEOUT)
    assert [expand_node_list(text) for text in texts] == expected


@pytest.mark.parametrize("export", [None, "NONE", "none", "NIL", "HOME,LANG=C", "ALL"])
def test_what_srun_args_starts_has_the_jobs_environment(export: str | None, ssh: Cluster) -> None:
    """With --export of anything but ALL, srun by itself hands on as little as sbatch did."""
    found = distributed_tasks.environments.with_options(export=export)().get_result(TIMEOUT)
    assert found["said"] == found["expected"], found["stderr"]
    assert ("--export=ALL" in found["args"]) == (export not in (None, "ALL"))
