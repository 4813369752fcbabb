"""What is sent by value needs the Python of this program in the job: the one that the job really runs with."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.helpers.fakes import FakeBackend, request_of
from tests.helpers.site_pythons import OTHER, another_python, conda_prefix, this_python

from slurm import Cluster, task
from slurm.callbacks import BaseCallback, ExecutionLocus
from slurm.errors import SerializationError
from slurm.packaging import Environment, PackagingStrategy

HERE = f"{sys.version_info[0]}.{sys.version_info[1]}"
THERE = f"{OTHER[0]}.{OTHER[1]}"


@task
def plain(*args: Any) -> None:
    pass


class Elsewhere(PackagingStrategy):
    """A user's own, with an interpreter that it names; `lines` come before it."""

    def __init__(self, *, python: str, lines: list[str]) -> None:
        self.python = python
        self.lines = lines

    def prepare(self, task: Any, cluster: Cluster) -> Environment:
        return Environment([self.python], self.lines)


@pytest.fixture
def other(tmp_path: Path) -> str:
    """A stand-in for a Python of another version."""
    return another_python(tmp_path / "bin/python3")


@pytest.fixture
def on_other(tmp_path: Path, local_base: Path, other: str) -> Iterator[Cluster]:
    """A cluster whose interpreter is another one than this program's."""
    with Cluster("local", job_base_dir=local_base, python=other) as cluster:
        yield cluster
    cluster.close()


def packagings(folder: Path, other: str) -> dict[str, Any]:
    (folder / "p/.venv/bin").mkdir(parents=True)
    another_python(folder / "p/.venv/bin/python")
    another_python(conda_prefix(folder / "conda") / "bin/python")
    return {
        "python": {"type": "none", "python": other},
        "setup": {"type": "none", "setup": [f"PATH={folder}/bin:$PATH"], "python": "python3"},
        "conda": {"type": "none", "conda": f"{folder}/conda"},
        "uv": {"type": "none", "uv": f"{folder}/p"},
        "own": Elsewhere(python=other, lines=[]),
        "own with lines": Elsewhere(python=other, lines=["true"]),
    }


@pytest.mark.parametrize("kind", ["python", "setup", "conda", "uv", "own", "own with lines"])
def test_it_is_the_packagings_python_that_counts(
    kind: str, local: Cluster, tmp_path: Path, other: str
) -> None:
    packaging = packagings(tmp_path, other)[kind]
    before = local.get_queue()
    with pytest.raises(SerializationError) as caught:
        task(packaging=packaging)(lambda: 1)()
    message = str(caught.value)
    assert f"have {THERE}, this is {HERE}. Define it in a module" in message
    assert f"name an interpreter there that is {HERE} with the packaging's python" in message
    assert f"or run this program with Python {THERE}" in message
    assert "\n" not in message
    assert local.get_queue() == before


def test_every_way_by_value_is_checked(on_other: Cluster) -> None:
    def inner() -> int:
        return 1

    class Local(BaseCallback):
        locus = ExecutionLocus.RUNNER

        def on_completed_ctx(self, ctx: Any) -> None:
            """The class is not found by any name."""

    refused = pytest.raises(SerializationError, match=f"jobs there have {THERE}, this is {HERE}")
    with refused:
        task(inner)()
    with refused:
        plain(inner)
    with refused:
        plain.map([inner]).jobs  # noqa: B018 - it is submitted when it is needed
    with refused:
        plain.with_options(mem="10M").submit(on_other)(inner)
    with on_other.executor() as executor, refused:
        executor.submit(inner).result(60)
    with refused, Cluster("local", callbacks=[Local()], **_settings(on_other)):
        plain()


def _settings(cluster: Cluster) -> dict[str, Any]:
    return {"job_base_dir": cluster.job_base_dir, "python": cluster.python}


def test_with_the_same_python_in_the_packaging_another_one_of_the_cluster_is_no_obstacle(
    on_other: Cluster, tmp_path: Path
) -> None:
    same = this_python(tmp_path / "same/python3")
    double = task(packaging={"type": "none", "python": str(same)})(lambda number: 2 * number)
    assert double(4).get_result(60) == 8


def test_where_nobody_can_tell_it_is_not_refused(
    fake_cluster: Cluster, backend: FakeBackend
) -> None:
    """Lines of a user's own strategy are for nodes; and an interpreter may be there alone."""
    backend.program_answer = (127, b"")
    for python, lines in (("python3", ["module load python"]), ("/nodes/python3", [])):
        strategy = Elsewhere(python=python, lines=lines)
        task(packaging=strategy)(lambda: 1).submit(fake_cluster)()
    assert len(backend.requests) == 2


@pytest.mark.parametrize("packaging", ["none", "source"])
def test_it_is_the_clusters_python_where_no_packaging_names_another(
    packaging: str, backend: FakeBackend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that is on the PATH, as over ssh. The lines of the job script that look for copies do not change that."""
    there = backend.host()._replace(python=(*OTHER, 0))
    monkeypatch.setattr(backend, "host", lambda: there)
    monkeypatch.setattr(FakeBackend, "shares_filesystem", False)
    cluster = Cluster(backend, job_base_dir=str(tmp_path / "jobs"), python="python3")
    with pytest.raises(SerializationError, match=rf"have {THERE}, this is {HERE}"):
        request_of(cluster, task(packaging={"type": packaging})(lambda: 1))
    cluster.close()
