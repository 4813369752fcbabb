"""The runner: job directories run as real processes by their own job.sh, as a scheduler would."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from tests.helpers.fakes import job_of as job_on_disk
from tests.helpers.processes import JobRun, RunJob, result_of

from slurm import Cluster, Job, errors, task
from slurm.job_dir.paths import UNWRITTEN


def job_of(run: JobRun, cluster: Cluster) -> Job[Any]:
    return job_on_disk(cluster, "7", task_name="t", job_dir=str(run.directory))


# --- values --------------------------------------------------------------------------------------


def test_a_value_is_left_in_the_result_file(run_job: RunJob, tasks: Any) -> None:
    run = run_job(tasks.echo, 1, [2], key=tasks.Settings(0.5))
    assert result_of(run) == ((1, [2]), {"key": tasks.Settings(0.5)})
    assert (run.code, run.stdout, run.stderr) == (0, "", "")


def test_nothing_returned_is_a_result(run_job: RunJob) -> None:
    run = run_job(task(lambda: None))
    assert result_of(run) is None
    assert run.code == 0


def test_a_function_by_value_runs_with_what_it_captured(run_job: RunJob) -> None:
    offset = 5

    @task
    def add(number: int) -> int:
        print("adding")
        return number + offset

    run = run_job(add, 1)
    assert result_of(run) == 6
    assert run.stdout == "adding\n"


def test_nothing_else_is_left_in_the_directory(run_job: RunJob, tasks: Any) -> None:
    run = run_job(tasks.echo)
    names = {path.name for path in run.directory.iterdir()}
    assert {"job.sh", "payload.pkl", "metadata.json", "result.pkl"} <= names
    assert not [
        name
        for name in names
        if name.startswith((".result", ".metadata.json.")) and "lock" not in name
    ]
    assert (run.directory / "result.pkl").stat().st_mode & 0o077 == 0


def test_a_task_may_call_another_ones_function(run_job: RunJob, tasks: Any) -> None:
    assert result_of(run_job(tasks.calls_another, 3)) == ((3,), {})


def test_the_runner_brings_the_sdk_along(run_job: RunJob, sdk_directory: Path) -> None:
    """A plain interpreter on the node, with nothing installed, and garbage is collected as ever."""

    @task(packaging={"type": "none", "python": os.path.realpath(sys.executable), "check": "none"})
    def where() -> Any:
        import gc

        import slurm

        return slurm.__file__, "pytest" in __import__("sys").modules, gc.isenabled()

    file, has_pytest, collects = result_of(run_job(where))
    assert Path(file).resolve().is_relative_to(sdk_directory.resolve())
    assert not has_pytest
    assert collects


def test_a_module_that_only_this_process_can_find_goes_along(
    run_job: RunJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "elsewhere" / "mine.py"
    source.parent.mkdir()
    source.write_text("from slurm import task\nC = 4\n@task\ndef f(n):\n    return n + C\n")
    spec = importlib.util.spec_from_file_location("mine_alone", source)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "mine_alone", module)
    spec.loader.exec_module(module)
    assert result_of(run_job(module.f, 1)) == 5


# --- exceptions ----------------------------------------------------------------------------------


def test_an_exception_arrives_as_itself_with_the_remote_traceback(
    run_job: RunJob, tasks: Any
) -> None:
    run = run_job(tasks.fails, "bad")
    assert run.code == 1
    with pytest.raises(ValueError, match=r"^bad$") as caught:
        result_of(run)
    assert "in fails" in str(caught.value.__cause__)
    assert "ValueError: bad" in run.stderr


@pytest.mark.parametrize("code", [0, None])
def test_leaving_with_success_is_a_result(code: int | None, run_job: RunJob) -> None:
    run = run_job(task(lambda: sys.exit(code)))
    assert result_of(run) is None
    assert run.code == 0


@pytest.mark.parametrize("code", [3, "no data"])
def test_leaving_otherwise_is_an_error_that_says_so(code: Any, run_job: RunJob) -> None:
    run = run_job(task(lambda: sys.exit(code)))
    assert run.code == 1
    with pytest.raises(errors.RemoteError, match=str(code)) as caught:
        result_of(run)
    assert caught.value.type_name == "SystemExit"


def test_an_interrupt_is_an_error_and_not_one_of_the_client(run_job: RunJob) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    with pytest.raises(errors.RemoteError, match="KeyboardInterrupt"):
        result_of(run_job(task(interrupted)))


def test_a_value_that_cannot_be_pickled_is_an_error_with_that_message(run_job: RunJob) -> None:
    run = run_job(task(lambda: {"lock": threading.Lock()}))
    assert run.code == 1
    assert "cannot be pickled" in run.stderr
    with pytest.raises(errors.ResultNotSerializable, match=r"dict.*cannot be pickled"):
        result_of(run)


def test_a_result_for_which_there_is_no_memory_is_named(run_job: RunJob) -> None:
    class Grows:
        def __reduce__(self) -> Any:
            return bytes, (bytes(1 << 60),)

    def large() -> Any:
        return [Grows()]

    run = run_job(task(large))
    with pytest.raises(errors.ResultTooLarge, match=r"returned a list .*memory.*mem=.*path"):
        result_of(run)
    assert run.code == 1
    assert "ResultTooLarge" in run.stderr


LIMITED = """
import resource
resource.setrlimit(resource.RLIMIT_FSIZE, ({limit},) * 2)
"""


@pytest.mark.parametrize("limit", [100_000, 1])
def test_a_result_for_which_there_is_no_disk_is_named(run_job: RunJob, limit: int) -> None:
    """As with a quota: what does not fit is taken away again, and mostly there is room to say so."""

    def large() -> bytes:
        exec(LIMITED.format(limit=limit), {})  # noqa: S102 - where resource is
        return bytes(200_000)

    run = run_job(task(large))
    assert "ResultTooLarge" in run.stderr
    assert "File too large" in run.stderr
    assert run.code == (1 if limit > 1 else UNWRITTEN)
    if limit > 1:
        with pytest.raises(errors.ResultTooLarge, match=r"195K .*File too large.*result\.pkl"):
            result_of(run)
    else:
        assert not (run.directory / "result.pkl").exists()
    assert not [path for path in run.directory.iterdir() if path.name.startswith(".result")]


def test_an_exception_without_any_text_is_an_error(run_job: RunJob) -> None:
    class Unprintable(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    def fails() -> None:
        raise Unprintable

    run = run_job(task(fails))
    assert run.code == 1
    with pytest.raises(Exception) as caught:  # noqa: PT011 - itself or a RemoteError
        result_of(run)
    assert "Unprintable" in str(caught.value.__cause__)


# --- other jobs' results -------------------------------------------------------------------------


def test_a_job_among_the_arguments_arrives_as_its_result(
    run_job: RunJob, tasks: Any, fake_cluster: Cluster
) -> None:
    first = job_of(run_job(tasks.echo, 5), fake_cluster)
    run = run_job(tasks.echo, tasks.Settings(0.5, {"deep": [first]}), again=first)
    (settings,), keywords = result_of(run)
    assert settings.more == {"deep": [((5,), {})]}
    assert keywords["again"] == ((5,), {})


def test_a_failed_job_among_the_arguments_is_a_failed_dependency(
    run_job: RunJob, tasks: Any, fake_cluster: Cluster
) -> None:
    failed = job_of(run_job(tasks.fails, "no data"), fake_cluster)
    run = run_job(tasks.echo, failed)
    assert run.code == 1
    with pytest.raises(errors.DependencyFailed, match=r"job 7, .*ValueError: no data"):
        result_of(run)


def test_a_job_without_a_result_among_the_arguments_is_missing(
    run_job: RunJob, tasks: Any, fake_cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLURM_SDK_RESULT_GRACE", "0.5")
    gone = job_on_disk(fake_cluster, "5", task_name="t", job_dir="/gone/5", token="t")
    with pytest.raises(
        errors.ResultMissing, match=r"job 5, and /gone/5/result\.pkl .* 0\.5 s: .* result_grace"
    ):
        result_of(run_job(tasks.echo, gone))
