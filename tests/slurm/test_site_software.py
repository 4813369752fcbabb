"""A site with software of its own: Debian's environment modules, pip and venv on all nodes."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from tests.helpers.user_programs import clients_of

import environment_tasks
from slurm import Cluster
from slurm.errors import PackagingError
from slurm.testing import DockerCluster
from slurm.testing.plugin import SHARED

pytestmark = [pytest.mark.slurm, pytest.mark.matrix]

TIMEOUT = 240.0
PACKAGES = ["environment-modules", "python3-pip", "python3-venv"]
TOOL = """\
#%Module
puts stderr "loading the tool"
setenv TOOL_VERSION 2
"""


@pytest.fixture(scope="module")
def site(pytestconfig: pytest.Config) -> DockerCluster:
    options = {"packages": PACKAGES}
    shared = replace(pytestconfig.stash[SHARED], purpose="software", options=options)
    return shared.bring_up()


@pytest.fixture
def folder(site: DockerCluster) -> str:
    path = f"/shared/work/{secrets.token_hex(6)}"
    site.exec("login", ["mkdir", path], user="dev")
    return path


@pytest.fixture
def connect(site: DockerCluster) -> Iterator[Callable[..., Cluster]]:
    with clients_of(site.slurmfile) as connected:
        yield connected


@pytest.mark.parametrize("check", ["login", "node"])
def test_modules_are_loaded_in_jobs_and_in_those_of_a_workflow(
    check: str, connect: Callable[..., Cluster], folder: str
) -> None:
    use = f"module use {folder}/modules"
    cluster = connect(setup=[use, "module load tool/2"], check=check)
    cluster.backend.write_file(f"{folder}/modules/tool/2", TOOL.encode())
    seen = environment_tasks.children_see().get_result(TIMEOUT)
    assert [one["TOOL_VERSION"] for one in seen] == ["2", "2"]


def test_a_module_that_is_not_there_is_said_with_its_line_before_anything_is_submitted(
    connect: Callable[..., Cluster], folder: str
) -> None:
    cluster = connect(setup=[f"module use {folder}", "module load tool/99"])
    cluster.backend.make_directory(folder)
    with pytest.raises(PackagingError) as caught:
        environment_tasks.environment()
    said = str(caught.value)
    assert said.startswith(
        "setup line 2 of 2, 'module load tool/99', failed on the login node with status 1"
    )
    assert "Unable to locate a modulefile for 'tool/99'" in said
    assert cluster.backend.get_queue() == []


def test_jobs_run_in_a_virtual_environment_that_venv_has_made(
    connect: Callable[..., Cluster], site: DockerCluster, folder: str
) -> None:
    site.exec("login", ["python3", "-m", "venv", f"{folder}/venv"], user="dev", timeout=600)
    connect(python=f"{folder}/venv/bin/python")
    assert environment_tasks.environment().get_result(TIMEOUT)["prefix"] == f"{folder}/venv"
