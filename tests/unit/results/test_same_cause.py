"""Jobs that failed for one reason: it is looked for once, however many they are. The backend is a fake."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from tests.helpers.fakes import DEADLINE, FakeBackend, job_on

from slurm import ArrayJob, Cluster, task
from slurm.errors import DependencyFailed
from slurm.job_dir.paths import ArrayDirectory
from slurm.job_dir.result import dump_envelope, exception_envelope


@task
def train(number: int) -> int:
    return number


@task
def evaluate(number: int) -> int:
    return number


After = Callable[[ArrayJob[int], ArrayJob[int]], ArrayJob[int]]
WAYS: dict[str, tuple[After, int]] = {  # and how many items are in a job
    "after": (lambda array, models: array.after(models), 1),
    "after, packed": (lambda array, models: array.after(models), 4),
    "aftercorr": (lambda array, models: array.aftercorr(models), 1),
    "aftercorr, packed": (lambda array, models: array.aftercorr(models), 4),
    "after one that waited": (lambda array, models: array.after(waits_for(models)), 4),
}
COUNT = 40


def waits_for(models: ArrayJob[int]) -> ArrayJob[int]:
    return models.cluster.map(evaluate, range(COUNT)).after(models)


def noted(backend: FakeBackend, *arrays: ArrayJob[int]) -> None:
    """The files of these arrays are there, and the ids are noted."""
    for request in backend.requests:
        backend.files.update({f"{request.job_dir}/{k}": v for k, v in request.files.items()})
    for array in arrays:
        path = ArrayDirectory(array.job_dir).metadata
        backend.files[path] = json.dumps(
            {**json.loads(backend.files[path]), "job_id": array.id}
        ).encode()


@pytest.mark.parametrize("way", WAYS)
def test_it_is_looked_for_once(way: str, fake_cluster: Cluster, backend: FakeBackend) -> None:
    after, pack = WAYS[way]
    models = fake_cluster.map(train, range(COUNT), pack=pack).submit()
    array = after(fake_cluster.map(evaluate, range(COUNT), pack=pack), models).submit()
    noted(backend, models, array)
    own = way.startswith("aftercorr")
    for index, job in enumerate(models):
        failed = own or job.id == models[-1].id
        backend.say(job.id, "FAILED" if failed else "COMPLETED")
        if failed:
            error = ValueError(f"no data for {index // pack if own else COUNT // pack - 1}")
            backend.files[job.directory.result] = dump_envelope(exception_envelope(error, 1))
    for waiting in (array, *(one for one in array.dependencies if one is not models)):
        for job in waiting:
            backend.say(job.id, state="PENDING", reason="DependencyNeverSatisfied")
        assert waiting.wait(DEADLINE)
    assert models.wait(DEADLINE)
    queries, reads = len(backend.queries), len(backend.reads)
    found: list[Any] = array.get_results(DEADLINE, return_exceptions=True)
    assert {type(one) for one in found} == {DependencyFailed}
    roots = [models[index if own else -1] for index in range(COUNT)]
    assert [one.root_job_id for one in found] == [root.id for root in roots]
    words = [f"no data for {root.element.index // pack}" for root in roots if root.element]
    assert [one.root_message for one in found] == words
    assert [one.job_id for one in found] == [job.id for job in array]
    assert len(backend.queries) - queries <= 2, "one for each step up the chain"
    if not own:
        assert len(backend.reads) - reads <= 12


def test_the_jobs_of_a_chain_may_be_asked_one_after_the_other(
    fake_cluster: Cluster, backend: FakeBackend
) -> None:
    jobs = [job_on(fake_cluster, "1")]
    for number in range(2, 42):
        jobs.append(job_on(fake_cluster, str(number), jobs[-1]))
        backend.say(str(number), state="PENDING", reason="DependencyNeverSatisfied")
    backend.say("1", "FAILED")
    for job in jobs:
        job.wait(DEADLINE)
    queries = len(backend.queries)
    found = [job.exception(DEADLINE) for job in jobs[1:]]
    assert {getattr(one, "root_job_id", None) for one in found} == {"1"}
    assert len(backend.queries) - queries <= 2 * len(jobs)
