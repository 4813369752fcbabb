"""Whose frames are shown: the user's, and the SDK's only where it is at fault itself."""

from __future__ import annotations

import asyncio
import sys
import traceback
from collections.abc import Callable
from typing import Any

import pytest
from tests.helpers.fakes import FakeBackend, job_on

import slurm
from slurm import ArrayJob, Cluster, Job, as_completed, gather
from slurm.errors import SlurmError, SubmissionError, TransportError
from slurm.executor import JobExecutor
from slurm.job_dir.remote_exceptions import frames_in, traceback_of
from slurm.job_dir.result import load_envelope
from slurm.job_dir.tracebacks import OURS, UsersFrames, users_frames
from slurm.results.outcome import Outcomes

DEADLINE = 60.0


def frames_of_ours(error: BaseException) -> list[str]:
    frames = traceback.extract_tb(error.__traceback__)
    return [frame.name for frame in frames if frame.filename.startswith(OURS)]


class Given:
    """What a door is opened with: a job that has failed, an array of such, and a cluster that nobody answers for."""

    def __init__(self, cluster: Cluster, backend: FakeBackend) -> None:
        self.cluster = cluster
        self.backend = backend
        self.task: Any = slurm.task(abs)

    def job(self, job_id: str = "7") -> Job[Any]:
        """A job that has failed."""
        self.backend.say(job_id, "RUNNING")
        job = job_on(self.cluster, job_id)
        self.backend.finish(job, ValueError("bad"))
        return job

    def lost(self) -> Job[Any]:
        """A job of a cluster that was closed."""
        self.backend.say("9", "RUNNING")
        job = job_on(self.cluster, "9")
        self.cluster.close()
        return job

    def refused(self) -> ArrayJob[Any]:
        """An array that the scheduler will not have."""
        self.backend.submit_error = SubmissionError("no")
        array: ArrayJob[Any] = self.cluster.map(self.task, [1, 2])
        return array

    def future(self) -> Any:
        """A failed call of an executor."""
        future = self.cluster.executor().submit(abs, 1)
        self.backend.finish(future.job, ValueError("bad"))
        return future

    def refused_in_context(self) -> None:
        """The scheduler refuses what the end of a context submits."""
        self.backend.submit_error = SubmissionError("no")
        with self.cluster:
            self.task.map([1, 2])

    def refused_in_batch(self) -> None:
        """The scheduler refuses what the end of a batch submits."""
        self.backend.submit_error = SubmissionError("no")
        with self.cluster.batch():
            self.task(1)

    def ended_executor(self) -> JobExecutor:
        """An executor that takes no more calls."""
        executor = self.cluster.executor()
        executor.shutdown()
        return executor

    def mapped(self, items: Any) -> ArrayJob[Any]:
        """What ``task.map(items)`` makes in the cluster's context."""
        with self.cluster:
            array: ArrayJob[Any] = self.task.map(items)
        return array

    def unanswered(self) -> Cluster:
        """The cluster, from which there is no answer any more."""

        def nobody(*arguments: Any, **named: Any) -> Any:
            raise TransportError("nobody answers")

        for name in ("get_queue", "get_cluster_info", "query_jobs", "cancel_jobs", "read_file"):
            setattr(self.backend, name, nobody)
        return self.cluster


def awaited(thing: Callable[[], Any]) -> Any:
    """What becomes of `thing()` when a coroutine of a program awaits it."""

    async def main() -> Any:
        return await thing()

    return asyncio.run(main())


async def awaits_all(*jobs: Job[Any]) -> Any:
    return await gather(*jobs)


DOORS: dict[str, Callable[[Given], Any]] = {
    "job.get_result": lambda given: given.job().get_result(DEADLINE),
    "job.result": lambda given: given.job().result(DEADLINE),
    "job.result late": lambda given: job_on(given.cluster, "8").result(0.01),
    "await job": lambda given: awaited(given.job),
    "await closed": lambda given: awaited(given.lost),
    "job.wait closed": lambda given: given.lost().wait(),
    "gather": lambda given: gather(given.job(), given.job("8")),
    "gather no job": lambda given: gather(3),  # type: ignore[arg-type]
    "await gather": lambda given: asyncio.run(awaits_all(given.job(), given.job("8"))),
    "as_completed": lambda given: list(as_completed([job_on(given.cluster, "8")], 0.01)),
    "array.submit": lambda given: given.refused().submit(),
    "array[0]": lambda given: given.refused()[0],
    "array.id": lambda given: given.refused().id,
    "array.wait": lambda given: given.refused().wait(),
    "array.result": lambda given: given.refused().result(),
    "array.exception": lambda given: given.refused().exception(),
    "await array": lambda given: awaited(given.refused),
    "array.after": lambda given: given.refused().after(3),  # type: ignore[arg-type]
    "gather array": lambda given: gather(given.refused()),
    "close": lambda given: given.refused() and given.cluster.close(),
    "future.result": lambda given: given.future().result(DEADLINE),
    "future.result late": lambda given: given.cluster.executor().submit(abs, 1).result(0.01),
    "executor.submit": lambda given: given.refused() and given.cluster.executor().submit(abs, 1),
    "executor.submit wrong": lambda given: given.cluster.executor().submit(Given),  # type: ignore[call-overload]
    "executor.map": lambda given: list(given.cluster.executor().map(abs, [1], timeout=0.01)),
    "executor.submit over": lambda given: given.ended_executor().submit(abs, 1),
    "executor.map over": lambda given: given.ended_executor().map(abs, [1]),
    "executor": lambda given: given.cluster.executor(nope=1),
    "Cluster backend": lambda given: Cluster("slrum"),
    "Cluster option": lambda given: Cluster("local", nope=1),
    "Cluster submit": lambda given: Cluster("local", submit={"nope": 1}),
    "Cluster packaging": lambda given: Cluster("local", packaging="nope"),
    "Cluster callbacks": lambda given: Cluster("local", callbacks=3),  # type: ignore[arg-type]
    "Cluster ssh": lambda given: Cluster("ssh"),
    "from_env": lambda given: Cluster.from_env("nope"),
    "get_queue": lambda given: given.unanswered().get_queue(),
    "get_cluster_info": lambda given: given.unanswered().get_cluster_info(),
    "get_job": lambda given: given.unanswered().get_job("99"),
    "job.get_status": lambda given: job_on(given.unanswered(), "9").get_status(),
    "job.cancel": lambda given: job_on(given.unanswered(), "9").cancel(),
    "job.get_stdout": lambda given: job_on(given.unanswered(), "9").get_stdout(),
    "map": lambda given: given.task.map(3),
    "map in a context": lambda given: given.mapped(3),
    "leave a context": lambda given: given.refused_in_context(),
    "leave a batch": lambda given: given.refused_in_batch(),
    "cluster.map": lambda given: given.cluster.map(given.task, 3),  # type: ignore[arg-type]
    "cluster.map no task": lambda given: given.cluster.map(abs, [3]),  # type: ignore[arg-type]
    "cluster.submit": lambda given: given.cluster.submit(abs),  # type: ignore[arg-type]
    "cluster.submit option": lambda given: given.cluster.submit(given.task, nope=1),
    "cluster.dry_run": lambda given: given.cluster.dry_run(given.task, 1, 2, 3),
    "call": lambda given: given.task(1),
    "task.submit": lambda given: given.task.submit(),
    "task.submit option": lambda given: given.task.submit(given.cluster, nope=1),
    "task.after": lambda given: given.task.after(3),
    "task.aftercorr": lambda given: given.task.aftercorr(3),
    "with_options": lambda given: given.task.with_options(nope=1),
    "@task": lambda given: slurm.task(cpus=4)(abs),
    "@task 3": lambda given: slurm.task(3),  # type: ignore[call-overload]
    "@workflow": lambda given: slurm.workflow(cpus=4)(abs),
}


@pytest.mark.parametrize("door", DOORS)
def test_an_error_shows_the_frames_of_the_program(
    door: str, fake_cluster: Cluster, backend: FakeBackend
) -> None:
    with pytest.raises(Exception) as raised:  # noqa: PT011 - whatever it is
        DOORS[door](Given(fake_cluster, backend))
    backend.submit_error = None
    frames = traceback.extract_tb(raised.value.__traceback__)
    assert [frame.filename for frame in frames[:2]] == [__file__] * 2
    assert sys.version_info < (3, 11) or frames_of_ours(raised.value) == []


def test_ctrl_c_in_a_wait_shows_where_the_program_waited(
    job: Job[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def pressed(record: object, timeout: float | None) -> bool:
        raise KeyboardInterrupt

    monkeypatch.setattr(type(job.known), "wait", pressed)
    with pytest.raises(KeyboardInterrupt) as raised:
        job.get_result(DEADLINE)
    assert sys.version_info < (3, 11) or frames_of_ours(raised.value) == []


def test_an_error_of_the_sdks_own_making_keeps_its_frames(
    job: Job[Any], backend: FakeBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*arguments: Any) -> Any:
        raise AttributeError("a bug")

    backend.finish(job, 1)
    monkeypatch.setattr(Outcomes, "of", broken)
    with pytest.raises(AttributeError, match="a bug") as raised:
        job.get_result(DEADLINE)
    assert "get_result" in frames_of_ours(raised.value)


def test_an_exception_that_is_raised_again_and_again_shows_one_place_each_time(
    job: Job[Any], backend: FakeBackend
) -> None:
    backend.finish(job, ValueError("bad"))
    for _ in range(3):
        with pytest.raises(ValueError, match="bad") as raised:
            job.get_result(DEADLINE)
        here = [
            f for f in traceback.extract_tb(raised.value.__traceback__) if f.filename == __file__
        ]
        assert len(here) == 1


def test_a_users_function_that_the_sdk_calls_keeps_its_frames() -> None:
    def numbers() -> Any:
        yield 1
        raise TypeError("of my own")

    with pytest.raises(TypeError, match="of my own") as raised, Cluster("local"):
        slurm.task(print).map(numbers())
    names = [frame.name for frame in traceback.extract_tb(raised.value.__traceback__)]
    assert "numbers" in names
    assert sys.version_info < (3, 11) or frames_of_ours(raised.value) == []


def test_an_error_that_is_expected_keeps_no_frames_of_what_found_it() -> None:
    def wrong() -> None:
        with UsersFrames():
            raise SlurmError("wrong")

    with pytest.raises(SlurmError, match="wrong") as raised:
        wrong()
    assert sys.version_info < (3, 11) or [
        frame.name for frame in traceback.extract_tb(raised.value.__traceback__)
    ] == ["test_an_error_that_is_expected_keeps_no_frames_of_what_found_it"]


def test_on_a_node_a_bug_of_the_sdks_is_told_in_full() -> None:
    with pytest.raises(Exception) as raised:  # noqa: PT011 - whatever it is
        load_envelope(None)  # type: ignore[arg-type]
    trace = raised.value.__traceback__
    assert trace is not None
    bug = raised.value.with_traceback(trace.tb_next)  # the runner's frames, and none of a user
    assert users_frames(bug.__traceback__) is None
    assert "result.py" in traceback_of(bug)


@pytest.mark.parametrize(
    ("text", "name", "message", "frames"),
    [
        ("T:\n  f\nValueError: a\nb\n", "builtins.ValueError", "a\nb", "T:\n  f\n"),
        ("T:\n  f\nmine.Outer.Bad: x\n", "mine.Outer.Bad", "x", "T:\n  f\n"),
        ("T:\n  f\nOuter.Bad: x\n", "__main__.Outer.Bad", "x", "T:\n  f\n"),
        ("T:\n  f\nAssertionError\n", "builtins.AssertionError", "", "T:\n  f\n"),
        ("ValueError: a\n", "builtins.ValueError", "a", ""),
        ("  | ExceptionGroup: a\n", "builtins.ExceptionGroup", "a", "  | ExceptionGroup: a\n"),
    ],
)
def test_what_the_exception_says_itself_is_left_out(
    text: str, name: str, message: str, frames: str
) -> None:
    assert frames_in(text, name, message).strip() == frames.strip()
