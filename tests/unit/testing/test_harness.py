"""The pytest plugin in another project, on a machine where no Docker answers."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from tests.helpers.fakes import Programs

from slurm.testing import ClusterError, DockerCluster
from slurm.testing.access import Access
from slurm.testing.sharing import OWNER, SharedCluster, kept_of

TESTS = """
def test_with_a_cluster(cluster): ...
def test_with_docker(slurm_cluster): ...
def test_that_breaks_it(disturbed_cluster): ...
def test_without(): ...
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "test_it.py").write_text(TESTS)
    return tmp_path


def run_pytest(project: Path, *options: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist"]
    return subprocess.run(
        [*argv, "--rootdir", str(project), *options, str(project)],
        cwd=project,
        # An engine that does not answer; one that is named is never installed.
        env={**os.environ, "DOCKER_HOST": "tcp://127.0.0.1:9"},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )


@pytest.mark.story
def test_a_cluster_that_does_not_come_up_is_explained_once_at_the_end(project: Path) -> None:
    done = run_pytest(project)
    assert done.returncode == 1
    assert "1 passed, 3 errors" in done.stdout
    _, _, section = done.stdout.partition("= slurm cluster =")
    assert "no Docker engine answers" in section
    assert "Traceback" not in done.stdout
    assert not list(project.glob(".slurm-cluster/*/id_ed25519"))


@pytest.mark.story
def test_tests_that_need_the_cluster_are_marked(project: Path) -> None:
    done = run_pytest(project, "-m", "not slurm")
    assert done.returncode == 0
    assert "1 passed, 3 deselected" in done.stdout


@pytest.mark.local
def test_without_the_extra_a_line_says_which_to_install(project: Path) -> None:
    (project / "conftest.py").write_text("import sys\nsys.modules['testcontainers'] = None\n")
    done = run_pytest(project)
    assert "1 passed, 3 errors" in done.stdout
    lines = {
        line for line in done.stdout.splitlines() if "pip install 'slurm-tasks[testing]'" in line
    }
    assert any(
        line.startswith("slurm.testing needs testcontainers, which is not installed: pip")
        for line in lines
    )
    assert "Traceback" not in done.stdout
    assert not (project / ".slurm-cluster").exists()


@pytest.mark.local
def test_there_may_be_nothing_to_take_down(project: Path) -> None:
    done = run_pytest(project, "--slurm-down")
    assert (done.returncode, done.stdout) == (
        0,
        f"No cluster was kept for the tests in {project}.\n",
    )


@pytest.mark.local
@pytest.mark.parametrize("where", ["options", "ini"])
def test_a_shape_that_makes_no_sense_is_one_line_and_no_test_runs(
    project: Path, where: str
) -> None:
    if where == "ini":
        (project / "pytest.ini").write_text("[pytest]\nslurm_nodes = c1 cpu=4\n")
    done = run_pytest(project, *(["--slurm-node", "c1 cpu=4"] if where == "options" else []))
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    said = "slurm cluster: node 'c1 cpu=4': there is no 'cpu' (did you mean 'cpus'?)"
    assert said in done.stderr
    assert "passed" not in done.stdout


@pytest.mark.parametrize("settings", [{"Min Age": 1}, {"MinJobAge": "1 2"}, {"MinJobAge": ""}])
def test_settings_that_slurm_could_not_read_are_refused(settings: dict[str, str | int]) -> None:
    with pytest.raises(ClusterError, match=r"no setting of slurm\.conf"):
        DockerCluster(settings=settings)


def test_a_shared_volume_has_a_size_that_docker_understands() -> None:
    with pytest.raises(ClusterError, match="one like 500k, 64m or 2g"):
        DockerCluster(shared_size="64 MB")


def test_runtimes_of_containers_come_only_where_they_are_asked_for() -> None:
    plain, more = (DockerCluster(containers=wanted).compose.command for wanted in (False, True))
    added = [word for word in more if word not in plain and word.endswith(".yml")]
    assert [Path(word).name for word in added] == ["containers.yml"]
    assert "privileged: true" not in Path(added[0]).read_text()


@pytest.mark.parametrize("name", ["", "-o", "python3 pip", "python3;reboot", "Python3"])
def test_a_name_of_a_package_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(ClusterError, match="no name of a Debian package"):
        DockerCluster(packages=[name])


def test_packages_are_a_list() -> None:
    with pytest.raises(ClusterError, match="not the text 'python3-pip'"):
        DockerCluster(packages="python3-pip")


def test_a_fault_is_done_to_a_service_that_there_is() -> None:
    with pytest.raises(
        ClusterError, match="there is no service 'slurmctl'; there are db, slurmdbd"
    ):
        DockerCluster().kill("slurmctl")
    with pytest.raises(ClusterError, match="name a service: db, slurmdbd"):
        DockerCluster().kill()


def test_a_run_uses_the_cluster_that_an_earlier_one_has_kept_and_leaves_it(tmp_path: Path) -> None:
    run = SharedCluster(tmp_path, "abcd1234", 1, "trixie", keep=False)
    assert not run.is_kept
    earlier = replace(run, keep=True, run_id="5678")
    assert kept_of(tmp_path) == []
    for one in (earlier, run):  # one that is not kept has an owner
        Access(one.project, one.folder).write(
            port=20022, host_key="ssh-ed25519 AAAA", write_private_key=lambda _: None
        )
    (run.folder / OWNER).write_text("1")
    assert kept_of(tmp_path) == [earlier.folder]
    found = replace(run, kept=frozenset({earlier.project}))
    assert (found.project, found.is_kept) == (earlier.project, True)
    other = replace(found, purpose="disturbed")
    assert not other.is_kept
    assert other.project.endswith("-disturbed-abcd1234")


def test_the_files_of_a_cluster_know_its_port(tmp_path: Path) -> None:
    access = Access("mine", tmp_path / "mine")
    assert access.port() is None
    access.write(port=20022, host_key="ssh-ed25519 AAAA", write_private_key=lambda _: None)
    assert access.port() == 20022


def test_a_pause_for_which_the_machine_was_too_busy_is_tried_again(
    programs: Programs, tmp_path: Path
) -> None:
    """A fake engine, for a real one says so only now and then."""
    said = "Error response from daemon: Cannot pause container 1: OCI runtime pause failed: unable to freeze: unknown"
    programs.add(
        "docker", f"[ -e $HERE/again ] && exit 0; touch $HERE/again; echo '{said}' >&2; exit 1"
    )
    DockerCluster("busy", state_dir=tmp_path).pause("login")
    assert [call[-2:] for call in programs.calls("docker")] == [["pause", "login"]] * 2
    programs.add("docker", "echo 'no such service: login' >&2; exit 1")
    with pytest.raises(ClusterError, match="no such service"):
        DockerCluster("busy", state_dir=tmp_path).pause("login")
