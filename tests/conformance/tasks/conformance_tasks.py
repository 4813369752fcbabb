"""Tasks of the conformance suite. The file travels to clusters that have no such module."""

from __future__ import annotations

import dataclasses
import enum
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple, Optional

from slurm import (
    JobContext,
    WorkflowContext,
    current_job_context,
    get_active_context,
    task,
    workflow,
)

PATIENCE = 600.0  # seconds until a job that waits for a test gives up


# --- values that travel ----------------------------------------------------------------------------


class Colour(enum.Enum):
    RED = "red"


class Pair(NamedTuple):
    left: Any
    right: Any


@dataclasses.dataclass(frozen=True)
class Box:
    """Holds anything, jobs too."""

    content: Any
    label: str = ""


class Plain:
    """An object of an ordinary class."""

    def __init__(self, **attributes: Any) -> None:
        self.__dict__.update(attributes)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Plain) and self.__dict__ == other.__dict__

    __hash__ = None  # type: ignore[assignment]


class Unlucky(Exception):
    def __init__(self, message: str, code: int) -> None:
        super().__init__(message, code)
        self.code = code


# --- values in, values out -------------------------------------------------------------------------


@task
def add(left: int, right: int) -> int:
    return left + right


@task
def double(number: int) -> int:
    return 2 * number


@task
def echo(*args: Any, **kwargs: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    return args, kwargs


@task
def every_kind(
    self: Any,
    /,
    context: Any,
    cluster: Any = "default",
    *args: Any,
    ctx: Any,
    n: int = 5,
    **task: Any,
) -> Any:
    """Parameters of every kind, called as the SDK calls its own."""
    return self, context, cluster, args, ctx, n, task


@task
def apply(functions: list[Any], value: Any) -> list[Any]:
    """Call what arrived: functions, and tasks' functions."""
    return [getattr(function, "unwrapped", function)(value) for function in functions]


@task
def take_memory(megabytes: int) -> int:
    """Hold memory until somebody does something about it."""
    taken = bytearray(megabytes << 20)
    time.sleep(PATIENCE)
    return len(taken)


# --- what a job sees of itself ---------------------------------------------------------------------


@task
def describe(job: JobContext, folders: list[str], greeting: str = "hello") -> dict[str, Any]:
    print(greeting, "stdout")
    print(greeting, "stderr", file=sys.stderr)
    return {
        "context": job,
        "hosts": job.hostnames,
        "time left": job.time_left,
        "shared": (str(job.shared_dir), mode_of(str(job.shared_dir))),
        "directory": str(Path.cwd()),
        "environment": {n: v for n, v in os.environ.items() if n.startswith(("SLURM_", "JOB_"))},
        "modes": {path: mode_of(path) for path in [*folders, str(job.job_dir)]},
        "mode of parent": mode_of(str(job.job_dir.parent)),
        "python": sys.version_info[:2],
    }


def mode_of(path: str) -> int:
    return Path(path).stat().st_mode & 0o7777


# --- gates and marks -------------------------------------------------------------------------------


@task
def wait_for(gate: str, value: Any = None) -> Any:
    """Run until there is a file at `gate`."""
    Path(f"{gate}.started").touch()
    wait_for_file(gate)
    return value


def wait_for_file(path: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not os.path.exists(path):
        if time.monotonic() > deadline:
            raise TimeoutError(f"nobody made {path}")
        time.sleep(0.02)


@task
def step(folder: str, name: str, succeed: bool = True) -> list[str]:
    """Leave the mark `name` in `folder`; returns the marks that were there before."""
    seen = sorted(os.listdir(folder))
    (Path(folder) / name).touch()
    if not succeed:
        raise Unlucky(name, code=1)
    return seen


@task
def tally(folder: str, name: str) -> None:
    """Leave a mark of its own in `folder`: a call that runs twice leaves two."""
    handle, _ = tempfile.mkstemp(prefix=f"{name}.", dir=folder)
    os.close(handle)


@task
def tallied(folder: str) -> list[str]:
    """Who has left a mark of `tally` in `folder`, as often as there are marks."""
    return sorted(mark.partition(".")[0] for mark in os.listdir(folder))


@task
def step_with(folder: str, name: str, values: Any) -> tuple[list[str], Any]:
    return step.unwrapped(folder, name), values


@task
def measure() -> dict[str, Any]:
    return {"loss": 0.5, "steps": 3, "history": [0.9, 0.5]}


@task
def busy(folder: str, name: int) -> int:
    """Stay in `folder` for a while; returns how many are there at once."""
    mark = Path(folder) / str(name)
    mark.touch()
    time.sleep(0.2)
    crowd = len(os.listdir(folder))
    mark.unlink()
    return crowd


# --- bad endings -----------------------------------------------------------------------------------


@task
def fail(message: str, code: int = 0) -> int:
    print("about to fail", file=sys.stderr)
    raise Unlucky(message, code)


@task
def fail_if_odd(number: int) -> int:
    if number % 2:
        raise Unlucky(f"{number} is odd", code=number)
    return number


# --- workflows -------------------------------------------------------------------------------------


@workflow
def survey(ctx: WorkflowContext, numbers: list[int], gate: str) -> dict[str, Any]:
    """Use all that a workflow has, and tell what was found."""
    from slurm import gather  # what comes with it, the jobs of the other tasks need not load

    (ctx.shared_dir / "note").write_text("from the workflow")
    print("surveying", len(numbers))
    print("with care", file=sys.stderr)
    doubles: list[Any] = [double(number) for number in numbers]
    failed = fail("inside", code=5)
    never: Any = fail.after(failed)("never", code=1)
    inner = inner_workflow(add(doubles[0], doubles[1]))
    mapped = fail_if_odd.map([0, 2], pack=2)
    wait_for.map([(gate, "late")])
    return {
        "results": gather(*doubles),
        "caught": failed.exception(PATIENCE),
        "remote traceback": str(getattr(failed.exception(), "__cause__", None)),
        "cause": getattr(never.exception(PATIENCE), "__cause__", None),
        "inner": inner.get_result(PATIENCE),
        "inner_dir": inner.job_dir,
        "inner_again": ctx.load_workflow_result(inner.job_dir),
        "sum": ctx.get_latest_task_result("add"),
        "mapped": mapped.get_results(PATIENCE),
        "mapped_dir": mapped.job_dir,
        "mapped_again": ctx.get_latest_task_result("fail_if_odd"),
        "runs": [str(path) for path in ctx.list_task_runs("double")],
        "doubles": [job.job_dir for job in doubles],
        "own": {name: getattr(ctx, name) for name in ATTRIBUTES},
        "base": ctx.cluster.job_base_dir if ctx.cluster else None,
        "output_dir": ctx.get_task_output_dir("double"),
        "active": get_active_context() is ctx,
        "cluster": [getattr(ctx.cluster, name) for name in ("backend_type", "job_base_dir")],
        "packaging": json.loads(os.environ["SLURM_SDK_PACKAGING_CONFIG"]),
        "modes": {mode_of(str(path)) for path in (ctx.shared_dir, ctx.tasks_dir)},
    }


ATTRIBUTES = (
    *("workflow_job_id", "workflow_job_dir", "shared_dir", "local_mode"),
    *("result_path", "metadata_path", "tasks_dir"),
)


@workflow
def inner_workflow(number: int) -> dict[str, Any]:
    """Takes no context and has one all the same."""
    job = double(number)
    return {
        "value": job.get_result(PATIENCE),
        "child_dir": job.job_dir,
        "own_dir": str(current_job_context().job_dir),
    }


@task
def Double(number: int) -> int:  # noqa: N802 - in lowercase, it is called as another task
    return -number


@task
def 训练() -> str:  # noqa: N802, PLC2401 - neither is a character of it left in a directory's name
    return "trained"


@task
def 评估() -> str:  # noqa: N802, PLC2401
    return "evaluated"


@workflow
def look_up(ctx: Optional["WorkflowContext"] = None) -> dict[str, Any]:  # noqa: UP037, UP045 - one of many ways
    """Submit through the cluster, while clocks change; and tell what is found by name."""
    assert ctx is not None
    cluster: Any = ctx.cluster
    opened, closed = ctx.shared_dir / "opened", ctx.shared_dir / "closed"
    opened.touch()
    with cluster.batch():
        jobs: list[Any] = [Double(1), double(2), 训练(), 评估.submit(cluster)()]
    os.environ["TZ"] = "CEST-2"
    time.tzset()
    jobs.append(cluster.submit(wait_for)(str(opened), "before"))
    os.environ["TZ"] = "CET-1"  # an hour back, as when summer ends
    time.tzset()
    with cluster:
        jobs.append(wait_for.afterany(jobs[-1])(str(closed), "after"))
    jobs[4].get_result(PATIENCE)
    try:
        early = ctx.get_latest_task_result("wait_for", timeout=0.1)
    except TimeoutError:
        early = "not yet"
    closed.touch()
    raised, failing = "", [fail("older"), fail("newest")]
    names = ("Double", "double", "训练", "评估", "wait_for")
    try:
        ctx.get_latest_task_result("fail", PATIENCE)
    except Unlucky as error:
        raised = str(error)
    return {
        "early": early,
        "latest": [ctx.get_latest_task_result(name, PATIENCE) for name in names],
        "raised": raised,
        "runs": [[str(run) for run in ctx.list_task_runs(name)] for name in (*names, "fail")],
        "jobs": [job.job_dir for job in jobs + failing],
    }


# --- what else travels -----------------------------------------------------------------------------


def twice(number: int) -> int:
    return 2 * number


@task
def never_submitted() -> None:
    """Its directory would tell."""


@task
def strangely_named() -> str:
    return "ran"


# A task is named after its function, which a decorator may have called anything.
strangely_named.unwrapped.__name__ = "../../.odd 'x' Name"


# --- processes that jobs start ---------------------------------------------------------------------


@workflow
def forking_workflow(ctx: WorkflowContext, numbers: list[int]) -> dict[str, Any]:
    """Have each task called in a forked process, and one here meanwhile."""
    import multiprocessing

    fork = multiprocessing.get_context("fork")
    answers = fork.SimpleQueue()
    before = double(100)

    def call(number: int) -> None:
        job = double(number)
        answers.put((number, job.get_result(PATIENCE), before.get_result(PATIENCE), job.job_dir))

    processes = [fork.Process(target=call, args=(number,)) for number in numbers]
    for process in processes:
        process.start()
    here = double(0).get_result(PATIENCE)
    found = sorted(answers.get() for _ in processes)
    for process in processes:
        process.join()
    return {
        "here": here,
        "there": [answer[:3] for answer in found],
        "are children": all(str(ctx.tasks_dir) in answer[3] for answer in found),
        "exit codes": [process.exitcode for process in processes],
    }


@task
def put_a_pipe(path: str) -> None:
    """A named pipe in the place of a file: who reads it waits for ever."""
    os.unlink(path)
    os.mkfifo(path)
