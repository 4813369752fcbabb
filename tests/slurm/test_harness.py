"""The harness in another project: what it leaves behind, and what it keeps."""

from __future__ import annotations

import secrets
import subprocess
import sys
from pathlib import Path

import pytest

from slurm.testing import ClusterStartError, DockerCluster, access

pytestmark = pytest.mark.slurm

TESTS = """
def test_it(slurm_cluster):
    assert slurm_cluster.is_up()
    with open("seen", "a") as file:
        print(slurm_cluster.project, file=file)
    assert False, "as tests do"
"""


@pytest.fixture
def project(tmp_path: Path, slurm_cluster: DockerCluster) -> Path:
    """A project with a failing test; this run's own cluster has the image built by now."""
    (tmp_path / "test_it.py").write_text(TESTS)
    return tmp_path


def run_pytest(project: Path, *options: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:xdist", *options, str(project)],
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
    slurm_cluster: DockerCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = slurm_cluster.access.port()
    assert taken is not None
    ports = iter([taken, access.free_port()])
    monkeypatch.setattr(access, "free_port", lambda: next(ports))
    with DockerCluster(f"slurm-test-{secrets.token_hex(4)}", state_dir=tmp_path) as cluster:
        assert cluster.is_up()
        assert cluster.access.port() not in (taken, None)
    with pytest.raises(ClusterStartError, match=f"{taken}.*(already|in use)"):
        DockerCluster(cluster.project, state_dir=tmp_path, ssh_port=taken).up()
    assert remains(["ps", "--all"], cluster.project) == []


def remains(kind: list[str], name: str) -> list[str]:
    label = f"label=com.docker.compose.project={name}"
    listed = subprocess.run(
        ["docker", *kind, "--quiet", "--filter", label], capture_output=True, text=True, check=True
    )
    return listed.stdout.split()


@pytest.mark.matrix
def test_a_failed_run_leaves_no_cluster_behind(project: Path) -> None:
    name = run_pytest(project)
    for kind in (["ps", "--all"], ["volume", "ls"], ["network", "ls"]):
        assert remains(kind, name) == []
    assert not list(project.glob(".slurm-cluster/*/*"))


@pytest.mark.matrix
def test_a_kept_cluster_is_used_again_by_the_next_run(project: Path) -> None:
    name = run_pytest(project, "--slurm-keep")
    containers = remains(["ps"], name)
    assert len(containers) == 6
    assert run_pytest(project, "--slurm-keep") == name
    assert remains(["ps"], name) == containers
    DockerCluster(name, state_dir=project / ".slurm-cluster" / name).down()
    assert remains(["ps", "--all"], name) == []
