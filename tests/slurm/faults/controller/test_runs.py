"""slurmctld is away while runs are launched and taken on: no status changes, and no run is two jobs."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.conformance.waiting import PATIENCE, wait_until
from tests.helpers.cluster_project import ClusterProject
from tests.helpers.run_project import SCRIPT

from slurm.testing import DockerCluster

pytestmark = [pytest.mark.slurm, pytest.mark.matrix]


@pytest.fixture
def project(
    tmp_path: Path, disturbed_cluster: DockerCluster, monkeypatch: pytest.MonkeyPatch
) -> ClusterProject:
    """One on the cluster that is disturbed; its iteration is the working directory."""
    monkeypatch.delenv("SLURMFILE", raising=False)
    found = ClusterProject(tmp_path / "mine", disturbed_cluster)
    monkeypatch.chdir(found.iteration)
    return found


def ends_well(project: ClusterProject) -> None:
    """The only run is taken to its end, and is one job."""
    manifest = project.manifest
    assert manifest.section("submission")["outcome"] == "accepted"
    project.job_ended()
    project.run("run", status=0)
    assert project.metrics() == ("completed", {"accuracy": 0.9})
    assert project.jobs_of(manifest) == {manifest.job_id}
    assert project.ledger.count("run_id=") == 1
    assert "status=completed" in project.ledger


def test_without_a_controller_no_status_changes(project: ClusterProject) -> None:
    manifest = project.launched()
    project.job_ended()
    before = project.ledger
    project.docker.kill("slurmctld")
    for command in (("run",), ("runs", "monitor"), ("runs", "cancel", manifest.run_id)):
        said = project.run(*command, status=6)
        [line] = said.out.splitlines()
        assert f"job_id={manifest.job_id} status=submitted: " in line
        assert "Unable to contact slurm controller" in line
        assert line.endswith("; slurm run")
        assert said.err == ""
        assert project.manifest.status == "submitted"
        assert project.ledger == before
    assert project.run("runs", "list", status=0).out
    assert "Unable to contact" in project.manifest.section("scheduler")["probe_error"]
    project.docker.start("slurmctld")
    ends_well(project)
    assert "probe_error" not in project.manifest.section("scheduler")


def test_what_is_launched_without_a_controller_is_submitted_later(project: ClusterProject) -> None:
    """There was no connection on which sbatch could have asked, so it is known that there is no job."""
    project.docker.kill("slurmctld")
    [line] = project.run("launch", status=6).out.splitlines()
    assert "status=pending: " in line
    assert "Unable to contact slurm controller" in line
    assert project.manifest.section("submission")["outcome"] == "not submitted"
    project.run("run", status=6)
    project.run("launch", status=6)
    assert project.manifest.section("submission")["outcome"] == "not submitted"
    project.docker.start("slurmctld")
    project.run("run", status=3)
    ends_well(project)


def test_a_controller_that_hangs_takes_the_job_when_it_goes_on_and_only_once(
    project: ClusterProject,
) -> None:
    """sbatch has given up long before, and the run has been asked for again meanwhile."""
    project.script(SCRIPT)
    project.docker.pause("slurmctld")
    [line] = project.run("launch", status=7).out.splitlines()
    assert "nobody knows whether it was submitted: " in line
    assert project.manifest.section("submission")["outcome"] == "unknown"
    for command in (("run",), ("launch",)):
        said = project.run(*command)
        assert said.status in (6, 7), said
        [line] = said.out.splitlines()
        assert "status=pending: " in line
    assert (project.manifest.status, project.manifest.job_id) == ("pending", "")
    project.docker.unpause("slurmctld")
    wait_until(lambda: project.run("run").status in (0, 3), "the job is known", PATIENCE, every=0.2)
    project.job_ended()
    project.run("run", status=0)
    manifest = project.manifest
    assert project.jobs_of(manifest) == {manifest.job_id}
    assert project.ledger.count("run_id=") == 1
