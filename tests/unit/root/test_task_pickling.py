"""Tasks as arguments, results and copies: what pickling one keeps."""

from __future__ import annotations

import copy
import functools
import json
import pickle
from pathlib import Path
from typing import Any

import cloudpickle
import pytest
from tests.helpers.processes import RunPython

from slurm import Cluster, Job, SlurmTask, WorkflowContext, task, workflow
from slurm.errors import SerializationError
from slurm.job_dir.payload import load_payload


@task
def bare(number: int) -> int:
    """Adds one."""
    return number + 1


@task(time="00:30:00", mem="4G", gres="gpu:1")
def tuned(number: int) -> int:
    return number


@workflow
def pipeline(ctx: WorkflowContext, rounds: int = 1) -> int:
    return rounds


def plain(number: int) -> int:
    return number * 2


renamed = task(plain)


def again(value: Any) -> Any:
    return pickle.loads(cloudpickle.dumps(value))  # noqa: S301 - just pickled


@pytest.mark.parametrize("some", [bare, tuned, pipeline, tuned.with_options(mem="9G"), renamed])
def test_a_task_survives_pickling(some: Any) -> None:
    for arrived in (again(some), copy.copy(some), copy.deepcopy({"deep": some})["deep"]):
        assert isinstance(arrived, SlurmTask)
        assert arrived.options == some.options
        assert arrived.name == some.name


def test_a_pickled_task_runs_the_same_function() -> None:
    assert again(bare).unwrapped is bare.unwrapped
    assert again(renamed).unwrapped(4) == 8


def test_a_workflow_stays_one_when_pickled(fake_cluster: Cluster) -> None:
    assert fake_cluster.dry_run(again(pipeline)).orchestrator


def test_a_task_made_in_a_function_survives_pickling() -> None:
    offset = 5

    @task(mem="7G")
    def inner(number: int) -> int:
        return number + offset

    arrived = again(inner)
    assert arrived.unwrapped(1) == 6
    assert arrived.options == {"mem": "7G"}


def test_a_task_of_a_partial_survives_pickling() -> None:
    assert again(task(functools.partial(plain, 4))).unwrapped() == 8


@pytest.mark.timeout(20)
def test_tasks_without_a_name_may_call_themselves_and_each_other(run_python: RunPython) -> None:
    """As in a notebook, where nothing has a name: the function pickles the task, which pickles the function."""
    program = (
        "import json, pickle\nfrom slurm import task\n"
        "from slurm.packaging.function_reference import refer_to\n"
        "@task\ndef product(n): return n and (n * product.unwrapped(n - 1) or n)\n"
        "@task\ndef even(n): return n == 0 or odd.unwrapped(n - 1)\n"
        "@task\ndef odd(n): return n != 0 and even.unwrapped(n - 1)\n"
        "sent = [pickle.loads(refer_to(t.unwrapped).pickled) for t in (product, even)]\n"
        "print(json.dumps([sent[0](4), sent[1](3), sent[1](4)]))\n"
    )
    assert json.loads(run_python("-c", program).stdout) == [24, False, True]


def test_a_packaging_survives_pickling() -> None:
    @task(packaging={"type": "none", "pythonpath": ["/lib"]})
    def inner() -> None:
        pass

    assert again(inner).packaging == {"type": "none", "pythonpath": ["/lib"]}


def test_a_pickled_task_does_not_forget_its_dependencies(fake_cluster: Cluster) -> None:
    """Refusing is as good: what must not happen is that the dependency is lost on the way."""
    with fake_cluster:
        job: Job[int] = bare(1)
        try:
            fake_cluster.dry_run(task(lambda some: some), bare.after(job))
        except (SerializationError, TypeError):
            return
        payload = load_payload(
            fake_cluster.dry_run(task(lambda some: some), bare.after(job)).files["payload.pkl"]
        )
    assert job.id.encode() in payload.arguments
    assert job.job_dir.encode() in payload.arguments


def test_a_task_of_a_script_survives_copying_and_pickling_there(
    tmp_path: Path, run_python: RunPython
) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import copy, json, pickle\nfrom slurm import task\n"
        "@task(mem='3G')\ndef f(): return 7\n"
        "tasks = [copy.deepcopy(f), pickle.loads(pickle.dumps(f))]\n"
        "print(json.dumps([[t.unwrapped(), dict(t.options)] for t in tasks]))\n"
    )
    assert json.loads(run_python(str(script)).stdout) == [[7, {"mem": "3G"}]] * 2
