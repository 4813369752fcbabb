"""The harness in another project: what it leaves behind, and what it keeps."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

import cluster_tasks
from slurm import Cluster
from slurm.testing import ClusterStartError, DockerCluster, access
from slurm.testing.engine import relay_of
from slurm.testing.image import LABEL

pytestmark = pytest.mark.slurm

TESTS = """
def test_it(slurm_cluster):
    assert slurm_cluster.is_up()
    with open("seen", "a") as file:
        print(slurm_cluster.project, file=file)
    assert False, "as tests do"
"""
# What the harness makes: the last one is of our images those that have no name.
KINDS = (
    ("ps", "--all"),
    ("volume", "ls"),
    ("network", "ls"),
    ("image", "ls", "--filter", "dangling=true"),
)


@pytest.fixture
def project(tmp_path: Path, slurm_cluster: DockerCluster) -> Path:
    """A project with a failing test; this run's own cluster has the image built by now."""
    (tmp_path / "test_it.py").write_text(TESTS)
    return tmp_path


@pytest.fixture
def release(slurm_cluster: DockerCluster) -> str:
    return slurm_cluster.compose.release


def run_pytest(project: Path, release: str, *options: str) -> str:
    argv = [sys.executable, "-m", "pytest", "-q", "-p", "no:xdist", "--slurm-release", release]
    done = subprocess.run(
        [*argv, *options, str(project)],
        cwd=project,
        capture_output=True,
        text=True,
        timeout=550,
        check=False,
    )
    assert done.returncode == 1
    assert "as tests do" in done.stdout
    return (project / "seen").read_text().split()[-1]


@pytest.mark.matrix
def test_a_port_that_somebody_took_meanwhile_is_left_to_them(
    slurm_cluster: DockerCluster, release: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = slurm_cluster.access.port()
    assert taken is not None
    ports, free_port = [taken], access.free_port
    monkeypatch.setattr(access, "free_port", lambda: ports.pop() if ports else free_port())
    name = f"slurm-test-{secrets.token_hex(4)}"
    with DockerCluster(name, release=release, state_dir=tmp_path) as cluster:
        assert cluster.is_up()
        assert cluster.access.port() not in (taken, None)
    with pytest.raises(ClusterStartError, match=f"{taken}.*(already|in use)"):
        DockerCluster(name, release=release, state_dir=tmp_path, ssh_port=taken).up()
    assert remains(["ps", "--all"], of_project(name)) == []


def of_project(name: str) -> str:
    return f"com.docker.compose.project={name}"


def remains(kind: Sequence[str], label: str) -> list[str]:
    listed = subprocess.run(
        ["docker", *kind, "--quiet", "--filter", f"label={label}"],
        capture_output=True,
        text=True,
        check=True,
    )
    return sorted(listed.stdout.split())


@pytest.mark.matrix
def test_runs_of_other_names_leave_nothing_and_share_one_image(
    project: Path, release: str, slurm_cluster: DockerCluster
) -> None:
    image = slurm_cluster.compose.image
    kind, built = f"{LABEL}={image.kind}", ("image", "ls", "--no-trunc", image.name)
    before = remains(built, kind)
    assert len(before) == 1
    names = {run_pytest(project, release) for _ in range(2)}
    assert len(names) == 2
    for made in KINDS:
        assert [remains(made, of_project(name)) for name in names] == [[], []]
    assert remains(KINDS[-1], kind) == []
    assert remains(built, kind) == before
    assert not (project / ".slurm-cluster").exists()


def test_ssh_goes_through_the_engine_where_that_is_another_machine(
    slurm_cluster: DockerCluster, tmp_path: Path
) -> None:
    """Here it is this one, but the way is the same: the engine's, without the port that is published."""
    there = slurm_cluster.access
    relay = relay_of(f"{slurm_cluster.project}-login-1")
    nowhere = access.free_port()
    through = replace(there, folder=tmp_path / "through", relay=relay)
    through.write(
        port=nowhere,
        host_key=there.known_hosts.read_text().splitlines()[0].partition(" ")[2],
        write_private_key=lambda file: _copy(there.identity_file, file),
    )
    with Cluster.from_env(through.slurmfile) as cluster:
        assert cluster_tasks.add(1, 2).get_result(300) == 3
    cluster.close()
    argv = ["ssh", "-F", str(through.ssh_config), "c1", "hostname"]
    assert subprocess.run(argv, capture_output=True, text=True, check=True).stdout == "c1\n"


def _copy(path: Path, file: int) -> None:
    os.write(file, path.read_bytes())


@pytest.mark.matrix
def test_a_kept_cluster_is_used_again_by_the_next_run(project: Path, release: str) -> None:
    name = run_pytest(project, release, "--slurm-keep")
    containers = remains(["ps"], of_project(name))
    assert len(containers) == 6
    assert run_pytest(project, release, "--slurm-keep") == name
    assert remains(["ps"], of_project(name)) == containers
    DockerCluster(name, state_dir=project / ".slurm-cluster" / name).down()
    for made in KINDS:
        assert remains(made, of_project(name)) == []
