"""The examples in docstrings, run as doctests: in a home of their own, on one local scheduler for them all.

Beside what it makes itself, an example may use what `Lent` has.
"""

from __future__ import annotations

import ast
import doctest
import importlib
import os
import pkgutil
from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

import slurm
from slurm import ArrayJob, Cluster, Job, SlurmTask, WorkflowContext, task
from slurm.api.base import BackendBase
from slurm.api.local import LocalBackend
from slurm.context import activated
from slurm.executor import JobFuture

pytestmark = pytest.mark.local

FLAGS = doctest.ELLIPSIS | doctest.REPORT_NDIFF


class Lent:
    """What examples may use without having made it. Each is made when the first one does."""

    def __init__(self, home: Path) -> None:
        self._home = home

    @cached_property
    def double(self) -> SlurmTask[[int], int]:
        """A task that doubles a number."""

        @task
        def double(number: int) -> int:
            return 2 * number

        return double

    @cached_property
    def cluster(self) -> Cluster:
        """The one of ``Cluster("local")``."""
        return Cluster("local", job_base_dir=self._home / "slurm_jobs")

    @cached_property
    def job(self) -> Job[int]:
        """``double(21)``, which has ended."""
        job = self.double.submit(self.cluster, key="the job of the examples")(21)
        job.wait()
        return job

    @cached_property
    def backend(self) -> BackendBase:
        """The one of `cluster`."""
        return self.cluster.backend

    @cached_property
    def future(self) -> JobFuture[int]:
        """That of ``executor.submit(double, 21)``, which has ended."""
        with self.cluster.executor() as executor:
            return executor.submit(self.double, 21)

    @cached_property
    def array(self) -> ArrayJob[int]:
        """``double.map([1, 2, 3])``, which has ended."""
        known = self._home / "array"
        with FileLock(f"{known}.lock"):
            if not known.exists():
                array = self.cluster.map(self.double, [1, 2, 3])
                array.wait()
                known.write_text(array.id)
        found: ArrayJob[int] = self.cluster.get_array(known.read_text())
        found.wait()
        return found

    @cached_property
    def ctx(self) -> WorkflowContext:
        """The context of a workflow in which ``double(21)`` has run once."""
        directory = Path(self.cluster.job_base_dir) / "pipeline" / "20250107_140000_0a1b2c3d"
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        context = WorkflowContext(self.cluster, "7", directory)
        with activated(context):
            self.double.submit(key="the run of the examples")(21).wait()
        return context

    def for_example(self, example: doctest.DocTest) -> dict[str, Any]:
        """By name, what the example uses and has not made."""
        nodes = list(ast.walk(ast.parse("".join(one.source for one in example.examples))))
        names = [node for node in nodes if isinstance(node, ast.Name)]
        made = {name.id for name in names if isinstance(name.ctx, ast.Store)}
        made |= {node.name for node in nodes if isinstance(node, ast.FunctionDef)}
        used = {name.id for name in names} - made
        return {name: getattr(self, name) for name in used & LENT}


LENT = {name for name, value in vars(Lent).items() if isinstance(value, cached_property)}


@pytest.fixture(scope="session")
def home(
    tmp_path_factory: pytest.TempPathFactory, lend_sdk: Callable[[Path], None]
) -> Iterator[Path]:
    """The home of all examples. Processes of pytest-xdist share it, and with it the jobs above."""
    folder = tmp_path_factory.getbasetemp()
    home = (folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder) / "home"
    with FileLock(f"{home}.lock"):
        if not home.exists():
            lend_sdk(home / "slurm_jobs")
    yield home
    # Another process may still have jobs there: they go on, and its next request starts the scheduler again.
    LocalBackend(state_dir=str(home / "slurm_jobs/.local")).shutdown()


@pytest.fixture(scope="session")
def lent(home: Path) -> Iterator[Lent]:
    lent = Lent(home)
    yield lent
    lent.cluster.close()


def modules_with_examples() -> Iterator[str]:
    for found in pkgutil.walk_packages(slurm.__path__, "slurm."):
        path = Path(slurm.__file__).parents[1] / found.name.replace(".", "/")
        path = path / "__init__.py" if found.ispkg else path.with_suffix(".py")
        if ">>>" in path.read_text("utf-8"):
            yield found.name


@pytest.mark.parametrize("module", list(modules_with_examples()))
def test_the_examples_of_a_module_do_what_they_show(
    module: str, lent: Lent, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(home))
    said: list[str] = []
    for example in doctest.DocTestFinder().find(importlib.import_module(module)):
        if not example.examples:
            continue
        folder = tmp_path / example.name
        folder.mkdir()
        monkeypatch.chdir(folder)
        example.globs.update(lent.for_example(example))
        doctest.DocTestRunner(optionflags=FLAGS).run(example, out=said.append)
    assert "".join(said) == ""
