"""Code that was removed on the cluster while a client lives: its next submission brings it there again, once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.helpers.fakes import FakeBackend

from slurm import Cluster, task
from slurm.api.requests import JobRequest, Submitted
from slurm.errors import PackagingError, SubmissionRefused
from slurm.packaging import Environment, PackagingStrategy

PLACE = "/jobs/.packages/source/mine-1"


class Forgetful(FakeBackend):
    """A fake: a job whose code is not `there` is refused as the agent refuses it."""

    def __init__(self) -> None:
        super().__init__()
        self.there: set[str] = set()
        self.keeps = True

    def _submit(self, request: JobRequest) -> Submitted:
        gone = sorted(set(request.needed) - self.there)
        if gone:
            return Submitted(error=PackagingError("nothing was submitted: it is gone", gone=gone))
        return super()._submit(request)


class Sent(PackagingStrategy):
    """Sends code once, as long as it is not told that it is gone."""

    def __init__(self) -> None:
        self.known = ""
        self.place = PLACE
        self.sent: list[str] = []

    def prepare(self, task: Any, cluster: Cluster) -> Environment:
        if self.known != self.place:
            self.known = self.place
            self.sent.append(self.place)
            backend = cluster.backend
            assert isinstance(backend, Forgetful)
            if backend.keeps:
                backend.there.add(self.place)
        made = super().prepare(task, cluster)
        return Environment(made.interpreter, needed=[self.place], inherited={"type": "none"})

    def forget(self, gone: Sequence[str], cluster: Cluster) -> None:
        assert set(gone) == {self.known}
        self.known = ""


@task
def double(number: int) -> int:
    return 2 * number


@pytest.fixture
def backend() -> Forgetful:
    return Forgetful()


@pytest.fixture
def packaging() -> Sent:
    return Sent()


@pytest.fixture
def cluster(tmp_path: Path, backend: Forgetful, packaging: Sent) -> Any:
    with Cluster(backend, job_base_dir=tmp_path / "jobs", packaging=packaging) as cluster:
        yield cluster
    cluster.close()


def test_a_submission_takes_one_request_and_another_where_its_code_is_gone(
    cluster: Cluster, backend: Forgetful, packaging: Sent
) -> None:
    assert [double(1).id, double(2).id] == ["1", "2"]
    assert packaging.sent == [PLACE]
    assert len(backend.submissions) == 2
    backend.there.clear()
    job = double(3)
    assert job.id == "3"
    assert packaging.sent == [PLACE] * 2
    assert [len(one) for one in backend.submissions] == [1, 1, 1, 1]
    assert (
        backend.submissions[2] == backend.submissions[3]
    )  # the very same request, under its token


def test_of_a_batch_those_without_code_are_submitted_again_and_no_others(
    cluster: Cluster, backend: Forgetful, packaging: Sent
) -> None:
    double(0)
    with cluster.batch():
        jobs = [double(1), double(2), double(3)]
        backend.there.clear()
    assert sorted(job.id for job in jobs) == ["2", "3", "4"]
    assert packaging.sent == [PLACE] * 2
    assert [len(one) for one in backend.submissions] == [1, 3, 3]


def test_an_array_is_submitted_again_as_a_whole(cluster: Cluster, backend: Forgetful) -> None:
    double(0)
    backend.max_array_size = 3
    backend.there.clear()
    array = double.map(list(range(5)))
    assert len(array.ids) == 5
    _, first, second = backend.submissions
    assert len(first) > 1
    assert first == second


def test_it_is_tried_once_more_and_not_for_ever(cluster: Cluster, backend: Forgetful) -> None:
    backend.keeps = False
    with pytest.raises(PackagingError, match="double: nothing was submitted: it is gone"):
        double(1)
    assert len(backend.submissions) == 2
    assert backend.requests == []


def test_code_that_has_changed_since_the_call_is_not_run_in_its_place(
    cluster: Cluster, backend: Forgetful, packaging: Sent
) -> None:
    with cluster.batch():
        job = double(1)
        backend.there.clear()
        packaging.place = "/jobs/.packages/source/mine-2"
        with pytest.raises(PackagingError, match=f"{PLACE} .* has changed since the call: call it"):
            _ = job.id
    assert len(backend.submissions) == 1


def test_another_refusal_is_not_asked_again(cluster: Cluster, backend: Forgetful) -> None:
    backend.refusal = SubmissionRefused("Invalid partition name specified")
    with pytest.raises(SubmissionRefused):
        double(1)
    assert len(backend.submissions) == 1
