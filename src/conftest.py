"""Where the examples in docstrings run: a home of their own, and in it one local scheduler for them all.

Beside what it makes itself, an example may use

- `double`, a task that doubles a number
- `cluster`, the one of ``Cluster("local")``
- `job`, which ``double(21)`` gave there, and `array`, which ``double.map([1, 2, 3])`` did; both have ended
- `ctx`, the context of a workflow in which ``double(21)`` has run once
"""

from __future__ import annotations

import ast
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from _pytest.doctest import DoctestModule
from filelock import FileLock

from slurm import (
    ArrayJob,
    Cluster,
    Job,
    SlurmTask,
    WorkflowContext,
    reset_active_context,
    set_active_context,
    task,
)
from slurm.api.local import LocalBackend

PROVIDED = ("double", "cluster", "job", "array", "ctx")


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """The modules with examples. ``--doctest-modules`` would look for some in all tests as well."""
    if file_path.suffix == ".py" and ">>>" in file_path.read_text("utf-8"):
        return DoctestModule.from_parent(parent, path=file_path)
    return None


@pytest.fixture(autouse=True)
def example(
    request: pytest.FixtureRequest,
    doctest_namespace: dict[str, Any],
    home: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Run an example in an empty directory, outside of any job, with what it uses of the above."""
    for name in os.environ:
        if name.startswith(("SLURM", "SBATCH")) or name == "JOB_DIR":
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(tmp_path)
    wanted = names_missing_in("".join(one.source for one in request.node.dtest.examples))
    for name in wanted.intersection(PROVIDED):
        doctest_namespace[name] = request.getfixturevalue(name)


def names_missing_in(source: str) -> set[str]:
    """The names that a program uses without having made them."""
    nodes = list(ast.walk(ast.parse(source)))
    names = [node for node in nodes if isinstance(node, ast.Name)]
    made = {name.id for name in names if isinstance(name.ctx, ast.Store)}
    made |= {node.name for node in nodes if isinstance(node, ast.FunctionDef)}
    return {name.id for name in names} - made


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The home of all examples. Processes of pytest-xdist share it, and with it the jobs above."""
    folder = tmp_path_factory.getbasetemp()
    home = (folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder) / "home"
    home.mkdir(mode=0o700, exist_ok=True)
    yield home
    # Another process may still have jobs there: they go on, and its next request starts the scheduler again.
    LocalBackend(state_dir=str(home / "slurm_jobs/.local")).shutdown()


@pytest.fixture(scope="session")
def double() -> SlurmTask[[int], int]:
    @task
    def double(number: int) -> int:
        return 2 * number

    return double


@pytest.fixture(scope="session")
def cluster(home: Path) -> Iterator[Cluster]:
    made = Cluster("local", job_base_dir=home / "slurm_jobs")
    yield made
    made.close()


@pytest.fixture(scope="session")
def job(cluster: Cluster, double: SlurmTask[[int], int]) -> Job[int]:
    made = double.submit(cluster, key="the job of the examples")(21)
    made.wait()
    return made


@pytest.fixture(scope="session")
def array(home: Path, cluster: Cluster, double: SlurmTask[[int], int]) -> ArrayJob[Any]:
    known = home / "array"
    with FileLock(f"{known}.lock"):
        if not known.exists():
            made = cluster.map(double, [1, 2, 3])
            made.wait()
            known.write_text(made.id)
    return cluster.get_array(known.read_text())


@pytest.fixture(scope="session")
def ctx(cluster: Cluster, double: SlurmTask[[int], int]) -> WorkflowContext:
    directory = Path(cluster.job_base_dir) / "pipeline" / "20250107_140000_0a1b2c3d"
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    context = WorkflowContext(cluster, "7", directory)
    token = set_active_context(context)
    double.submit(key="the run of the examples")(21).wait()
    reset_active_context(token)
    return context
