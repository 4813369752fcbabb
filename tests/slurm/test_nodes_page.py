"""The page on several nodes: its tasks run on two nodes of the dockerised cluster, which are smaller than the page's."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.helpers.clients import active_client
from tests.helpers.pages import blocks

from slurm import Cluster
from slurm.testing import DockerCluster

pytestmark = pytest.mark.slurm

PAGE = Path(__file__).parents[2] / "docs/how-to/run-on-several-nodes.md"
TIMEOUT = 240.0
SMALL: dict[str, Any] = {"gres": None, "cpus_per_task": 1, "mem": "100M", "time": "00:10:00"}
# The cluster has no torchrun: this says what it was told.
TORCHRUN = '#!/bin/sh\nprintf "%s\\n" "$*" >"said.$SLURM_PROCID"\n'

Module = Callable[[str, str], Any]


def with_text(text: str) -> str:
    """The block of the page that has it."""
    [found] = [one.text for one in blocks(PAGE) if text in one.text]
    return found


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Module:
    """Makes a block a module, under a name that no other has."""
    monkeypatch.syspath_prepend(tmp_path)

    def made(name: str, text: str) -> Any:
        (tmp_path / f"{name}.py").write_text(text)
        return importlib.import_module(name)

    return made


def test_torchrun_is_started_once_on_each_node(module: Module, ssh: Cluster, workdir: str) -> None:
    torchrun = f"{workdir}/torchrun"
    ssh.backend.write_file(torchrun, TORCHRUN.encode())
    text = with_text('"torchrun", *').replace('"torchrun"', f'"sh", "{torchrun}"')
    train = module("page_with_torchrun", text).train
    train.with_options(**SMALL, chdir=workdir)("a.toml").get_result(TIMEOUT)
    said = [ssh.backend.read_file(f"{workdir}/said.{rank}").decode() for rank in (0, 1)]
    assert said[0] == said[1]
    assert "--nnodes=2" in said[0]
    assert said[0].endswith("train.py --config a.toml\n")


def test_every_process_that_srun_starts_knows_its_rank(
    module: Module, ssh: Cluster, workdir: str
) -> None:
    script = with_text("current_job_context()\n")
    ssh.backend.write_file(f"{workdir}/train.py", script.encode())
    train = module("page_with_srun", with_text('["srun", sys.executable, "train.py"]')).train
    job = train.with_options(**SMALL, ntasks_per_node=2, chdir=workdir)()
    job.get_result(TIMEOUT)
    said = sorted(line for line in job.get_stdout().splitlines() if line.startswith("rank"))
    assert [line.partition(" with")[0] for line in said] == [
        f"rank {rank} of 4 on node {rank // 2}" for rank in range(4)
    ]


def test_a_job_knows_its_nodes(module: Module, ssh: Cluster) -> None:
    describe = module("page_with_describe", with_text("def describe(")).describe
    found = describe.with_options(nodes=2, mem="100M", time="00:10:00")().get_result(TIMEOUT)
    assert found["nodes"] == ["c1", "c2"]
    assert found["meet at"][0] == "c1"
    assert 0 < found["seconds left"] <= 600


def test_the_ranks_of_mpi_add_up(module: Module, site: DockerCluster) -> None:
    text = with_text("from mpi4py import MPI")
    if site.features.mpi != "srun":  # then the page has mpirun start it
        text = text.replace('"srun", "--mpi=pmix"', '"mpirun"')
    add_up = module("page_with_mpi", text).add_up
    with active_client(site):
        small = add_up.with_options(mem="100M", ntasks_per_node=2, partition="others")
        assert small().get_result(TIMEOUT) == 1 + 2 + 3 + 4
