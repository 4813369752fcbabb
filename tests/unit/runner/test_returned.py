"""Coroutines of whatever is called, and results that hold no jobs."""

from __future__ import annotations

import asyncio
import functools
from typing import Any

import pytest
from tests.helpers.processes import RunJob

from slurm import task
from slurm.job_dir.result import load_envelope, open_envelope
from slurm.runner.returned import awaited, settled


class Fetcher:
    """An object that is called with ``await``."""

    async def __call__(self, text: str) -> str:
        await asyncio.sleep(0)
        return f"fetched {text}"

    async def fetch(self, text: str) -> str:
        return f"fetched {text} by name"


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (Fetcher(), "fetched it"),
        (Fetcher().fetch, "fetched it by name"),
        (functools.partial(Fetcher()), "fetched it"),
    ],
)
def test_whatever_gives_a_coroutine_has_it_run(function: Any, said: str) -> None:
    assert task(function).unwrapped is function
    assert awaited(function("it")) == said


def test_a_coroutine_by_value_runs_in_the_job(run_job: RunJob) -> None:
    done = run_job(task(functools.partial(asyncio.sleep, 0)), "slept")
    assert done.code == 0, done.stderr
    with (done.directory / "result.pkl").open("rb") as file:
        assert open_envelope(load_envelope(file)) == "slept"


def test_a_result_without_jobs_stays_the_same_object() -> None:
    for value in ({"plain": [1]}, object, lambda: 1, "text", None):
        assert settled("function", value) is value
        assert awaited(value) is value
