"""Tasks of classes, and jobs where they cannot be."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
from tests.helpers.fakes import FakeBackend

from slurm import Cluster, task


class Model:
    @task
    def fit(self, data: list[int], *, rate: float = 0.1) -> float:
        return rate * len(data)

    @staticmethod
    @task
    def load(path: str) -> str:
        return path


def test_a_method_without_its_object_says_what_to_do(fake_cluster: Cluster) -> None:
    fit: Any = Model.fit
    loose: Any = Model().fit
    with fake_cluster:
        for call in (
            lambda: fit([1]),
            lambda: fit(data=[1]),
            lambda: loose([1]),
            lambda: fit.map([[1], [2]]),
            lambda: fake_cluster.executor().submit(fit, [1]),
            lambda: fake_cluster.dry_run(fit, [1]),
        ):
            with pytest.raises(
                TypeError, match=r"Model\.fit is a method.*Model\.fit\(model, \.\.\.\)"
            ) as caught:
                call()
            assert "\n" not in str(caught.value)
        assert Model.fit(Model(), [1]).task_name == "fit"


def test_a_function_of_a_class_is_not_taken_for_a_method(fake_cluster: Cluster) -> None:
    load: Any = Model.load
    with fake_cluster, pytest.raises(TypeError) as caught:
        load()
    assert "method" not in str(caught.value)


def test_a_job_that_is_pickled_says_what_to_do(fake_cluster: Cluster, backend: FakeBackend) -> None:
    with fake_cluster:
        job = Model.load("a")
        array = Model.load.map(["a"])
        future = fake_cluster.executor().submit(Model.load, "a")
    for one in (job, array, future, {"deep": [job]}):
        with pytest.raises(TypeError, match=r"its result takes its\s+place") as caught:
            pickle.dumps(one)
        assert "\n" not in str(caught.value)
    assert copy.copy(job) is copy.deepcopy(job) is job
    assert copy.deepcopy({"jobs": [array]})["jobs"][0] is array
