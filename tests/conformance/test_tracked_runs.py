"""`RunTracker`: each submission is a run in the user's project, which follows its job."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from tests.conformance.forking import Child, forks
from tests.conformance.sites import Site
from tests.conformance.waiting import PATIENCE, wait_until

import conformance_tasks as tasks
from slurm import Cluster
from slurm.runs import RunTracker, ledger_file, store
from slurm.runs.advance import Advance
from slurm.runs.clusters import Clusters
from slurm.runs.manifest import Manifest
from slurm.runs.policy import load_policy
from slurm.runs.report import ExitStatus
from slurm.runs.sdk_runs import child, with_children
from slurm.runs.step import Action, next_action
from slurm.states import JobState

SCRIPT = Path(__file__).parent / "tasks" / "tracked_client.py"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / ".slurm").mkdir()
    (tmp_path / "iter1").mkdir()
    return tmp_path


@pytest.fixture
def tracked(site: Site, project: Path) -> Iterator[Cluster]:
    """A client whose submissions are runs of the project."""
    with closing(site.connect(callbacks=[RunTracker(project / "iter1")])) as client:
        yield client


def runs(project: Path) -> list[Manifest]:
    return sorted(
        map(store.read, store.find(project)), key=lambda run: (run.started_at, run.job_id)
    )


def told(client: Cluster, project: Path) -> list[Manifest]:
    assert client.drain_callbacks(PATIENCE)
    return runs(project)


def ledger(project: Path) -> list[str]:
    text = ledger_file.read(project / "docs/slurm_job_list.md")
    return [line.partition(" | ")[2] for line in text.splitlines() if "run_id=" in line]


def lines(site: Site, *manifests: Manifest) -> list[str]:
    """What the ledger is to say of them: local runs are none of its."""
    return [
        f"job_id={one.job_id} | iteration_id=iter1 | run_id={one.run_id} | status={one.status}"
        for one in manifests
        if site.backend != "local"
    ]


def test_a_job_that_completes_is_a_run_whose_result_is_there(
    site: Site, tracked: Cluster, project: Path
) -> None:
    job = tasks.double.submit(tracked)(21)
    [run] = runs(project)
    assert run.job_id == job.id
    assert run.section("submission")["outcome"] == "accepted"
    assert lines(site, run) == ledger(project)
    assert job.get_result(PATIENCE) == 42
    [run] = told(tracked, project)
    assert (str(run.status), str(run.sync)) == ("synced", "ok")
    assert run.is_slurm is (site.backend != "local")
    assert run.section("cluster")["backend"] == site.backend
    assert run.section("scheduler")["state"] == "COMPLETED"
    assert run.section("scheduler")["ended_at"]
    assert next_action(run).action is Action.EXTRACT
    assert lines(site, run) == ledger(project)


def test_a_job_that_fails_is_a_run_that_failed(site: Site, tracked: Cluster, project: Path) -> None:
    job = tasks.fail.submit(tracked)("no luck")
    assert job.wait(PATIENCE)
    [run] = told(tracked, project)
    assert (str(run.status), run.section("scheduler")["state"]) == ("failed", "FAILED")
    assert run.completed_at is not None
    assert lines(site, run) == ledger(project)


def test_an_array_is_one_run(site: Site, tracked: Cluster, project: Path) -> None:
    array = tracked.map(tasks.fail_if_odd, [2, 3, 4])
    assert array.submit().wait(PATIENCE)
    [run] = told(tracked, project)
    assert (run.job_id, str(run.status)) == (array.id, "failed")
    children = run.section("sdk")["children"]
    assert [one["state"] for one in children] == ["COMPLETED", "FAILED", "COMPLETED"]
    assert [one["job_id"] for one in children] == [job.id for job in array]
    assert lines(site, run) == ledger(project)


def test_a_workflow_is_one_run_with_its_children(
    site: Site, tracked: Cluster, project: Path
) -> None:
    job = tasks.inner_workflow.submit(tracked)(42)
    assert job.wait(PATIENCE)
    [run] = told(tracked, project)
    assert (run.job_id, str(run.status)) == (job.id, "synced")
    [child] = run.section("sdk")["children"]
    assert (child["task"], child["state"]) == ("double", "COMPLETED")
    assert child["job_dir"].startswith(f"{job.job_dir}/tasks/double/")
    assert lines(site, run) == ledger(project)


def test_each_job_of_a_batch_is_a_run(site: Site, tracked: Cluster, project: Path) -> None:
    with tracked.batch():
        jobs = [tasks.double(number) for number in range(3)]
    assert [job.get_result(PATIENCE) for job in jobs] == [0, 2, 4]
    found = told(tracked, project)
    assert {run.job_id: str(run.status) for run in found} == {job.id: "synced" for job in jobs}
    assert sorted(lines(site, *found)) == sorted(ledger(project))


def test_a_key_goes_on_with_the_run_of_its_job(site: Site, tracked: Cluster, project: Path) -> None:
    key = f"{project}"
    first = tasks.double.submit(tracked, key=key)(21)
    with closing(site.connect(callbacks=[RunTracker(project / "iter1")])) as later:
        again = tasks.double.submit(later, key=key)(21)
        assert (again.id, again.reattached) == (first.id, True)
        assert again.get_result(PATIENCE) == 42
        [run] = told(later, project)
    assert (run.job_id, str(run.status)) == (first.id, "synced")
    assert lines(site, run) == ledger(project)


class Fixed(Clusters):
    """All runs are of one cluster."""

    def __init__(self, cluster: Cluster) -> None:
        super().__init__()
        self._cluster = cluster

    def of(self, manifest: Manifest) -> Cluster:
        return self._cluster


def test_what_a_program_has_left_is_taken_to_its_end(
    site: Site, client: Cluster, project: Path
) -> None:
    """Of the program nothing is left but the files of its runs."""
    with closing(site.connect(callbacks=[RunTracker(project / "iter1")])) as gone:
        tasks.inner_workflow.submit(gone)(42)
        gone.map(tasks.double, [1, 2, 3], pack=2).submit()
        tasks.fail.submit(gone)("no data")
        tasks.measure.submit(gone)()
    advance = Advance(Fixed(client), load_policy(project), "slurm run")
    ended = (ExitStatus.OK, ExitStatus.FAILED)
    wait_until(lambda: {one.status for one in advance.all(runs(project))} <= {*ended}, "all ended")
    workflow, array, failed, measured = runs(project)
    assert [str(one.status) for one in (workflow, array, failed, measured)] == [
        "completed",
        "completed",
        "failed",
        "completed",
    ]
    [child] = workflow.section("sdk")["children"]
    assert (child["task"], child["state"]) == ("double", "COMPLETED")
    metrics = [
        json.loads(Path(one.path).with_name("metrics.json").read_text()) for one in runs(project)
    ]
    assert metrics[1]["metrics"] == {"completed": 3, "items": 3}
    assert metrics[2]["status"] == "failed"
    assert metrics[3]["metrics"] == {"loss": 0.5, "steps": 3}
    assert sorted(lines(site, workflow, array, failed, measured)) == sorted(ledger(project))


def test_all_elements_of_an_array_are_told_of_whose_program_is_gone(
    site: Site, client: Cluster, project: Path
) -> None:
    """Also of those that ended after the one that failed, and of one that was running when it was heard of last."""
    with closing(site.connect(callbacks=[RunTracker(project / "iter1")])) as gone:
        gone.map(tasks.fail_if_odd, [2, 1, 4]).submit()
    [run] = runs(project)
    heard = child("fail_if_odd", f"{run.job_id}_0", JobState.RUNNING, "")
    store.change(Path(run.path), lambda one: with_children(one, [heard], 3))
    advance = Advance(Fixed(client), load_policy(project), "slurm run")
    wait_until(lambda: advance.all(runs(project))[0].status is ExitStatus.FAILED, "it has ended")
    [run] = runs(project)
    children = run.section("sdk")["children"]
    assert [one["state"] for one in children] == ["COMPLETED", "FAILED", "COMPLETED"]
    assert [one["job_id"] for one in children] == [f"{run.job_id}_{index}" for index in range(3)]
    metrics = json.loads(Path(run.path).with_name("metrics.json").read_text())
    whys = [one["why"] for one in metrics["missing_evidence"]]
    assert "1 of 3 are FAILED" in whys
    [report] = advance.all([run])
    assert f"_{run.job_id}_1." in report.text  # the log of the one that failed


@forks
def test_what_a_forked_child_submits_is_a_run_of_its_own(
    site: Site, tracked: Cluster, project: Path
) -> None:
    mine = tasks.double.submit(tracked)(1)

    def submit() -> str:
        job = tasks.double.submit(tracked)(2)
        job.get_result(PATIENCE)
        tracked.close()
        return str(job.id)

    theirs = Child(submit).result()
    assert mine.get_result(PATIENCE) == 2
    found = told(tracked, project)
    assert {run.job_id: str(run.status) for run in found} == {mine.id: "synced", theirs: "synced"}
    assert sorted(lines(site, *found)) == sorted(ledger(project))


@forks
def test_an_array_that_parent_and_child_submit_is_one_run(
    site: Site, tracked: Cluster, project: Path
) -> None:
    array = tracked.map(tasks.double, [1, 2])

    def submit() -> str:
        ids = array.submit().id
        tracked.close()
        return str(ids)

    theirs = Child(submit).result()
    assert array.submit().id == theirs
    assert array.get_results(PATIENCE) == [2, 4]
    [run] = told(tracked, project)
    assert (run.job_id, str(run.status)) == (theirs, "synced")
    assert lines(site, run) == ledger(project)


@pytest.mark.parametrize("moment", ["before", "after"])
def test_what_a_program_leaves_that_is_killed_finds_its_job(
    site: Site, client: Cluster, project: Path, moment: str
) -> None:
    """Killed before the scheduler is asked, and between its answer and the writing of that."""
    how = {"backend": site.backend, "arguments": site.arguments, "slurmfile": site.slurmfile}
    argv = [sys.executable, str(SCRIPT), json.dumps(how), str(project / "iter1"), moment]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == -9, done.stderr
    [run] = runs(project)
    assert (str(run.status), run.job_id) == ("pending", "")
    assert next_action(run).action is Action.LOOK_UP
    left = run.section("submission")
    about = {key: left[key] for key in ("token", "script", "metadata", "id_key")}
    found = client.backend.find_job(left["job_dir"], **about)
    if moment == "before":
        assert found is None
    else:
        assert client.get_job(str(found)).get_result(PATIENCE) == 42
