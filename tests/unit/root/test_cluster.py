"""Choosing a cluster and submitting to it, above the backends."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.helpers.fakes import DEADLINE, FakeBackend, job_on, tracker_of

from slurm import Cluster, Job, get_active_context, task, workflow
from slurm.errors import DependencyFailed, NoActiveContext, SlurmError, SubmissionRefused
from slurm.job_dir.payload import load_payload
from slurm.results import job_operations
from slurm.tracking.tracker import Tracker


@task(mem="2G")
def train(number: int = 1) -> int:
    return number


@workflow
def pipeline() -> None:
    pass


# --- the context ---------------------------------------------------------------------------------


def test_contexts_nest_and_end(fake_cluster: Cluster) -> None:
    other = Cluster("slurm", job_base_dir="/other")
    assert get_active_context() is None
    with fake_cluster:
        with other as entered, fake_cluster:
            assert entered is other
            assert get_active_context() is fake_cluster
        assert get_active_context() is fake_cluster
    with pytest.raises(ZeroDivisionError), other:
        raise ZeroDivisionError
    assert get_active_context() is None
    other.close()


def test_futures_resolve_outside_of_the_context(
    fake_cluster: Cluster, backend: FakeBackend
) -> None:
    with fake_cluster:
        job = train(5)
    backend.finish(job, 5)
    assert job.get_result(timeout=DEADLINE) == 5


# --- submission ----------------------------------------------------------------------------------


def test_a_refused_job_names_its_task(fake_cluster: Cluster, backend: FakeBackend) -> None:
    backend.refusal = SubmissionRefused("invalid partition specified: gpuu")
    with fake_cluster, pytest.raises(SubmissionRefused, match=r"^train: .*gpuu$"):
        train()


def test_a_job_refused_for_a_dependency_that_has_failed_names_that_one(
    fake_cluster: Cluster, backend: FakeBackend
) -> None:
    failed = job_on(fake_cluster, "5")
    backend.finish(failed, ValueError("no"))
    assert failed.wait(DEADLINE)
    backend.refusal = SubmissionRefused("Job dependency problem")
    with fake_cluster, pytest.raises(DependencyFailed, match="job 5 ended as FAILED") as raised:
        train.after(failed)()
    assert raised.value.root_job_id == "5"
    with fake_cluster, pytest.raises(SubmissionRefused, match="dependency problem"):
        train.afterany(failed)()


def test_submit_takes_dependencies_options_and_a_key(
    fake_cluster: Cluster, backend: FakeBackend
) -> None:
    first = fake_cluster.submit(train)(1)
    second = fake_cluster.submit(train)(2)
    backend.say(first.id, "RUNNING")
    backend.say(second.id, "RUNNING")
    third = fake_cluster.submit(train, after=[first, second], key="k", mem="9G")(3)
    assert third.dependencies == (first, second)
    assert backend.requests[2].options["mem"] == "9G"
    assert f"--dependency=afterok:{first.id}:{second.id}" in backend.requests[2].argv
    assert backend.requests[2].token == third.records[0].token != first.records[0].token
    assert fake_cluster.submit(train, after=first)(4).dependencies == (first,)


def test_a_dry_run_submits_nothing(fake_cluster: Cluster, backend: FakeBackend) -> None:
    request = fake_cluster.dry_run(train, number=5)
    assert backend.requests == []
    assert request.options["mem"] == "2G"
    assert not Path(request.job_dir).exists()


def test_a_closed_cluster_submits_nothing(fake_cluster: Cluster, backend: FakeBackend) -> None:
    with fake_cluster:
        train(1)
        fake_cluster.close()
        with pytest.raises(SlurmError, match="closed"):
            train(2)
    assert len(backend.requests) == 1


def test_closing_twice_is_closing_once(fake_cluster: Cluster) -> None:
    fake_cluster.close()
    fake_cluster.close()


def test_a_closed_cluster_leaves_no_thread(fake_cluster: Cluster, backend: FakeBackend) -> None:
    before = set(threading.enumerate())
    with fake_cluster:
        train()
    assert len(set(threading.enumerate()) - before) == 2
    fake_cluster.close()
    assert set(threading.enumerate()) <= before


def test_many_threads_share_one_tracker(
    fake_cluster: Cluster, backend: FakeBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Any] = []
    both_inside = threading.Event()
    real = Tracker

    def slow_tracker(*args: Any, **kwargs: Any) -> Any:
        made.append(None)
        if len(made) > 1:
            both_inside.set()
        both_inside.wait(0.2)
        return real(*args, **kwargs)

    monkeypatch.setattr(job_operations, "Tracker", slow_tracker)
    threads = [threading.Thread(target=lambda: tracker_of(fake_cluster)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1


# --- what a workflow's own cluster is made of ----------------------------------------------------


@pytest.fixture
def local(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    monkeypatch.chdir(tmp_path)
    cluster = Cluster(
        "local",
        job_base_dir="jobs",
        state_dir="state",
        packaging={"type": "none", "pythonpath": ["/lib"]},
        submit={"mem": "3G"},
    )
    yield cluster
    cluster.close()


def children_of(cluster: Cluster) -> Mapping[str, Any]:
    """What a workflow's job is told of the cluster for its own jobs."""
    return load_payload(cluster.dry_run(pipeline).files["payload.pkl"]).children


@pytest.mark.local
def test_a_workflows_cluster_means_the_same_in_another_directory(
    local: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = children_of(local)
    assert config["job_base_dir"] == str(tmp_path / "jobs")
    assert config["state_dir"] == str(tmp_path / "state")
    assert config["packaging"]["pythonpath"] == ["/lib"]
    assert config["submit"] == {"mem": "3G"}


def test_a_workflow_submitted_over_ssh_submits_where_it_runs(
    fake_cluster: Cluster,
) -> None:
    config = children_of(fake_cluster)
    assert config["backend_type"] == "slurm"
    assert config["job_base_dir"] == fake_cluster.job_base_dir
    again = Cluster(**config)
    assert children_of(again) == config
    again.close()


def test_jobs_and_a_workflows_cluster_wait_for_late_results_as_long(
    backend: FakeBackend, tmp_path: Path
) -> None:
    cluster = Cluster(backend, job_base_dir=tmp_path, result_grace=90)
    assert children_of(cluster)["result_grace"] == 90
    script = cluster.dry_run(train).files["job.sh"].decode()
    assert "export SLURM_SDK_RESULT_GRACE=90\n" in script
    cluster.close()


@pytest.mark.parametrize("where", ["state_dir", "pythonpath"])
def test_a_workflows_cluster_is_plain_json_also_when_paths_were_given(
    where: str, tmp_path: Path
) -> None:
    options: dict[str, Any] = (
        {"state_dir": tmp_path}
        if where == "state_dir"
        else {"packaging": {"type": "none", "pythonpath": [tmp_path]}}
    )
    cluster = Cluster("local", job_base_dir=tmp_path, **options)
    config = children_of(cluster)
    cluster.close()
    assert json.loads(json.dumps(config)) == config


def test_only_workflows_take_a_cluster_along(fake_cluster: Cluster) -> None:
    request = fake_cluster.dry_run(train)
    assert load_payload(request.files["payload.pkl"]).children == {}
    assert children_of(fake_cluster) == fake_cluster.submitter.functions.children_of(
        None, fake_cluster.job_base_dir
    )
    assert fake_cluster.dry_run(pipeline).orchestrator
    assert not fake_cluster.dry_run(train).orchestrator


def test_a_task_outside_of_any_context_is_told_what_to_do() -> None:
    with pytest.raises(NoActiveContext, match=r"with Cluster"):
        train()
    with pytest.raises(NoActiveContext, match=r"cluster="):
        train.submit()


def test_a_job_is_what_submission_answers(fake_cluster: Cluster) -> None:
    with fake_cluster:
        job = train(1)
    assert isinstance(job, Job)
    assert job.task_name == "train"
    assert job.job_dir == job.target_job_dir
    assert job.id == job.job_id == "1"
