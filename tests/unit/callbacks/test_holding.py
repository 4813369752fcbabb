"""Callbacks that a submission waits for: asked before the scheduler is, told after its answer, in the submitting thread."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.helpers.fakes import FakeBackend

from slurm import Cluster, task
from slurm.callbacks import HoldsSubmission, SubmitBeginContext, SubmitEndContext
from slurm.errors import (
    ConfigError,
    SubmissionError,
    SubmissionRefused,
    SubmissionUnknown,
    TransportError,
)


@task
def double(number: int) -> int:
    return 2 * number


class Witness(HoldsSubmission):
    """Writes down what it is told, in which thread, and how often the scheduler had been asked by then."""

    def __init__(self, backend: FakeBackend, objection: BaseException | None = None) -> None:
        self.backend = backend
        self.objection = objection
        self.objects_from = 1
        self.begun: list[SubmitBeginContext] = []
        self.ended: list[SubmitEndContext] = []
        self.threads: set[threading.Thread] = set()
        self.asked: list[int] = []

    def _note(self) -> None:
        self.threads.add(threading.current_thread())
        self.asked.append(len(self.backend.submissions))

    def before_submission(self, ctx: SubmitBeginContext) -> None:
        self._note()
        self.begun.append(ctx)
        if self.objection is not None and len(self.begun) >= self.objects_from:
            raise self.objection

    def after_submission(self, ctx: SubmitEndContext) -> None:
        self._note()
        self.ended.append(ctx)


Make = Callable[..., Cluster]


@pytest.fixture
def cluster_with(tmp_path: Path, backend: FakeBackend) -> Iterator[Make]:
    made: list[Cluster] = []

    def make(*callbacks: HoldsSubmission) -> Cluster:
        made.append(Cluster(backend, job_base_dir=tmp_path / "jobs", callbacks=callbacks))
        return made[-1]

    yield make
    for cluster in made:
        cluster.close()


def test_it_is_asked_before_and_told_after_in_the_submitting_thread(
    cluster_with: Make, backend: FakeBackend
) -> None:
    witness = Witness(backend)
    cluster = cluster_with(witness)
    job = cluster.submit(double, mem="2G")(21)
    assert witness.asked == [0, 1]
    assert witness.threads == {threading.current_thread()}
    [begun], [ended] = witness.begun, witness.ended
    [request] = backend.requests
    assert (begun.task_name, begun.job_dir, begun.token) == ("double", job.job_dir, request.token)
    assert begun.options["mem"] == "2G"
    assert begun.cluster is cluster
    about = {"script": "job.sh", "metadata": "metadata.json", "id_key": "job_id"}
    assert begun.lookups == ({"token": request.token, **about},)
    assert (ended.job, ended.job_id, ended.token, ended.error) == (job, "1", request.token, None)


def test_an_array_is_one_submission_however_often_sbatch_is_asked(
    cluster_with: Make, backend: FakeBackend
) -> None:
    backend.max_array_size = 3
    witness = Witness(backend)
    array = cluster_with(witness).map(double, range(5)).submit()
    [begun], [ended] = witness.begun, witness.ended
    assert begun.array_size == 5
    assert [lookup["id_key"] for lookup in begun.lookups][:2] == ["job_id", "job_id_1"]
    assert begun.token == begun.lookups[0]["token"] != begun.lookups[1]["token"]
    assert (ended.job_id, ended.job_dir) == (array.id, array.job_dir)


def test_each_job_of_a_batch_is_a_submission(cluster_with: Make, backend: FakeBackend) -> None:
    witness = Witness(backend)
    with cluster_with(witness).batch():
        jobs = [double(number) for number in range(3)]
    assert witness.asked == [0, 0, 0, 1, 1, 1]
    assert [ended.job for ended in witness.ended] == jobs
    assert len({begun.token for begun in witness.begun}) == 3


@pytest.mark.parametrize(
    ("objection", "said"),
    [
        (ConfigError("runs: it is read-only"), "runs: it is read-only"),
        (ValueError("no\nway"), "ValueError: no"),
        (SystemExit(3), "SystemExit: 3"),
    ],
)
def test_what_it_raises_is_why_nothing_is_submitted(
    cluster_with: Make, backend: FakeBackend, objection: BaseException, said: str
) -> None:
    first, second = Witness(backend), Witness(backend, objection)
    with pytest.raises(SubmissionError) as caught:
        cluster_with(first, second).submit(double)(21)
    assert str(caught.value) == (
        f"double was not submitted, for Witness does not let it pass: {said}"
    )
    assert caught.value.__cause__ is objection
    assert backend.submissions == []
    assert [ended.error for ended in first.ended] == [caught.value]
    assert second.ended == []


def test_a_batch_of_which_one_job_is_held_back_is_not_submitted(
    cluster_with: Make, backend: FakeBackend
) -> None:
    witness = Witness(backend, ConfigError("no more"))
    witness.objects_from = 2
    cluster = cluster_with(witness)
    with pytest.raises(SubmissionError, match="no more"), cluster.batch():
        jobs = [double(number) for number in range(3)]
    assert backend.submissions == []
    assert len(witness.ended) == 1
    witness.objection = None
    assert [job.id for job in jobs] == ["1", "2", "3"]  # whoever uses one asks again
    tokens = [begun.token for begun in witness.begun]
    assert tokens[0] == tokens[2]


@pytest.mark.parametrize("kind", [SubmissionRefused, SubmissionUnknown, TransportError])
def test_it_is_told_why_there_is_no_job(
    cluster_with: Make, backend: FakeBackend, kind: type[Exception]
) -> None:
    if kind is SubmissionRefused:
        backend.refusal = SubmissionRefused("Invalid account")
    else:
        backend.submit_error = kind("gone")
    witness = Witness(backend)
    with pytest.raises(kind) as caught:
        cluster_with(witness).submit(double)(21)
    [ended] = witness.ended
    assert ended.error is caught.value
    assert (ended.job, ended.job_id) == (None, "")


class Fails(HoldsSubmission):
    def after_submission(self, ctx: SubmitEndContext) -> None:
        raise OSError("disk full")


def test_what_it_raises_afterwards_is_logged(
    cluster_with: Make, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        assert cluster_with(Fails()).submit(double)(21).id == "1"
    assert "Fails.after_submission failed for job 1 of double" in caplog.text
