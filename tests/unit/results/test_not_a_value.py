"""Futures that are used as if they were their results: what says so, and what must go on working."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from tests.helpers.job_tasks import add

from slurm import Cluster, Job
from slurm.results.not_a_value import BINARY

USES: dict[str, Callable[[Any], Any]] = {
    "+": lambda job: job + 1,
    "reflected +": lambda job: 1 + job,
    "of text": lambda job: "a" + job,
    "of a list": lambda job: [1] + job,  # noqa: RUF005 - it is this that is tried
    "repeated": lambda job: [1] * job,
    "between two": lambda job: job + job,
    "sum": lambda job: sum([job, job]),
    "-": lambda job: -job,
    "abs": abs,
    "<": lambda job: job < 1,
    "reflected <": lambda job: job > 1,
    "sorted": lambda job: sorted([job, job]),
    "max": lambda job: max(job, job),
    "int": int,
    "float": float,
    "round": round,
    "sqrt": math.sqrt,
    "floor": math.floor,
    "range": range,
    "format": lambda job: f"{job:.3f}",
}
OF_ONE: dict[str, Callable[[Any], Any]] = {
    "index": lambda job: job[0],
    "key": lambda job: job["loss"],
    "slice": lambda job: job[1:],
    "loop": list,
    "star": lambda job: [*job],
    "unpacked": lambda job: max(*job),
    "in": lambda job: 1 in job,
    "len": len,
    "dict": dict,
}


@pytest.mark.parametrize("use", [*USES.values(), *OF_ONE.values()], ids=[*USES, *OF_ONE])
def test_a_job_says_how_to_get_its_result(use: Callable[[Any], Any], job: Job[Any]) -> None:
    with pytest.raises(TypeError, match=r"the result of <Job 7 .*>: call \.get_result\(\) first"):
        use(job)


@pytest.mark.parametrize("use", USES.values(), ids=USES)
def test_an_array_does_as_well(use: Callable[[Any], Any], fake_cluster: Cluster) -> None:
    array = fake_cluster.map(add, [(1, 2)])
    with pytest.raises(TypeError, match=r"<ArrayJob .*>: call \.get_results\(\) first"):
        use(array)


@pytest.mark.parametrize("name", BINARY)
def test_every_operator_has_both_directions(name: str, job: Job[Any]) -> None:
    for method in (f"__{name}__", f"__r{name}__"):
        with pytest.raises(TypeError, match=r"\.get_result\(\)"):
            getattr(job, method)(1)


def test_an_attribute_of_the_result_is_not_the_jobs(job: Job[Any]) -> None:
    unknown: Any = job
    with pytest.raises(
        AttributeError, match=r"no attribute 'shape'; if its result has, call \.get_result\(\)"
    ):
        _ = unknown.shape
    with pytest.raises(AttributeError, match=r"no attribute '__array__'$"):
        _ = unknown.__array__
    assert not hasattr(job, "shape")


def test_an_error_in_a_property_is_not_hidden(
    job: Job[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(self: Any) -> str:
        raise AttributeError("a bug of the property")

    monkeypatch.setattr(Job, "job_dir", property(broken))
    with pytest.raises(AttributeError, match="a bug of the property"):
        _ = job.job_dir


def test_what_programs_do_with_futures_goes_on_working(job: Job[Any]) -> None:
    assert bool(job)
    assert [one for one in (job, None) if one is not None and bool(one)] == [job]
    assert job == job
    assert job != 3
    assert job in {job: 1}
    assert f"{job}" == str(job) == repr(job)
    assert not isinstance(job, Iterable)
    assert copy.copy(job).id == job.id
