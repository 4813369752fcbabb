"""`gather` in a program, in a coroutine, and where neither is quite the case."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.helpers.fakes import FakeBackend, job_on

from slurm import Cluster, Job, gather


@pytest.fixture
def jobs(fake_cluster: Cluster, backend: FakeBackend) -> list[Job[Any]]:
    """Two running jobs."""
    for number in ("7", "8"):
        backend.say(number, "RUNNING")
    return [job_on(fake_cluster, number) for number in ("7", "8")]


def finish(jobs: list[Job[Any]], backend: FakeBackend, *values: Any) -> None:
    for job, value in zip(jobs, values):
        backend.finish(job, value)


def test_awaiting_it_leaves_the_event_loop_free(jobs: list[Job[Any]], backend: FakeBackend) -> None:
    """The jobs end only because the loop goes on while they are awaited."""

    async def main() -> list[Any]:
        ending = asyncio.get_running_loop().call_soon(finish, jobs, backend, 5, 6)
        results = await gather(*jobs)
        assert not ending.cancelled()
        return results

    results = asyncio.run(main())
    assert results == [5, 6]
    assert type(results) is list


def test_it_may_be_awaited_beside_others_and_with_a_timeout(
    jobs: list[Job[Any]], backend: FakeBackend
) -> None:
    async def main() -> list[Any]:
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(gather(*jobs), 0.01)
        finish(jobs, backend, 5, 6)
        both = await asyncio.gather(gather(jobs[0]), gather(jobs[1]), jobs[0])
        return [*both, await asyncio.gather(*jobs)]

    assert asyncio.run(main()) == [[5], [6], 5, [5, 6]]


def test_errors_are_raised_or_returned_where_it_is_awaited(
    jobs: list[Job[Any]], backend: FakeBackend
) -> None:
    finish(jobs, backend, 5, KeyError("six"))

    async def main() -> list[Any]:
        with pytest.raises(KeyError, match="six"):
            await gather(*jobs)
        return await gather(*jobs, return_exceptions=True)

    value, error = asyncio.run(main())
    assert (value, type(error)) == (5, KeyError)


def test_a_coroutine_that_does_not_await_gets_the_results_all_the_same(
    jobs: list[Job[Any]], backend: FakeBackend
) -> None:
    finish(jobs, backend, 5, 6)

    async def main() -> None:
        first, second = gather(*jobs)
        assert (first, second) == (5, 6)
        results = gather(*jobs)
        assert results == [5, 6]
        assert [5, 6] == results  # noqa: SIM300 - either side
        assert (len(results), results[1], results[:1], repr(results)) == (2, 6, [5], "[5, 6]")
        assert results == gather(*jobs)

    asyncio.run(main())


def test_a_function_that_a_coroutine_calls_gets_a_list_that_may_be_awaited(
    jobs: list[Job[Any]], backend: FakeBackend
) -> None:
    finish(jobs, backend, 5, 6)

    def both() -> Any:
        results = gather(*jobs)
        assert isinstance(results, list)
        return results

    async def main() -> list[Any]:
        return await both()  # type: ignore[no-any-return]

    assert both() == asyncio.run(main()) == [5, 6]


def test_nothing_and_what_is_no_job(jobs: list[Job[Any]]) -> None:
    async def nothing() -> list[Any]:
        return await gather()

    assert gather() == asyncio.run(nothing()) == []
    with pytest.raises(TypeError, match=r"gather\(\*jobs\)"):
        gather(jobs)  # type: ignore[arg-type]


def test_it_gives_up_after_its_timeout_and_says_what_has_not_ended(
    jobs: list[Job[Any]], backend: FakeBackend
) -> None:
    for options in ({}, {"return_exceptions": True}):
        with pytest.raises(TimeoutError, match=r"2 of 2 jobs have not ended: .*(RUNNING|PENDING)"):
            gather(*jobs, timeout=0.01, **options)
    finish(jobs, backend, 5, 6)
    assert gather(*jobs, timeout=240) == [5, 6]
    assert gather(*jobs, timeout=0) == [5, 6]


def test_it_gives_up_after_its_timeout_where_it_is_awaited(
    jobs: list[Job[Any]], backend: FakeBackend
) -> None:
    async def main() -> list[Any]:
        with pytest.raises(TimeoutError, match="2 of 2 jobs have not ended"):
            await gather(*jobs, timeout=0.01)
        with pytest.raises(TimeoutError, match="2 of 2 jobs have not ended"):
            list(gather(*jobs, timeout=0.01))
        finish(jobs, backend, 5, 6)
        return await gather(*jobs, timeout=240)

    assert asyncio.run(main()) == [5, 6]
