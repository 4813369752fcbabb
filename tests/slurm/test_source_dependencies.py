"""A project with dependencies, one of them compiled, on nodes that have neither pip nor venv nor a network."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from tests.helpers.offline import cut_off
from tests.helpers.user_programs import Failed, result_of
from tests.helpers.wheels import only_from, write_wheel

import slurm
from slurm.testing import DockerCluster

pytestmark = pytest.mark.slurm

DEADLINE = 500
SDK = Path(slurm.__file__).parents[1]
PROJECT = """\
[project]
name = "mine"
version = "1"
requires-python = ">=3.9"
dependencies = ["slurm-tasks", "tiny"{more}]
"""
TASKS = """\
import subprocess, sys
from slurm import task, workflow
FACTOR = 10

@task
def evaluate(number):
    import tiny
    try:
        import numpy
        total = int(numpy.arange(number).sum())
    except ImportError:
        total = None
    tool = subprocess.check_output(["tiny-tool"], text=True).strip()
    return {"prefix": sys.prefix, "value": FACTOR * number, "total": total, "tool": tool, "python": sys.version_info[:2]}

@workflow
def flow():
    return [sys.prefix, *(job.get_result() for job in [evaluate(2), evaluate(3)])]
"""
PROGRAM = """\
import json, sys, time
from pathlib import Path
from slurm import Cluster
from mine.tasks import evaluate, flow

if __name__ == "__main__":
    slurmfile, base, how, what = sys.argv[1:5]
    packaging = {"type": "source", "dependencies": how} if how != "none" else {"type": "none"}
    overrides = {"job_base_dir": base, "packaging": packaging}
    with Cluster.from_env(slurmfile, overrides=overrides) as cluster:
        cluster.backend.host()  # it is connected
        begun = time.monotonic()
        job = flow() if what == "flow" else evaluate(4)
        taken = time.monotonic() - begun
        print(json.dumps({"result": job.get_result(300), "seconds": taken}))
"""


class Project:
    """A project on this machine, whose program submits to the dockerised cluster."""

    def __init__(self, folder: Path, docker: DockerCluster, base: str) -> None:
        self.folder, self.docker, self.base = folder / "mine", docker, base
        package = self.folder / "src" / "mine"
        package.mkdir(parents=True)
        (package / "__init__.py").touch()
        (package / "tasks.py").write_text(TASKS)
        (self.folder / "program.py").write_text(PROGRAM)
        self.require("")
        self.index = folder / "index"
        text = "def main():\n    print('the tool of tiny')\n"
        write_wheel(self.index, "tiny", files={"tiny.py": text}, command="tiny-tool = tiny:main")

    def require(self, more: str) -> None:
        (self.folder / "pyproject.toml").write_text(PROJECT.format(more=more))

    def run(self, how: str = "send", what: str = "", **environment: str) -> Any:
        path = os.pathsep.join([str(self.folder / "src"), str(SDK)])
        argv = [str(self.folder / "program.py"), str(self.docker.slurmfile), self.base, how, what]
        return result_of(argv, {**environment, "PYTHONPATH": path})


@pytest.fixture
def project(tmp_path: Path, slurm_cluster: DockerCluster, workdir: str) -> Project:
    cut_off(slurm_cluster)
    return Project(tmp_path, slurm_cluster, f"{workdir}/jobs")


def test_dependencies_reach_nodes_without_pip_and_a_workflows_jobs_inherit_them(
    project: Project,
) -> None:
    environment = {**only_from(project.index), "PATH": os.environ["PATH"]}
    prefix, *children = project.run(what="flow", **environment)["result"]
    assert prefix.startswith(f"{project.base}/.packages/env/")
    assert [one["prefix"] for one in children] == [prefix, prefix]
    assert [one["tool"] for one in children] == ["the tool of tiny"] * 2
    tasks = project.folder / "src/mine/tasks.py"
    tasks.write_text(TASKS.replace("FACTOR = 10", "FACTOR = 7"))
    edited = project.run(PIP_FIND_LINKS="/nowhere", PIP_NO_INDEX="1")["result"]
    assert (edited["prefix"], edited["value"]) == (prefix, 28)


def test_a_compiled_dependency_is_the_one_for_the_clusters_python(project: Project) -> None:
    """With numpy from the index of this machine's pip, which the client asks: the nodes have none."""
    project.require(', "numpy"')
    found = project.run(PIP_FIND_LINKS=str(project.index))["result"]
    assert found["total"] == 6
    assert found["prefix"].startswith(f"{project.base}/.packages/env/")


def test_where_no_index_can_be_asked_the_way_out_is_said(project: Project) -> None:
    """The nodes have no route to one."""
    with pytest.raises(Failed) as failed:
        project.run(how="index")
    assert "the index does not answer on the cluster: check the network" in str(failed.value)
    assert 'dependencies = "send"' in str(failed.value)
