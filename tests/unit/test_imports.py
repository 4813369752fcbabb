"""`import slurm`: the public names, in any order, and at next to no cost."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tests.helpers.processes import RunPython

import slurm

SPECIFIED = [
    *(
        "task",
        "workflow",
        "Job",
        "ArrayJob",
        "Cluster",
        "SlurmTask",
        "JobContext",
        "WorkflowContext",
    ),
    *("get_active_context", "set_active_context", "reset_active_context"),
]
STATEMENTS = [
    "from slurm import task, workflow",
    "import slurm.task",
    "from slurm.workflow import WorkflowContext",
    "from slurm import Cluster, WorkflowContext",
    "import importlib; importlib.import_module('slurm.workflow')",
]
CHECK = """
import slurm, types
from slurm import task, workflow
from slurm.decorators import task as t, workflow as w
assert task is slurm.task is t, task
assert workflow is slurm.workflow is w, workflow
assert task(lambda: 1).unwrapped() == workflow(lambda: 1).unwrapped() == 1
"""
# In one interpreter that forgets the package between two orders: a new one each would take long.
IN_EVERY_ORDER = """
import itertools, json, sys
statements, check = json.load(sys.stdin)
for order in itertools.permutations(statements, 2):
    for name in [name for name in sys.modules if name.split('.')[0] == 'slurm']:
        del sys.modules[name]
    for statement in order:
        exec(statement, {})
        exec(check, {})
"""
# What each step has loaded by its end.
STEPS = """
import sys
start, seen = set(sys.modules), []
import slurm
seen.append(set(sys.modules) - start)
from slurm import task, workflow
@task(mem='1G')
def f(): pass
seen.append(set(sys.modules) - start)
import slurm.runner.execute
seen.append(set(sys.modules) - start)
import json
print(json.dumps([sorted(loaded) for loaded in seen]))
"""

PROGRAM = """
import sys
start = set(sys.modules)
from slurm import Cluster, task
loaded = sorted(set(sys.modules) - start)
import json
print(json.dumps(loaded))
"""

PREPARED = """
import sys
from slurm import Cluster, task
from mine import add
request = Cluster("local").dry_run(task(add), 1, 2)
assert "payload.pkl" in request.files, request
import json
print(json.dumps(sorted(sys.modules)))
"""

BACKENDS = """
import json, sys
import slurm.api
before = sorted(sys.modules)
from slurm.api import BackendBase, SSHCommandBackend
assert issubclass(SSHCommandBackend, BackendBase)
assert set(slurm.api.__all__) <= set(dir(slurm.api))
try:
    slurm.api.Backend
except AttributeError as error:
    assert "'slurm.api' has no attribute 'Backend'" in str(error)
else:
    raise AssertionError("there is no such name")
print(json.dumps([before, {name: getattr(slurm.api, name).__module__ for name in slurm.api.__all__}]))
"""


@pytest.mark.local
def test_task_and_workflow_are_decorators_in_every_import_order() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", IN_EVERY_ORDER],
        input=json.dumps([STATEMENTS, CHECK]),
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_nothing_loads_more_than_it_needs(run_python: RunPython) -> None:
    done = run_python("-c", STEPS)
    package, task, runner = (set(loaded) for loaded in json.loads(done.stdout))
    assert {name for name in package if name.startswith("slurm")} == {"slurm", "slurm._version"}
    heavy = {"asyncio", "subprocess", "socket", "cloudpickle", "pytest", "inspect", "dataclasses"}
    assert not heavy & package
    assert not third_party(package | task | runner)
    # A job starts in the time that its imports take.
    late = {
        "slurm.submit.calls",
        "slurm.cluster",
        "slurm.packaging.function_reference",
        "slurm.runtime",
        "slurm.workflow",
    }
    late |= {"asyncio", "dataclasses", "datetime", "hashlib", "inspect", "pathlib", "traceback"}
    assert not late & (task | runner)


def test_what_every_program_imports_makes_no_data_classes_and_leaves_the_rest(
    run_python: RunPython,
) -> None:
    done = run_python("-c", PROGRAM)
    loaded = set(json.loads(done.stdout))
    assert "slurm.cluster" in loaded
    assert not third_party(loaded)
    late = {"dataclasses", "inspect", "hashlib", "subprocess", "socket", "random", "queue"}
    late |= {"json", "logging", "pickle"}
    late |= {"slurm.array_job", "slurm.usage", "slurm.rendering", "slurm.tracking.tracker"}
    # What a cluster is made of comes with the first one.
    late |= {
        "slurm.api.base",
        "slurm.api.requests",
        "slurm.job_dir.arguments",
        "slurm.job_dir.result",
        "slurm.packaging.base",
    }
    late |= {"slurm.job", "slurm.states", "slurm.submit.submitter", "slurm.submit.batch"}
    assert not late & loaded


def test_a_call_is_prepared_without_what_takes_long_and_few_need(
    run_python: RunPython, tmp_path: Path
) -> None:
    (tmp_path / "mine.py").write_text("def add(first, second):\n    return first + second\n")
    done = run_python("-c", PREPARED)
    loaded = set(json.loads(done.stdout))
    assert {"slurm.tracking.tracker", "slurm.submit.prepare"} <= loaded
    assert not {"random", "zipfile", "_strptime", "slurm.submit.batch", "slurm.array_job"} & loaded


def third_party(modules: set[str]) -> set[str]:
    known = sys.stdlib_module_names | {"slurm"}
    return {
        name for name in modules if name.split(".")[0] not in known and not name.startswith("_")
    }


@pytest.mark.parametrize("name", sorted({*SPECIFIED, *slurm.__all__}))
def test_every_public_name_is_there_and_listed(name: str) -> None:
    assert getattr(slurm, name) is not None
    assert name in slurm.__all__
    assert name in dir(slurm)


def test_the_backends_are_names_of_their_room_and_loaded_when_used(run_python: RunPython) -> None:
    done = run_python("-c", BACKENDS)
    before, backends = json.loads(done.stdout)
    assert not [name for name in before if name.startswith("slurm.api.")]
    assert backends == {
        "BackendBase": "slurm.api.base",
        "LocalBackend": "slurm.api.local",
        "SSHCommandBackend": "slurm.api.ssh",
        "SlurmCliBackend": "slurm.api.slurm_cli",
    }


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="'slurm' has no attribute 'Taks'"):
        _ = slurm.Taks
    with pytest.raises(ImportError, match="Taks"):
        exec("from slurm import Taks")  # noqa: S102 - a misspelt import
