"""`import slurm`: the public names, in any order, and at next to no cost."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from tests.unit.processes import RunPython

import slurm

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


def test_task_and_workflow_are_decorators_in_every_import_order() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", IN_EVERY_ORDER],
        input=json.dumps([STATEMENTS, CHECK]),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    "first", ["from slurm.workflow import WorkflowContext", "import slurm.task"]
)
def test_a_submodule_imported_after_the_decorators_does_not_replace_them(
    first: str, run_python: RunPython
) -> None:
    run_python(
        "-c",
        "import slurm; before = slurm.task, slurm.workflow\n"
        f"{first}\nassert before == (slurm.task, slurm.workflow)\n{CHECK}",
    )


def test_importing_slurm_loads_nothing_else(run_python: RunPython) -> None:
    done = run_python(
        "-c",
        "import sys; before = set(sys.modules); import slurm\n"
        "import json; print(json.dumps(sorted(set(sys.modules) - before)))",
    )
    loaded = set(json.loads(done.stdout)) - {"json", "json.decoder", "json.encoder", "json.scanner"}
    assert {name for name in loaded if name.startswith("slurm")} == {"slurm", "slurm._version"}
    heavy = {"asyncio", "subprocess", "socket", "cloudpickle", "pytest", "inspect", "dataclasses"}
    assert not heavy & {name.split(".")[0] for name in loaded}
    assert not third_party(loaded)


def test_making_tasks_loads_no_third_party_module(run_python: RunPython) -> None:
    done = run_python(
        "-c",
        "import sys; before = set(sys.modules)\n"
        "from slurm import task, workflow\n@task(mem='1G')\ndef f(): pass\n"
        "import json; print(json.dumps(sorted(set(sys.modules) - before)))",
    )
    loaded = set(json.loads(done.stdout))
    assert not third_party(loaded)
    assert "asyncio" not in loaded


def third_party(modules: set[str]) -> set[str]:
    known = sys.stdlib_module_names | {"slurm"}
    return {
        name for name in modules if name.split(".")[0] not in known and not name.startswith("_")
    }


@pytest.mark.parametrize("name", slurm.__all__)
def test_every_public_name_is_there_and_listed(name: str) -> None:
    assert getattr(slurm, name) is not None
    assert name in dir(slurm)


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="'slurm' has no attribute 'Taks'"):
        _ = slurm.Taks
    with pytest.raises(ImportError, match="Taks"):
        exec("from slurm import Taks")  # noqa: S102 - a misspelt import
