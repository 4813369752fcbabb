"""How far large files are: who hears of it, how often, and in which words."""

from __future__ import annotations

import io
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from tests.helpers import scheduler_on_disk as disk
from tests.helpers.fakes import DEADLINE
from tests.helpers.far import Far

from slurm import Cluster, Job, task
from slurm.callbacks import BaseCallback, LoggerCallback, RichLoggerCallback, TransferContext
from slurm.callbacks.lines import line_of
from slurm.callbacks.transfer_progress import EVERY, TransferProgress
from slurm.errors import RemoteFileError, TransportError
from slurm.job_dir.result import dump_envelope, value_envelope


@task
def train(data: bytes) -> int:
    return len(data)


class Noted(BaseCallback):
    """Keeps what it is told of transfers, with the times taken out."""

    def __init__(self) -> None:
        self.told: list[TransferContext] = []

    def on_transfer_ctx(self, ctx: TransferContext) -> None:
        self.told.append(ctx)


class Refuses(BaseCallback):
    def on_transfer_ctx(self, ctx: TransferContext) -> None:
        raise ValueError("not like this")


class FarScheduler(disk.SchedulerOnDisk):
    """Says of every job that it has ended."""

    def query(self, job_ids: list[str]) -> list[dict[str, Any]]:
        return [{"job_id": one, "state": "COMPLETED", "source": "sacct"} for one in job_ids]

    def limits(self) -> dict[str, int]:
        return {"max_array_size": 1001}


@pytest.fixture
def noted() -> Noted:
    return Noted()


@pytest.fixture
def far(tmp_path: Path) -> Far:
    far = Far(FarScheduler(tmp_path / "queue"))
    far.piece = 50_000
    far.large_from = 100_000
    return far


@pytest.fixture
def cluster(
    tmp_path: Path, far: Far, noted: Noted, lend_sdk: Callable[[Path], None]
) -> Iterator[Cluster]:
    lend_sdk(tmp_path / "jobs")
    with Cluster(
        far, packaging="none", job_base_dir=tmp_path / "jobs", callbacks=[noted, Refuses()]
    ) as cluster:
        yield cluster
    cluster.close()


def finish(job: Job[Any], value: Any) -> None:
    """The job's runner leaves a result; the scheduler says the rest."""
    Path(job.directory.result).write_bytes(dump_envelope(value_envelope(value, 1)))


# --- from where things happen --------------------------------------------------------------------


def test_arguments_and_results_are_told_of_with_their_job(cluster: Cluster, noted: Noted) -> None:
    job = train(bytes(250_000))
    finish(job, [bytes(150_000)])
    job.get_result(DEADLINE)
    assert cluster.drain_callbacks(DEADLINE)
    up = [ctx for ctx in noted.told if ctx.direction == "upload"]
    down = [ctx for ctx in noted.told if ctx.direction == "download"]
    assert {ctx.path for ctx in up} == {f"{job.job_dir}/arguments.pkl"}
    assert {ctx.path for ctx in down} == {f"{job.job_dir}/result.pkl"}
    for told in (up, down):
        assert {(ctx.task_name, ctx.job_dir) for ctx in told} == {("train", job.job_dir)}
        assert [ctx.finished for ctx in told] == [False] * (len(told) - 1) + [True]
        assert told[0].done == 50_000
        assert told[-1].done == told[-1].total > 150_000
    assert (up[0].job_id, down[0].job_id) == ("", job.id)


def test_small_files_are_not_told_of(cluster: Cluster, noted: Noted) -> None:
    job = train(bytes(10))
    finish(job, bytes(70_000))  # two pieces, yet not large
    job.get_result(DEADLINE)
    assert cluster.drain_callbacks(DEADLINE)
    assert noted.told == []


def test_an_items_result_is_told_of_as_that_items(cluster: Cluster, noted: Noted) -> None:
    array = train.map([bytes(150_000), b""])
    for index, job in enumerate(array):
        finish(job, bytes(150_000 * index))
    array.get_results(DEADLINE)
    assert cluster.drain_callbacks(DEADLINE)
    last = noted.told[-1]
    assert (last.job_id, last.array_index, last.array_dir) == (f"{array.id}_1", 1, array.job_dir)
    assert noted.told[0].array_dir == array.job_dir
    assert noted.told[0].path == f"{array.job_dir}/items.pkl"


def test_jobs_of_a_batch_are_told_of_by_themselves(cluster: Cluster, noted: Noted) -> None:
    with cluster.batch():
        jobs = [train(bytes([number]) * 150_000) for number in range(2)]
    assert cluster.drain_callbacks(DEADLINE)
    assert {ctx.job_dir for ctx in noted.told} == {job.job_dir for job in jobs}


def test_a_transfer_that_fails_is_told_of_at_its_end(
    cluster: Cluster, far: Far, noted: Noted
) -> None:
    def lost(op: str, params: dict[str, Any], blob: bytes) -> bytes:
        if op == "put" and params["offset"] == 150_000:
            raise TransportError("gone")
        return blob

    far.between = lost
    with pytest.raises(TransportError):
        train(bytes(250_000))
    assert cluster.drain_callbacks(DEADLINE)
    assert isinstance(noted.told[-1].error, TransportError)
    assert noted.told[-1].finished
    assert noted.told[-1].done < noted.told[-1].total


# --- how often -----------------------------------------------------------------------------------


class Watch:
    """A progress with a clock that a test sets."""

    def __init__(self) -> None:
        self.now = 100.0
        self.told: list[tuple[str, int, float]] = []
        self.errors: list[BaseException | None] = []
        self.progress = TransferProgress(self._tell, clock=lambda: self.now)

    def _tell(
        self, path: str, *, done: int, total: int, duration: float, error: Any = None
    ) -> None:
        self.told.append((path, done, duration))
        self.errors.append(error)


def test_the_beginning_the_end_and_now_and_then() -> None:
    watch = Watch()
    for done in range(1, 101):
        watch.progress.step("file", done, 100)
        watch.now += EVERY / 10
    watch.progress.end(None)
    assert [done for _, done, _ in watch.told] == [1, 11, 21, 31, 41, 51, 61, 71, 81, 91, 100]
    assert watch.told[0][2] == 0.0
    assert watch.told[-1][2] == pytest.approx(99 * EVERY / 10)
    assert watch.errors == [None] * 11


def test_several_files_have_times_of_their_own() -> None:
    watch = Watch()
    for path in ("a", "b", "a", "b"):
        watch.progress.step(path, 1, 9)
    assert [path for path, _, _ in watch.told] == ["a", "b"]
    failure = RemoteFileError("full")
    watch.progress.end(failure)
    assert watch.errors[2:] == [failure, failure]
    watch.progress.end(None)
    assert len(watch.told) == 4


def test_what_never_arrived_has_an_error_in_any_case() -> None:
    watch = Watch()
    watch.progress.step("/jobs/7/result.pkl", 1, 9)
    watch.progress.end(None)
    assert "result.pkl was given up" in str(watch.errors[-1])


# --- in words, and drawn -------------------------------------------------------------------------


def fetching(done: int, **more: Any) -> TransferContext:
    path = "/jobs/7/result.pkl"
    return TransferContext("train", "7", path=path, done=done, total=300 << 20, **more)


@pytest.mark.parametrize(
    ("context", "line"),
    [
        (fetching(30 << 20), "train 7: fetching result.pkl, 10 % of 300M"),
        (fetching(300 << 20, duration=12.3), "train 7: fetched result.pkl, 300M in 12.3 s"),
        (fetching(0, direction="upload"), "train 7: sending result.pkl, 0 % of 300M"),
        (
            fetching(0, direction="upload", error=TransportError("gone")),
            "train 7: result.pkl was not sent: TransportError: gone",
        ),
    ],
)
def test_a_transfer_in_a_line(context: TransferContext, line: str) -> None:
    assert line_of(context) == line


def test_the_log_has_the_end_of_a_transfer(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    callback = LoggerCallback()
    callback.on_transfer_ctx(fetching(1))
    callback.on_transfer_ctx(fetching(300 << 20))
    assert len(caplog.messages) == 1
    assert "fetched result.pkl, 300M" in caplog.messages[0]


def test_the_table_has_a_bar_while_a_file_is_on_its_way() -> None:
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=100, _environ={})
    callback = RichLoggerCallback(console, linger_secs=60.0)
    callback.on_transfer_ctx(fetching(75 << 20, duration=3.0))
    assert callback.table().row_count == 1
    console.print(callback.table())
    assert "train 7 result.pkl" in screen.getvalue()
    assert "75M/300M" in screen.getvalue()
    callback.on_transfer_ctx(fetching(300 << 20))
    assert callback.table().row_count == 0
    callback.close()


def test_without_a_terminal_its_end_is_a_line() -> None:
    screen = io.StringIO()
    callback = RichLoggerCallback(Console(file=screen, force_terminal=False, width=100))
    for done in (1, 2, 300 << 20):
        callback.on_transfer_ctx(fetching(done))
    assert screen.getvalue() == "train 7: fetched result.pkl, 300M in 0.00 s\n"
