"""The cookbook's "Common Failure Recovery", as a person at home types it, with jobs of a real Slurm through ssh."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from tests.conformance.waiting import PATIENCE, wait_until
from tests.helpers.cluster_project import WAITS, ClusterProject
from tests.helpers.run_project import SCRIPT

from slurm.testing import DockerCluster

pytestmark = pytest.mark.slurm

ELSEWHERE = """\
#!/bin/bash
#SBATCH --time=5
mkdir -p work
echo '{"accuracy": 0.9}' >work/metrics.json
"""


@pytest.fixture
def project(
    tmp_path: Path, slurm_cluster: DockerCluster, monkeypatch: pytest.MonkeyPatch
) -> ClusterProject:
    """One with an iteration, which is the working directory."""
    monkeypatch.delenv("SLURMFILE", raising=False)
    found = ClusterProject(tmp_path / "it's mine", slurm_cluster)
    monkeypatch.chdir(found.iteration)
    return found


def test_a_rejected_submission_is_submitted_again_when_mended(project: ClusterProject) -> None:
    project.script(SCRIPT.replace("--time=5", "--time=5 --partition=nowhere"))
    said = project.run("launch", status=1)
    assert "status=pending: the scheduler refused it: " in said.out
    assert "invalid partition" in said.out
    assert said.out.endswith("; mend the script, then: slurm run\n")
    assert "nowhere" not in project.slurm("squeue", "-u", "dev")
    assert "nowhere" not in project.slurm("sinfo")
    assert "invalid partition" in project.run("run", status=1).out

    project.script(SCRIPT)
    assert project.run("run").status in (0, 3)  # the job may have ended by then
    submitted = project.manifest
    assert submitted.section("submission")["outcome"] == "accepted"
    project.job_ended()
    project.run("run", status=0)
    assert project.metrics() == ("completed", {"accuracy": 0.9})
    assert project.jobs_of(submitted) == {submitted.job_id}
    assert project.ledger.count("run_id=") == 1
    assert f"job_id={submitted.job_id} " in project.ledger


def test_missing_artifacts_are_synced_by_hand(project: ClusterProject) -> None:
    """The job has left them where the SDK does not look."""
    project.script(ELSEWHERE)
    manifest = project.launched()
    project.job_ended()
    said = project.run("run", status=5)
    assert "artifacts are missing: metrics.json" in said.out
    assert (project.manifest.status, project.manifest.sync) == ("running", "failed")

    job_dir = manifest.section("submission")["job_dir"]
    bring(project.docker, f"{job_dir}/work", project.folder / "outputs")
    project.edit(lambda m: m["artifact_sync_to_local"].update(status="ok"))
    project.run("run", status=0)
    assert project.manifest.status == "completed"
    assert project.metrics() == ("completed", {"accuracy": 0.9})
    assert "status=completed" in project.ledger


def bring(docker: DockerCluster, there: str, here: Path) -> None:
    """What ``rsync -a there/ here/`` does; the cluster has none."""
    here.mkdir(exist_ok=True)
    ssh = ["ssh", "-F", str(docker.ssh_config), docker.project, "tar", "-c", "-C", there, "."]
    packed = subprocess.run(ssh, check=True, capture_output=True).stdout
    subprocess.run(["tar", "-x", "-C", str(here)], check=True, input=packed)


def test_a_missing_ledger_line_is_appended(project: ClusterProject) -> None:
    manifest = project.launched()
    doc = project.root / "docs" / "slurm_job_list.md"
    doc.write_text("# Ours\n\nread me\n")
    ledger = ("--manifest", project.path, "--doc", doc)
    said = project.run("slurm-job-list", "verify", *ledger, status=1)
    assert "FAIL" in said.out
    assert "slurm-job-list append" in said.out
    assert "appended" in project.run("slurm-job-list", "append", *ledger, status=0).out
    assert project.run("slurm-job-list", "verify", *ledger, status=0).out.startswith("PASS")
    text = doc.read_text()
    assert text.startswith("# Ours\n\nread me\n")
    assert f"job_id={manifest.job_id} | iteration_id=iter1 | run_id={manifest.run_id} " in text
    project.job_ended()
    project.run("run", status=0)
    assert doc.read_text() == text.replace("status=submitted", "status=completed")


def test_a_failing_verifier_names_what_helps(project: ClusterProject) -> None:
    """A job id that is not there, a ledger that is not there, a sync status that is not set."""
    manifest = project.launched()
    verify = ("verify", "--stage", "launch")
    project.run(*verify, status=0)

    project.edit(lambda m: m.pop("job_id"))
    [line] = failures(project.run(*verify, status=1).out)
    assert line.endswith("has a job_id: write it down; fix: mend it in an editor")
    project.edit(lambda m: m.update(job_id=manifest.job_id))

    (project.root / "docs" / "slurm_job_list.md").unlink()
    [line] = failures(project.run(*verify, status=1).out)
    fix = line.partition("; fix: ")[2]
    assert fix.startswith("slurm slurm-job-list append --manifest ")
    project.run("slurm-job-list", "append", "--manifest", project.path, status=0)

    project.edit(lambda m: m.pop("artifact_sync_to_local"))
    [line] = failures(project.run(*verify, status=1).out)
    assert "artifact_sync_to_local" in line
    assert line.endswith("; fix: mend it in an editor")
    project.edit(lambda m: m.update(artifact_sync_to_local={"status": "pending"}))

    project.run(*verify, status=0)
    project.job_ended()
    project.run("run", status=0)


def failures(out: str) -> list[str]:
    """The lines of the checks that failed."""
    return [line for line in out.splitlines() if line.startswith("FAIL ")]


def test_a_stuck_monitor_is_freed(project: ClusterProject) -> None:
    """Of one job a person knows that it will be nothing, of another one, which Slurm does not know, that it completed."""
    project.script(WAITS.replace("--time=5", "--time=5 --hold"))
    manifest = project.launched()
    for _ in range(2):
        assert "job is PENDING (JobHeldUser)" in project.run("runs", "monitor", status=3).out
    assert "PD" in project.slurm("squeue", "-j", manifest.job_id)
    project.edit(lambda m: m.update(status="failed"))
    said = project.run("run", status=4)
    assert "status=failed" in said.out
    assert project.metrics() == ("failed", {"accuracy": None})
    assert "status=failed" in project.ledger
    project.slurm("scancel", manifest.job_id)
    (project.iteration / "runs").rename(project.iteration / "before")
    project.script(SCRIPT)
    done = project.launched()
    project.job_ended()
    project.edit(lambda m: m.update(job_id="99999999"))
    (project.root / "docs" / "slurm_job_list.md").unlink()
    for _ in range(4):
        said = project.run("run", status=3)
    assert "nobody knows how job 99999999 ended" in said.out
    assert f"; slurm runs mark {done.run_id} completed, or slurm runs mark" in said.out
    project.edit(lambda m: m["artifact_sync_to_local"].update(status="ok"))
    bring(project.docker, done.section("artifacts")["remote"], project.folder / "outputs")
    project.run("runs", "mark", done.run_id, "completed", status=0)
    project.run("run", status=0)
    assert project.metrics() == ("completed", {"accuracy": 0.9})


def test_a_dependency_that_is_never_satisfied_is_shown_with_its_reason(
    project: ClusterProject,
) -> None:
    project.script("#!/bin/bash\n#SBATCH --time=5\nexit 3\n")
    first = project.launched()
    project.job_ended()
    project.run("run", status=4)
    project.script(SCRIPT.replace("--time=5", f"--time=5 --dependency=afterok:{first.job_id}"))
    project.launched()
    never = project.manifests()[-1]
    reason = "DependencyNeverSatisfied"

    def seen() -> bool:
        return reason in project.run("runs", "monitor", never.run_id, status=3).out

    wait_until(seen, "its reason is known", PATIENCE, 0.5)
    for command in (("run",), ("runs", "monitor"), ("runs", "monitor", never.run_id)):
        line = project.run(*command, status=3).out
        assert (
            f"job {never.job_id} never starts: {reason}; slurm runs cancel {never.run_id}" in line
        )
    assert reason in project.run("runs", "show", never.run_id, status=0).out
    assert reason in project.run("runs", "list", status=0).out
    assert reason in project.run("verify", "--stage", "slurm_monitor", never.run_id).out

    said = project.run("runs", "cancel", never.run_id, status=4)
    assert f"job {never.job_id} is CANCELLED" in said.out
    said = project.run("run", never.run_id, status=4)
    assert f"job {never.job_id} is CANCELLED" in said.out
    assert [one.status for one in project.manifests()] == ["failed", "failed"]
