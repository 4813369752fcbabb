"""`RunTracker`: a run of each submission, which follows its job. The scheduler is a fake, the project's files are real."""

from __future__ import annotations

import json
import logging
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from tests.helpers.fakes import DEADLINE, FakeBackend

from slurm import Cluster, WorkflowContext, task, workflow
from slurm.api.base import JobRequest, MetadataFiles, Submitted
from slurm.errors import (
    ConfigError,
    SubmissionError,
    SubmissionRefused,
    SubmissionUnknown,
    TransportError,
)
from slurm.runs import RunTracker, ledger_file, store
from slurm.runs.manifest import Manifest
from slurm.runs.step import Action, next_action
from slurm.states import JobState, Observation


@task(mem="2G")
def double(number: int) -> int:
    return 2 * number


@workflow
def pipeline(ctx: WorkflowContext) -> None:
    """Not run here."""


class Scheduler(FakeBackend):
    """The fake, which looks at the project before it answers, and knows tokens that it has had."""

    def __init__(self, project: Path) -> None:
        super().__init__()
        self.project = project
        self.found: list[list[Manifest]] = []
        self.jobs: dict[str, Submitted] = {}
        self.metadata: dict[str, bytes] = {}

    def submit_jobs(self, requests: Sequence[JobRequest], **where: Any) -> list[Submitted]:
        self.found.append(runs(self.project))
        return super().submit_jobs(requests, **where)

    def _submit(self, request: JobRequest) -> Submitted:
        known = self.jobs.get(request.token)
        if known is not None:
            return Submitted(known.job_id, known.job_dir, reattached=True)
        self.jobs[request.token] = super()._submit(request)
        return self.jobs[request.token]

    def query_jobs(self, job_ids: Sequence[str]) -> list[Observation]:
        """Jobs of which a test says nothing wait."""
        found = super().query_jobs(job_ids)
        waits = [Observation(one.job_id, "squeue", JobState.PENDING) for one in found]
        return [one if one.job_id in self.said else other for one, other in zip(found, waits)]

    def collect_metadata(self, path: str, most: int) -> MetadataFiles:
        return MetadataFiles(path, 0.0, self.metadata)


def runs(project: Path) -> list[Manifest]:
    return sorted(map(store.read, store.find(project)), key=lambda one: one.started_at)


def only_run(project: Path) -> Manifest:
    [manifest] = runs(project)
    return manifest


def entries(project: Path) -> list[str]:
    """What the ledger says of each run, without its date."""
    text = ledger_file.read(project / "docs/slurm_job_list.md")
    return re.findall(r"^- [-0-9]+ \| (.*)$", text, re.MULTILINE)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with one iteration."""
    folder = tmp_path / "project"
    (folder / "plan/iter1").mkdir(parents=True)
    (folder / ".slurm").mkdir()
    return folder


@pytest.fixture
def backend(project: Path) -> Scheduler:
    return Scheduler(project)


Make = Callable[..., Cluster]


@pytest.fixture
def tracked(tmp_path: Path, project: Path, backend: Scheduler) -> Iterator[Make]:
    """Make clusters with a tracker each."""
    made: list[Cluster] = []

    def make(**how: Any) -> Cluster:
        cluster = Cluster(
            backend,
            job_base_dir=tmp_path / "jobs",
            poll_interval_min=0.01,
            poll_interval_max=0.02,
            callbacks=[RunTracker(project / "plan/iter1")],
            **how,
        )
        made.append(cluster)
        return cluster

    yield make
    for cluster in made:
        cluster.close()


def told(cluster: Cluster) -> None:
    assert cluster.drain_callbacks(DEADLINE)


# A job


def test_a_run_is_written_down_before_the_scheduler_is_asked(
    tracked: Make, backend: Scheduler, project: Path
) -> None:
    tracked().submit(double)(21)
    [[before]] = backend.found
    assert (str(before.status), before.job_id) == ("pending", "")
    [request] = backend.requests
    assert before.section("submission") == {
        "token": request.token,
        "outcome": "unknown",
        "job_dir": request.job_dir,
        "script": "job.sh",
        "metadata": "metadata.json",
        "id_key": "job_id",
    }
    assert next_action(before).action is Action.LOOK_UP
    assert before.content["resource_request"]["mem"] == "2G"


def test_after_the_answer_it_is_submitted_and_in_the_ledger(
    tracked: Make, backend: Scheduler, project: Path
) -> None:
    cluster = tracked()
    job = cluster.submit(double)(21)
    run = only_run(project)
    assert (str(run.status), run.job_id, run.iteration_id) == ("submitted", "1", "iter1")
    assert run.content["command"] == "double"
    assert run.section("submission")["outcome"] == "accepted"
    assert run.section("sdk") == {"task": "double", "job_dir": job.job_dir, "kind": "job"}
    assert run.section("cluster")["backend"] == "Scheduler"
    assert entries(project) == [
        f"job_id=1 | iteration_id=iter1 | run_id={run.run_id} | status=submitted"
    ]


def test_a_run_goes_on_as_its_job_does(tracked: Make, backend: Scheduler, project: Path) -> None:
    cluster = tracked()
    job = cluster.submit(double)(21)
    backend.say("1", "RUNNING", node="c1")
    _until(cluster, lambda: str(only_run(project).status) == "running")
    backend.finish(job, 42)
    assert job.get_result(DEADLINE) == 42
    told(cluster)
    run = only_run(project)
    assert str(run.status) == "synced"
    assert str(run.sync) == "ok"
    assert run.section("scheduler")["state"] == "COMPLETED"
    moves = [(line["from"], line["to"], line["by"]) for line in run.content["history"]]
    assert moves == [
        ("pending", "submitted", "RunTracker"),
        ("submitted", "running", "RunTracker"),
        ("running", "synced", "RunTracker"),
    ]
    assert next_action(run).action is Action.EXTRACT
    assert entries(project)[0].endswith("status=synced")


@pytest.mark.parametrize("state", ["FAILED", "TIMEOUT", "CANCELLED", "NODE_FAIL"])
def test_a_job_that_fails_is_a_run_that_failed(
    tracked: Make, backend: Scheduler, project: Path, state: str
) -> None:
    cluster = tracked()
    job = cluster.submit(double)(21)
    backend.say("1", state, exit_code="1:0", reason="NonZeroExitCode")
    assert job.wait(DEADLINE)
    told(cluster)
    run = only_run(project)
    assert str(run.status) == "failed"
    assert run.section("scheduler")["state"] == state
    assert run.completed_at is not None
    assert entries(project)[0].endswith("status=failed")


def test_why_a_job_waits_is_written_down(tracked: Make, backend: Scheduler, project: Path) -> None:
    cluster = tracked()
    cluster.submit(double)(21)
    backend.say("1", "PENDING", reason="Resources")
    backend.wait_until(lambda: len(backend.queries) > 1)
    _until(cluster, lambda: only_run(project).section("scheduler").get("reason") == "Resources")
    assert str(only_run(project).status) == "submitted"


def _until(cluster: Cluster, happened: Callable[[], bool]) -> None:
    """Wait for what comes with the news of a poll."""
    backend = cluster.backend
    assert isinstance(backend, FakeBackend)
    while not happened():
        asked = len(backend.queries)
        backend.wait_until(lambda: len(backend.queries) > asked)  # noqa: B023 - called here
        told(cluster)


def test_a_job_of_whose_end_nobody_knows_is_a_matter_for_a_person(
    tracked: Make, backend: Scheduler, project: Path
) -> None:
    cluster = tracked()
    job = cluster.submit(double)(21)
    backend.say("1", "UNKNOWN", source="absent")
    assert job.wait(DEADLINE)
    told(cluster)
    run = only_run(project)
    assert str(run.status) == "submitted"
    mark = f"slurm runs mark {run.run_id}"
    assert next_action(run).command == f"{mark} completed, or {mark} failed"


# Submissions that fail


def test_a_refused_submission_is_a_run_that_failed_with_the_reason(
    tracked: Make, backend: Scheduler, project: Path
) -> None:
    backend.refusal = SubmissionRefused("Invalid account")
    with pytest.raises(SubmissionRefused):
        tracked().submit(double)(21)
    run = only_run(project)
    assert (str(run.status), run.job_id) == ("failed", "")
    submission = run.section("submission")
    assert submission["outcome"] == "rejected"
    assert "Invalid account" in submission["error"]
    assert "Invalid account" in run.content["history"][-1]["why"]
    assert next_action(run).action is Action.EXTRACT
    assert entries(project) == []


@pytest.mark.parametrize("kind", [SubmissionUnknown, TransportError, KeyboardInterrupt])
def test_a_submission_in_doubt_is_pending_until_somebody_looks(
    tracked: Make, backend: Scheduler, project: Path, kind: type[BaseException]
) -> None:
    backend.submit_error = kind("the connection was lost")
    with pytest.raises(kind):
        tracked().submit(double)(21)
    run = only_run(project)
    assert str(run.status) == "pending"
    assert run.section("submission")["outcome"] == "unknown"
    assert "the connection was lost" in run.section("submission")["error"]
    assert next_action(run).action is Action.LOOK_UP


def test_nothing_is_submitted_where_the_run_cannot_be_written_down(
    tracked: Make, backend: Scheduler, project: Path
) -> None:
    (project / "plan/iter1/runs").write_text("a file")
    with pytest.raises(SubmissionError) as caught:
        tracked().submit(double)(21)
    folder = project / "plan/iter1/runs"
    assert str(caught.value).startswith(
        f"double was not submitted, for RunTracker does not let it pass: {folder}: "
    )
    assert "\n" not in str(caught.value)
    assert backend.submissions == []


def test_what_cannot_be_written_later_is_said_once_and_the_job_goes_on(
    tracked: Make, backend: Scheduler, project: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cluster = tracked()
    jobs = [cluster.submit(double)(number) for number in range(3)]
    for path in store.find(project):
        path.unlink()
    with caplog.at_level(logging.ERROR):
        for job in jobs:
            backend.finish(job, 7)
        assert [job.get_result(DEADLINE) for job in jobs] == [7, 7, 7]
        told(cluster)
    [record] = caplog.records
    assert "what becomes of a job is not written down" in record.message
    assert record.exc_info is None


# Several jobs


def test_each_job_of_a_batch_is_a_run(tracked: Make, backend: Scheduler, project: Path) -> None:
    cluster = tracked()
    with cluster.batch():
        jobs = [double(number) for number in range(5)]
    assert [len(found) for found in backend.found] == [5]
    assert sorted(run.job_id for run in runs(project)) == sorted(job.id for job in jobs)
    assert len(entries(project)) == 5


def test_a_batch_that_is_asked_for_again_goes_on_with_its_runs(
    tracked: Make, backend: Scheduler, project: Path
) -> None:
    backend.submit_error = TransportError("gone")
    cluster = tracked()
    with pytest.raises(TransportError), cluster.batch():
        jobs = [double(number) for number in range(2)]
    assert [str(run.status) for run in runs(project)] == ["pending", "pending"]
    backend.submit_error = None
    assert [job.id for job in jobs] == ["1", "2"]
    assert [str(run.status) for run in runs(project)] == ["submitted", "submitted"]


def test_an_array_is_one_run_with_its_elements(
    tracked: Make, backend: Scheduler, project: Path
) -> None:
    cluster = tracked()
    array = cluster.map(double, [1, 2, 3]).submit()
    run = only_run(project)
    assert run.job_id == "1"
    assert (run.section("sdk")["kind"], run.section("sdk")["array_size"]) == ("array", 3)
    backend.say("1_0", "RUNNING")
    _until(cluster, lambda: str(only_run(project).status) == "running")
    for job in array:
        backend.finish(job, 7)
    assert array.wait(DEADLINE)
    told(cluster)
    run = only_run(project)
    assert str(run.status) == "synced"
    assert run.section("sdk")["children"] == [
        {"task": "double", "job_id": job.id, "state": "COMPLETED", "job_dir": job.job_dir}
        for job in array
    ]
    assert entries(project) == [
        f"job_id=1 | iteration_id=iter1 | run_id={run.run_id} | status=synced"
    ]


def test_an_array_of_which_an_element_fails_is_a_run_that_failed(
    tracked: Make, backend: Scheduler, project: Path
) -> None:
    cluster = tracked()
    array = cluster.map(double, [1, 2, 3]).submit()
    backend.finish(array[0], 7)
    backend.finish(array[1], ValueError("odd"))
    backend.finish(array[2], 7)
    assert array.wait(DEADLINE)
    told(cluster)
    run = only_run(project)
    assert str(run.status) == "failed"
    assert run.section("scheduler")["reason"] == "1 of 3 elements did not complete"


def test_an_array_in_several_submissions_is_one_run(
    tracked: Make, backend: Scheduler, project: Path
) -> None:
    backend.max_array_size = 3
    array = tracked().map(double, range(5)).submit()
    run = only_run(project)
    assert run.job_id == array.ids[0]
    assert run.section("sdk")["job_ids"] == list(array.ids)
    assert len(entries(project)) == 1


@pytest.mark.local
def test_of_a_large_array_the_first_elements_are_listed_and_the_file_is_rarely_written(
    tracked: Make, backend: Scheduler, project: Path
) -> None:
    backend.max_array_size = 5000
    cluster = tracked()
    array = cluster.map(double, range(1200)).submit()
    for job in array:
        backend.finish(job, 7)
    assert array.wait(DEADLINE)
    told(cluster)
    run = only_run(project)
    assert (len(run.section("sdk")["children"]), run.section("sdk")["children_total"]) == (
        1000,
        1200,
    )
    assert run.revision < 40


def test_what_is_known_of_an_array_is_written_when_its_cluster_is_closed(
    tracked: Make, backend: Scheduler, project: Path
) -> None:
    backend.max_array_size = 5000
    cluster = tracked()
    array = cluster.map(double, range(100)).submit()
    for job in array[:3]:
        backend.finish(job, 7)
        assert job.wait(DEADLINE)
    cluster.close()
    children = only_run(project).section("sdk")["children"]
    assert [one["state"] for one in children[:3]] == ["COMPLETED"] * 3


def test_a_workflow_is_one_run_with_what_it_submitted(
    tracked: Make, backend: Scheduler, project: Path
) -> None:
    cluster = tracked()
    job = cluster.submit(pipeline)()
    about = {"task_name": "double", "job_id": "8", "status": "completed", "timestamp": "2026-01-01"}
    backend.metadata = {
        "metadata.json": json.dumps({"task_name": "pipeline", "is_workflow": True}).encode(),
        "tasks/double/1/metadata.json": json.dumps(about).encode(),
    }
    backend.finish(job, None)
    assert job.wait(DEADLINE)
    told(cluster)
    run = only_run(project)
    sdk = run.section("sdk")
    assert (sdk["kind"], sdk["children_total"], str(run.status)) == ("workflow", 1, "synced")
    assert sdk["children"] == [
        {
            "task": "double",
            "job_id": "8",
            "state": "COMPLETED",
            "job_dir": f"{job.job_dir}/tasks/double/1",
        }
    ]


@pytest.mark.local
def test_fifty_threads_make_fifty_runs(tracked: Make, backend: Scheduler, project: Path) -> None:
    cluster, together = tracked(), threading.Barrier(50)

    def submit(number: int) -> str:
        together.wait(DEADLINE)
        return cluster.submit(double)(number).id

    with ThreadPoolExecutor(50) as threads:
        ids = list(threads.map(submit, range(50)))
    found = runs(project)
    assert len({run.run_id for run in found}) == 50
    assert sorted(run.job_id for run in found) == sorted(ids)
    assert len(entries(project)) == 50


# Submissions with a key


def test_a_submission_with_a_key_goes_on_with_its_run(
    tracked: Make, backend: Scheduler, project: Path
) -> None:
    first = tracked().submit(double, key="a")(21)
    again = tracked().submit(double, key="a")(21)  # another program
    assert again.id == first.id
    assert only_run(project).job_id == first.id
    assert len(entries(project)) == 1
    tracked().submit(double, key="b")(21)
    assert len(runs(project)) == 2


def test_a_key_that_was_cut_off_goes_on_with_its_run(
    tracked: Make, backend: Scheduler, project: Path
) -> None:
    backend.submit_error = SubmissionUnknown("gone")
    with pytest.raises(SubmissionUnknown):
        tracked().submit(double, key="a")(21)
    backend.submit_error = None
    tracked().submit(double, key="a")(21)
    run = only_run(project)
    assert (str(run.status), run.job_id) == ("submitted", "1")
    assert run.section("submission")["job_dir"] == backend.requests[-1].job_dir
    assert "error" not in run.section("submission")


def test_a_key_that_was_refused_begins_a_new_run(
    tracked: Make, backend: Scheduler, project: Path
) -> None:
    backend.refusal = SubmissionRefused("Invalid account")
    with pytest.raises(SubmissionRefused):
        tracked().submit(double, key="a")(21)
    backend.refusal = None
    backend.jobs.clear()
    tracked().submit(double, key="a")(21)
    assert [str(run.status) for run in runs(project)] == ["failed", "submitted"]


def test_a_job_that_was_submitted_from_another_iteration_keeps_its_run(
    tracked: Make, tmp_path: Path, backend: Scheduler, project: Path
) -> None:
    first = tracked().submit(double, key="a")(21)
    (project / "plan/iter2").mkdir()
    with_other = RunTracker(project / "plan/iter2")
    other = Cluster(backend, job_base_dir=tmp_path / "jobs", callbacks=[with_other])
    assert other.submit(double, key="a")(21).id == first.id
    other.close()
    assert only_run(project).iteration_id == "iter1"


def test_a_key_whose_job_is_forgotten_begins_a_new_run(
    tracked: Make, backend: Scheduler, project: Path
) -> None:
    tracked().submit(double, key="a")(21)
    backend.jobs.clear()  # the job directories were removed, and the receipts with them
    tracked().submit(double, key="a")(21)
    assert [run.job_id for run in runs(project)] == ["1", "2"]
    assert len(entries(project)) == 2


# Where runs are


def test_a_directory_that_is_not_there_is_said_at_once(project: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        RunTracker(project / "plan/itre1")
    assert str(caught.value) == (
        f"RunTracker: there is no directory {project}/plan/itre1 (did you mean 'iter1'?): "
        "make it, or name the iteration's"
    )


def test_a_policy_that_cannot_be_read_is_said_at_once(project: Path) -> None:
    (project / ".slurm/policy.yaml").write_text("ledgre: x.md\n")
    with pytest.raises(ConfigError, match=r"ledgre"):
        RunTracker(project / "plan/iter1")


@pytest.mark.parametrize(
    ("here", "design", "wanted"),
    [
        ("plan/iter1/src", True, "plan/iter1"),
        ("plan", False, "."),
        (".", False, "."),
    ],
)
def test_without_a_name_it_is_the_iteration_one_stands_in(
    project: Path, monkeypatch: pytest.MonkeyPatch, here: str, design: bool, wanted: str
) -> None:
    (project / here).mkdir(parents=True, exist_ok=True)
    if design:
        (project / "plan/iter1/design.yaml").write_text("hypothesis: it learns\n")
    monkeypatch.chdir(project / here)
    assert RunTracker().iteration == project / wanted
