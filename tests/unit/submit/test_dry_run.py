"""A dry run has no effect: nothing is packaged, sent or submitted. The backend refuses every call."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.helpers.fakes import FakeBackend

from slurm import Cluster, WorkflowContext, task, workflow
from slurm.api.base import BackendBase
from slurm.errors import TransportError
from slurm.job_dir.payload import load_payload
from slurm.packaging import PackagingStrategy


class RefusingBackend(FakeBackend):
    """A backend that cannot be reached; it notes what it was asked. It is a fake."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []


def _refusing(name: str) -> Any:
    def refuse(self: RefusingBackend, *args: Any, **kwargs: Any) -> Any:
        self.asked.append(name)
        raise TransportError("nobody answers")

    return refuse


for _name, _ in inspect.getmembers(BackendBase, inspect.isfunction):
    if not _name.startswith("_") and _name not in ("close", "discard"):
        setattr(RefusingBackend, _name, _refusing(_name))


@task(time="5")
def double(number: Any) -> Any:
    return 2 * number


@workflow
def pipeline(ctx: WorkflowContext) -> None:
    """Submits nothing."""


class Noisy(PackagingStrategy):
    """Does something when it is asked to."""

    prepared = 0

    def prepare(self, task: Any, cluster: Any) -> Any:
        Noisy.prepared += 1
        return super().prepare(task, cluster)


@pytest.fixture
def refusing() -> RefusingBackend:
    return RefusingBackend()


@pytest.fixture
def cluster(refusing: RefusingBackend) -> Iterator[Cluster]:
    cluster = Cluster(refusing, job_base_dir="/jobs")
    yield cluster
    cluster.close()


def test_a_call_that_can_travel_asks_the_cluster_nothing(
    cluster: Cluster, refusing: RefusingBackend
) -> None:
    request = cluster.dry_run(double, 21)
    assert request.job_dir.startswith("/jobs/double/")
    assert (request.options["time"], request.options["mem"]) == ("5", "1G")
    assert set(request.files) >= {"job.sh", "payload.pkl", "metadata.json"}
    assert cluster.dry_run(pipeline).orchestrator
    assert refusing.asked == []


def test_what_only_the_cluster_knows_is_named(refusing: RefusingBackend) -> None:
    cluster = Cluster(refusing, job_base_dir="~/jobs")
    assert cluster.dry_run(double, 21).job_dir.startswith("/<home>/jobs/double/")
    children = load_payload(cluster.dry_run(pipeline).files["payload.pkl"]).children
    assert children["job_base_dir"] == "/<home>/jobs"
    assert cluster.dry_run(task(lambda: 1)).options["job-name"]
    assert set(refusing.asked) == {"host"}
    cluster.close()


def test_an_array_that_is_waited_for_is_not_submitted(
    cluster: Cluster, refusing: RefusingBackend
) -> None:
    array = cluster.map(double, [1, 2])
    request = cluster.dry_run(double.after(array), array)
    assert request.submit_options["dependency"] == "afterok:<double>"
    assert not array.is_submitted
    assert refusing.asked == []
    array.give_up("that was all")


def test_two_arrays_of_one_task_are_two_dependencies(cluster: Cluster) -> None:
    first, second = cluster.map(double, [1]), cluster.map(double, [2])
    request = cluster.dry_run(double.after(first).afterany(second), 1)
    assert request.submit_options["dependency"] == "afterok:<double>,afterany:<double 2>"
    assert not first.is_submitted
    assert not second.is_submitted
    for array in (first, second):
        array.give_up("that was all")


def test_a_job_of_an_open_batch_is_not_submitted(
    cluster: Cluster, refusing: RefusingBackend
) -> None:
    def dry_run_in_a_batch() -> None:
        with cluster.batch() as batch:
            job = double(1)
            request = cluster.dry_run(double, job)
            assert request.submit_options["dependency"] == "afterok:<double>"
            assert (len(batch), job.is_submitted, refusing.asked) == (1, False, [])

    with pytest.raises(TransportError):  # the end of the block submits
        dry_run_in_a_batch()


@pytest.mark.parametrize(
    ("packaging", "shown"),
    [
        ({"type": "wheel", "project": "."}, "/<the wheel of "),
        ({"type": "container", "image": "me/tools", "context": "."}, "me/tools:<what is built>"),
        (
            {"type": "container", "image": "python:3", "runtime": "enroot"},
            "enroot import --output",
        ),
        (Noisy(), "<what Noisy.prepare() says>"),
    ],
)
def test_no_code_is_packaged(
    packaging: Any,
    shown: str,
    cluster: Cluster,
    refusing: RefusingBackend,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "pyproject.toml").write_text("this builds nothing")
    (tmp_path / "Dockerfile").write_text("FROM nowhere")
    monkeypatch.chdir(tmp_path)
    script = cluster.dry_run(task(packaging=packaging)(double.unwrapped), 1).files["job.sh"]
    assert shown in script.decode()
    assert set(refusing.asked) <= {"host"}
    assert Noisy.prepared == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["Dockerfile", "pyproject.toml"]
