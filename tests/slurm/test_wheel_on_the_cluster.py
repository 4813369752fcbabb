"""A wheel of a project and its dependencies, one of them compiled, on nodes that have neither pip nor venv nor a network."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from tests.helpers.counting_project import CountingProject
from tests.helpers.offline import cut_off
from tests.helpers.user_programs import Failed, result_of
from tests.helpers.wheels import only_from, write_wheel

import slurm
from slurm import Cluster
from slurm.testing import DockerCluster

pytestmark = pytest.mark.slurm

DEADLINE = 500
SDK = Path(slurm.__file__).parents[1]
TASKS = """\
import subprocess, sys
from slurm import task, workflow
WHERE = "as it was"

@task
def evaluate(number):
    try:
        import numpy
        total = int(numpy.arange(number).sum())
    except ImportError:
        total = None
    commands = [["mine-tool"], ["mine-script"], ["tiny-tool"]]
    said = [subprocess.check_output(one, text=True).strip() for one in commands]
    return {"prefix": sys.prefix, "file": __file__, "total": total, "said": said}

@workflow
def flow():
    return [sys.prefix, *(job.get_result() for job in [evaluate(2), evaluate(3)])]

def main():
    print("the tool of mine")
"""
TINY = "def main():\n    import mine.tasks, slurm\n    print(mine.tasks.WHERE, slurm.__version__)\n"
PROGRAM = """\
import json, sys, time
sys.path[:0] = sys.argv[1:3]
from slurm import Cluster
from mine.tasks import evaluate, flow

slurmfile, base, packaging, what = sys.argv[3:7]
overrides = {"job_base_dir": base, "packaging": json.loads(packaging)}
with Cluster.from_env(slurmfile, overrides=overrides) as cluster:
    cluster.backend.host()  # it is connected
    begun = time.monotonic()
    job = flow() if what == "flow" else evaluate(4)
    taken = time.monotonic() - begun
    print(json.dumps({"result": job.get_result(300), "seconds": taken}))
"""


class Project:
    """A project on this machine, whose program submits to the dockerised cluster."""

    def __init__(self, folder: Path, docker: DockerCluster, base: str, *requires: str) -> None:
        self.counted = CountingProject(folder, TASKS, "slurm-tasks", "tiny", *requires)
        self.folder, self.docker, self.base = folder, docker, base
        self.index = folder / "index"
        write_wheel(self.index, "tiny", files={"tiny.py": TINY}, command="tiny-tool = tiny:main")

    def run(self, dependencies: str = "send", what: str = "", **environment: str) -> Any:
        packaging = {"type": "wheel", "dependencies": dependencies, "build_isolation": False}
        places = [str(self.counted.folder), str(SDK), str(self.docker.slurmfile), self.base]
        argv = ["-c", PROGRAM, *places, json.dumps(packaging), what]
        more = {"XDG_CACHE_HOME": str(self.folder / "cache"), **environment}
        return result_of(argv, more, self.counted.folder)

    def alone(self) -> dict[str, str]:
        """Where no index can be asked: there are the wheels of the test."""
        return {**only_from(self.index), "PATH": os.environ["PATH"]}


def test_a_wheel_reaches_nodes_without_pip_and_a_workflows_jobs_inherit_it(
    tmp_path: Path, slurm_cluster: DockerCluster, cluster: Cluster, workdir: str
) -> None:
    cut_off(slurm_cluster)
    project = Project(tmp_path, slurm_cluster, f"{workdir}/jobs")
    prefix, *children = project.run(what="flow", **project.alone())["result"]
    assert prefix.startswith(f"{project.base}/.packages/env/")
    for child in children:
        assert child["prefix"] == prefix
        assert child["file"].startswith(prefix)
        theirs = f"as it was {slurm.__version__}"
        assert child["said"] == ["the tool of mine", "as it was", theirs]
    assert len(project.counted.builds) == 1
    project.counted.tasks.write_text(TASKS.replace("as it was", "as it is now"))
    edited = project.run(PIP_FIND_LINKS="/nowhere", PIP_NO_INDEX="1")["result"]
    assert edited["prefix"] != prefix
    assert edited["said"][1:] == ["as it is now", f"as it is now {slurm.__version__}"]
    assert len(project.counted.builds) == 2
    # Two of wheels, and the one of what both depend on.
    folder = f"{project.base}/.packages/env"
    environments = [one for one in cluster.backend.list_directory(folder) if "." not in one]
    assert len(environments) == 3


@pytest.mark.matrix
def test_a_compiled_dependency_is_the_one_for_the_clusters_python(
    tmp_path: Path, slurm_cluster: DockerCluster, workdir: str
) -> None:
    """With numpy from the index of this machine's pip, which the client asks: the nodes have none."""
    cut_off(slurm_cluster)
    project = Project(tmp_path, slurm_cluster, f"{workdir}/jobs", "numpy")
    assert project.run(PIP_FIND_LINKS=str(project.index))["result"]["total"] == 6


def test_where_no_index_can_be_asked_the_way_out_is_said(
    tmp_path: Path, slurm_cluster: DockerCluster, workdir: str
) -> None:
    """The nodes have no route to one."""
    cut_off(slurm_cluster)
    project = Project(tmp_path, slurm_cluster, f"{workdir}/jobs")
    with pytest.raises(Failed) as failed:
        project.run("index")
    assert "the index does not answer on the cluster: check the network" in str(failed.value)
    assert 'dependencies = "send"' in str(failed.value)
