"""Callbacks that are called in jobs: which travel, how they arrive, and what they are told there."""

from __future__ import annotations

import contextlib
import importlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.conformance.waiting import wait_until
from tests.helpers.fakes import FakeBackend
from tests.helpers.processes import (
    RunJob,
    RunPython,
    metadata_of,
    result_of,
)

from slurm import Cluster, errors, task, workflow
from slurm.callbacks import BaseCallback, ExecutionLocus, LoggerCallback
from slurm.callbacks.client import CallbackListener
from slurm.job_dir.payload import load_payload

HELPERS = Path(__file__).parents[2] / "helpers"


def wait_for_exits(cluster: Cluster) -> None:
    """A job has ended once its result is there; its process closes callbacks a moment later."""
    wait_until(lambda: not cluster.get_queue(), "no job's process is left")


HOOKS_OF_A_JOB = ["begin_run", "end_run", "completed", "close"]


@pytest.fixture
def node(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The module `node_callbacks`, importable by its own name here and on the node."""
    monkeypatch.syspath_prepend(str(HELPERS))
    return importlib.import_module("node_callbacks")


def use(cluster: Cluster, *given: BaseCallback) -> None:
    """Give the cluster of a fixture these callbacks."""
    heard = CallbackListener(given, cluster.submitter.job_of)
    cluster.submitter = cluster.submitter._replace(listener=heard)


@contextlib.contextmanager
def telling(local: Cluster, *given: BaseCallback) -> Iterator[Cluster]:
    """Another client of the same scheduler, active, with these callbacks."""
    base, options = local.job_base_dir, local.site.options
    cluster = Cluster("local", job_base_dir=base, callbacks=given, **options)
    try:
        with cluster:
            yield cluster
    finally:
        cluster.close()


def travelling(cluster: Cluster, what: Any) -> list[str]:
    files = cluster.dry_run(what).files
    return [name for name, _ in load_payload(files["payload.pkl"]).callbacks]


@task
def plain() -> None:
    """Does nothing."""


@workflow
def flow() -> None:
    """Submits nothing."""


# --- which travel --------------------------------------------------------------------------------


class Ends(BaseCallback):
    def on_completed_ctx(self, ctx: Any) -> None:
        """A hook of either side."""


class Submits(BaseCallback):
    def on_end_submit_job_ctx(self, ctx: Any) -> None:
        """A hook of the client."""


class Nothing(BaseCallback):
    pass


@pytest.mark.parametrize(
    ("kind", "locus", "with_a_task", "with_a_workflow"),
    [
        (Ends, "client", False, False),
        (Ends, "runner", True, True),
        (Ends, ExecutionLocus.BOTH, True, True),
        (Submits, "both", False, True),
        (Submits, "client", False, False),
        (Nothing, "both", False, True),
    ],
)
def test_a_callback_travels_where_it_has_something_to_do(
    kind: type[BaseCallback],
    locus: Any,
    with_a_task: bool,
    with_a_workflow: bool,
    fake_cluster: Cluster,
) -> None:
    callback = kind()
    callback.locus = locus
    use(fake_cluster, callback)
    assert travelling(fake_cluster, plain) == [kind.__name__] * with_a_task
    assert travelling(fake_cluster, flow) == [kind.__name__] * with_a_workflow


def test_an_array_takes_its_callbacks_along_once(
    fake_cluster: Cluster, backend: FakeBackend
) -> None:
    use(fake_cluster, LoggerCallback())
    fake_cluster.map(plain, [(), (), ()]).submit()
    payload = load_payload(backend.requests[0].files["payload.pkl"])
    assert [name for name, _ in payload.callbacks] == ["LoggerCallback"]


def test_a_callback_that_cannot_be_pickled_is_named_before_anything_is_submitted(
    fake_cluster: Cluster, backend: FakeBackend, node: Any
) -> None:
    use(fake_cluster, node.HoldsALockInTheJob())
    with pytest.raises(errors.SerializationError) as raised:
        plain.submit(fake_cluster)()
    message = str(raised.value)
    assert message.startswith("the callback HoldsALockInTheJob cannot travel to the nodes")
    assert ".lock is a _thread.lock: " in message
    assert "locus = ExecutionLocus.CLIENT" in message
    assert "\n" not in message
    assert not backend.requests


def test_what_cannot_be_pickled_matters_only_where_it_would_travel(
    fake_cluster: Cluster, node: Any
) -> None:
    use(fake_cluster, node.HoldsALock())
    assert travelling(fake_cluster, plain) == []
    with pytest.raises(errors.SerializationError, match="HoldsALock cannot travel"):
        travelling(fake_cluster, flow)


def test_a_callback_by_value_needs_the_same_python_there(
    fake_cluster: Cluster, backend: FakeBackend
) -> None:
    class Local(BaseCallback):
        locus = ExecutionLocus.RUNNER

        def on_completed_ctx(self, ctx: Any) -> None:
            """The class is not found by any name."""

    backend.python = (3, 9, 18)
    use(fake_cluster, Local())
    with pytest.raises(
        errors.SerializationError, match=r"a callback of plain can only be sent by value"
    ):
        plain.submit(fake_cluster)()


# --- what is refused -----------------------------------------------------------------------------


def refusal(callbacks: Any) -> str:
    with pytest.raises(errors.ConfigError) as raised:
        Cluster("local", callbacks=callbacks)
    message = str(raised.value)
    assert "\n" not in message
    return message


def test_what_is_no_callback_is_refused() -> None:
    assert "is no callback: derive its class from BaseCallback" in refusal([print])
    assert refusal([LoggerCallback]) == (
        "callbacks takes instances: write LoggerCallback(), not LoggerCallback"
    )
    assert "callbacks is a list of callbacks" in refusal(LoggerCallback())
    assert "callbacks is a list of callbacks" in refusal("slurm.callbacks:LoggerCallback")
    assert "callbacks is a list of callbacks" in refusal(None)


def test_a_hook_that_could_never_be_called_is_refused() -> None:
    class Begins(BaseCallback):
        def on_begin_run_job_ctx(self, ctx: Any) -> None:
            """Called in the job."""

    assert "Begins.on_begin_run_job_ctx is called in the job" in refusal([Begins()])
    Begins.locus = ExecutionLocus.CLIENT  # somebody's decision
    Cluster("local", callbacks=[Begins()])


def test_a_locus_or_interval_that_does_not_exist_is_refused() -> None:
    callback: Any = LoggerCallback()
    callback.locus = "runer"
    assert "LoggerCallback.locus 'runer' does not exist (did you mean 'runner'?)" in refusal(
        [callback]
    )
    for wrong in (0, -1, "5", True, float("inf")):
        callback = LoggerCallback(poll_interval_secs=wrong)  # type: ignore[arg-type]
        assert "LoggerCallback.poll_interval_secs" in refusal([callback])


# --- on the node ---------------------------------------------------------------------------------


def test_a_callback_is_called_in_the_job(
    run_job: RunJob, fake_cluster: Cluster, node: Any, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    use(fake_cluster, node.OnTheNode(log, note="mine"))
    run = run_job(node.square, 3, env={"SLURM_RESTART_COUNT": "1", "SLURMD_NODENAME": "c1"})
    assert result_of(run) == 9
    assert run.stderr == ""
    told = node.lines(log)
    assert [one["hook"] for one in told] == HOOKS_OF_A_JOB
    begin, end, completed, _ = told
    for one in (begin, end, completed):
        assert (one["task_name"], one["job_id"], one["job_dir"]) == (
            "square",
            "7",
            str(run.directory),
        )
        assert (one["node"], one["attempt"], one["emitted_by"]) == ("c1", "2", "runner")
        assert (one["is_workflow"], one["parent_workflow"], one["array_index"]) == (
            "False",
            "None",
            "None",
        )
        assert (one["note"], one["main_thread"], one["rich"]) == ("mine", "True", "False")
        assert int(one["pid"]) != os.getpid()
    assert float(end["duration"]) >= 0
    assert (end["error"], completed["state"]) == ("None", "COMPLETED")
    noted = metadata_of(run)
    assert (
        noted["launched_at"] <= noted["started_at"] <= noted["called_at"] <= noted["completed_at"]
    )
    assert completed["started_at"].replace(" ", "T")[:23] == noted["called_at"][:23]


def test_a_callback_beside_the_function_travels_in_its_module(
    run_job: RunJob,
    fake_cluster: Cluster,
    node: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where nothing is shared with the node, which cannot import the module."""
    monkeypatch.setattr(FakeBackend, "shares_filesystem", False)
    log = tmp_path / "log"
    use(fake_cluster, node.OnTheNode(log))
    run = run_job(node.square, 3)
    assert (run.directory / "module.py").exists()
    assert result_of(run) == 9
    assert [one["hook"] for one in node.lines(log)] == HOOKS_OF_A_JOB


def test_what_the_function_raises_is_told_and_still_the_result(
    run_job: RunJob, fake_cluster: Cluster, node: Any, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    use(fake_cluster, node.OnTheNode(log))
    run = run_job(node.square, 13)
    with pytest.raises(ValueError, match="unlucky"):
        result_of(run)
    _, end, completed, _ = node.lines(log)
    assert (end["error"], completed["error"], completed["state"]) == (
        "unlucky",
        "unlucky",
        "FAILED",
    )


def test_a_job_whose_function_is_not_reached_begins_and_ends_all_the_same(
    run_job: RunJob, fake_cluster: Cluster, node: Any, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    use(fake_cluster, node.OnTheNode(log))
    run = run_job(node.square, node.ArrivesBroken())
    assert run.code == 1
    told = node.lines(log)
    assert [one["hook"] for one in told] == HOOKS_OF_A_JOB
    assert (told[1]["started_at"], told[1]["duration"]) == ("None", "None")
    assert "invalid literal for int" in told[1]["error"]
    assert metadata_of(run).get("called_at") is None


def test_callbacks_that_fail_on_the_node_are_logged_and_the_job_is_well(
    run_job: RunJob, fake_cluster: Cluster, node: Any
) -> None:
    use(fake_cluster, node.Failing(), node.ArrivesBroken())
    run = run_job(node.square, 3)
    assert result_of(run) == 9
    assert run.code == 0
    assert "Failing.on_begin_run_job_ctx failed for job 7 of square" in run.stderr
    assert "SystemExit: 7" in run.stderr
    assert "RuntimeError: no such dashboard" in run.stderr
    assert "Failing.close failed" in run.stderr
    assert "the callback ArrivesBroken cannot be loaded on the node" in run.stderr


SCRIPT = """
import sys
from slurm import Cluster, task
from slurm.callbacks import BaseCallback, ExecutionLocus, RunEndContext

class Mine(BaseCallback):
    locus = ExecutionLocus.BOTH
    def on_end_run_job_ctx(self, ctx: RunEndContext) -> None:
        print("told of", ctx.task_name)

@task
def hello() -> None:
    print("hello")

if __name__ == "__main__":
    with Cluster("local", job_base_dir=sys.argv[1], callbacks=[Mine()]):
        job = hello()
        job.get_result()
        print(job.get_stdout(), end="")
"""


def test_a_callback_of_a_script_travels_with_the_script(
    run_python: RunPython, local_base: Path, tmp_path: Path
) -> None:
    (tmp_path / "program.py").write_text(SCRIPT)
    done = run_python("program.py", str(local_base))
    assert done.stdout == "hello\ntold of hello\n"


def test_a_workflow_hands_its_callbacks_on_and_is_the_client_of_its_children(
    local: Cluster, node: Any, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    square = node.square

    @workflow
    def squares() -> int:
        return int(square(3).get_result())

    with telling(local, node.Everywhere(log)) as cluster:
        job = squares.submit(cluster)()
        assert job.get_result(60) == 9
        cluster.drain_callbacks()
    wait_for_exits(local)
    here, flow_id = str(os.getpid()), job.id
    told = [one for one in node.lines(log) if one["hook"] != "close"]
    child = next(one["job_id"] for one in told if one["task_name"] == "square" and one["job_id"])
    by_whom = {(one["hook"], one["job_id"], one["emitted_by"], one["pid"] == here) for one in told}
    assert by_whom == {
        ("end_submit", flow_id, "client", True),
        ("begin_run", flow_id, "runner", False),
        ("end_submit", child, "client", False),
        ("begin_run", child, "runner", False),
        ("end_run", child, "runner", False),
        ("completed", child, "runner", False),
        ("completed", child, "client", False),
        ("end_run", flow_id, "runner", False),
        ("completed", flow_id, "runner", False),
        ("completed", flow_id, "client", True),
    }
    assert {one["parent_workflow"] for one in told if one["job_id"] == child} == {flow_id}
    of_the_flow = [one for one in node.lines(log) if one["pid"] == told[1]["pid"]]
    assert [one["hook"] for one in of_the_flow][-3:] == ["end_run", "completed", "close"]
    assert sum(one["hook"] == "close" for one in of_the_flow) == 1


def test_every_element_of_an_array_begins_and_ends_in_its_job(
    local: Cluster, node: Any, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    callback = node.OnTheNode(log)
    with telling(local, callback) as cluster:
        array = node.square.map([3, 13, 4], pack=2)
        assert array.get_results(30, return_exceptions=True)[::2] == [9, 16]
        assert array.wait(60)
        cluster.drain_callbacks()
    wait_for_exits(local)
    by_process: dict[str, list[tuple[str, Any, Any]]] = {}
    for one in node.lines(log):
        told = (one["hook"], one.get("array_index"), one.get("error"))
        by_process.setdefault(one["pid"], []).append(told)
    first, second = sorted(by_process.values(), key=len, reverse=True)
    assert first == [
        ("begin_run", "0", None),
        ("end_run", "0", "None"),
        ("completed", "0", "None"),
        ("begin_run", "1", None),
        ("end_run", "1", "unlucky"),
        ("completed", "1", "unlucky"),
        ("close", None, None),
    ]
    assert [hook for hook, _, _ in second] == HOOKS_OF_A_JOB
    places = {(one["job_id"], one["array_dir"]) for one in node.lines(log) if "job_id" in one}
    assert places == {(f"{array.id}_{n}", array.job_dir) for n in (0, 1)}


def test_an_attempt_that_goes_back_into_the_queue_ends_and_the_job_does_not(
    local: Cluster, node: Any, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    with telling(local, node.OnTheNode(log)):
        assert node.second_time_lucky().get_result(60) == 2
    told = [(one["hook"], one.get("attempt"), one.get("requeued")) for one in node.lines(log)]
    assert [one for one in told if one[0] != "close"] == [
        ("begin_run", "1", None),
        ("end_run", "1", "True"),
        ("begin_run", "2", None),
        ("end_run", "2", "False"),
        ("completed", "2", None),
    ]


def test_nothing_of_a_third_party_is_needed_on_the_node(run_python: RunPython) -> None:
    run_python(
        "-c",
        "import sys\n"
        "import slurm.callbacks.node, slurm.callbacks.travel, slurm.callbacks.hooks\n"
        "from slurm.callbacks import LoggerCallback, CompletedContext, RunEndContext\n"
        "LoggerCallback()\n"
        "assert not {'rich', 'cloudpickle', 'tomli'} & set(sys.modules)",
    )
