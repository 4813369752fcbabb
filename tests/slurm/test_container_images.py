"""A project with dependencies, one compiled, in images that are built here and copied to the cluster: nothing is pulled.

The image is built from the cluster's own base image, which mmdebstrap has made where no registry answers. The project's
code travels beside it. The nodes have no route to an index.
"""

from __future__ import annotations

import json
import os
import platform
import secrets
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.helpers.offline import cut_off
from tests.helpers.wheels import write_wheel

import slurm
from slurm import Cluster
from slurm.testing import DockerCluster

pytestmark = [pytest.mark.slurm, pytest.mark.matrix]

TIMEOUT = 580
SDK = Path(slurm.__file__).parents[1]
IMAGE = "slurm-tasks-test"
PYTHON = "3.13"  # Debian's
DOCKERFILE = f"""\
FROM debian:trixie-slim
RUN apt-get update \\
 && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends python3 slurm-client \\
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/*
COPY wheels /wheels
RUN for wheel in /wheels/*.whl; do python3 -m zipfile -e "$wheel" /usr/local/lib/python{PYTHON}/dist-packages; done
ENV GREETING="from the image"
WORKDIR /opt
"""
TASKS = """\
import os
from pathlib import Path
from slurm import task, workflow

HERE = Path(__file__).parents[2]
FACTOR = 10
SMALL = {"time": "00:05:00", "mem": "400M"}

@task(**SMALL)
def train(folder, number):
    import numpy, tiny
    path = Path(folder) / f"weights-{number}.npy"
    numpy.save(path, numpy.arange(number) * FACTOR)
    return str(path)

@task(**SMALL)
def evaluate(path):
    import numpy
    Path(path).with_suffix(".txt").write_text(f"{numpy.load(path).sum()}\\n")
    return about()

def about():
    return [os.environ.get("GREETING"), Path("/wheels").is_dir()]

@workflow(**SMALL)
def flow(folder):
    jobs = [evaluate(train(folder, number)) for number in (3, 5)]
    return [about(), *jobs]

OWN = {"type": "container", "image": "slurm-tasks-test", "context": str(HERE), "runtime": "charliecloud", "source": True}

@task(packaging=OWN, **SMALL)
def in_its_own(folder):
    return [train.unwrapped(folder, 4), *about()]

@workflow(packaging="none", **SMALL)
def mixed(folder):
    return [about(), in_its_own(folder)]
"""
PROGRAM = """\
import json, logging, sys, time
from slurm import Cluster
from mine import tasks

if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    slurmfile, base, packaging, function, *arguments = json.loads(sys.argv[1])
    overrides = {"job_base_dir": base, "packaging": packaging}
    with Cluster.from_env(slurmfile, overrides=overrides) as cluster:
        cluster.backend.make_directory(arguments[0])
        job = getattr(tasks, function)(*arguments)
        print(json.dumps([job.get_result(500), job.job_dir]))
"""
# For Slurm's commands in the container: they ask munge, and Charliecloud's own list of users has no SlurmUser.
OF_SLURM = ["/run/munge", "/etc/slurm", "/etc/passwd"]


class Project:
    """A project on this machine, whose program submits to the dockerised cluster."""

    def __init__(self, folder: Path, docker: DockerCluster) -> None:
        self.folder, self.docker = folder, docker
        self.base = f"/shared/work/{secrets.token_hex(6)}"
        self.tasks = folder / "src" / "mine" / "tasks.py"
        self.tasks.parent.mkdir(parents=True)
        (self.tasks.parent / "__init__.py").touch()
        self.tasks.write_text(TASKS)
        (folder / "program.py").write_text(PROGRAM)
        (folder / "pyproject.toml").write_text("[project]\nname = 'mine'\nversion = '1'\n")
        (folder / "Dockerfile").write_text(DOCKERFILE)
        (folder / ".dockerignore").write_text("*\n!wheels\n")
        write_wheel(folder / "wheels", "tiny", files={"tiny.py": "NAME = 'tiny'\n"})
        self.log = ""

    def download(self, name: str) -> None:
        """Get a compiled package for the image's Python, from the index that this machine's pip is configured with."""
        tags = [f"manylinux_2_{minor}_{platform.machine()}" for minor in (17, 27, 28, 34)]
        where = ["--dest", str(self.folder / "wheels"), "--python-version", PYTHON]
        where += [word for tag in tags for word in ("--platform", tag)]
        argv = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", *where, name]
        subprocess.run([*argv, "--only-binary=:all:"], check=True, timeout=TIMEOUT)

    def run(self, packaging: Any, function: str, folder: str) -> tuple[Any, list[Any]]:
        """What a workflow returns, and the metadata of its job and of theirs, by their paths.

        What the program says meanwhile is in `log`.
        """
        given = [str(self.docker.slurmfile), f"{self.base}/jobs", packaging, function, folder]
        path = os.pathsep.join([str(self.folder / "src"), str(SDK)])
        done = subprocess.run(
            [sys.executable, str(self.folder / "program.py"), json.dumps(given)],
            env={**os.environ, "PYTHONPATH": path},
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        self.log = done.stderr
        result, job_dir = json.loads(done.stdout)
        with Cluster.from_env(self.docker.slurmfile) as cluster:
            files = cluster.backend.collect_metadata(job_dir, 100).files
        return result, [json.loads(files[path]) for path in sorted(files)]

    def there(self, *argv: str) -> str:
        """What a program prints on the login node."""
        return self.docker.exec("login", argv, user="dev").stdout

    def artifacts(self, folder: str) -> str:
        """The checksums of what jobs have left in a folder there."""
        return self.there("sh", "-c", 'cd "$1" && sha256sum -- *', "sh", folder)


@pytest.fixture(scope="module")
def project(
    tmp_path_factory: pytest.TempPathFactory, containers: DockerCluster
) -> Iterator[Project]:
    cut_off(containers)
    made = Project(tmp_path_factory.mktemp("project"), containers)
    made.download("numpy")
    yield made
    listed = ["docker", "images", "--quiet", "--no-trunc", IMAGE]
    ids = subprocess.run(listed, capture_output=True, text=True, check=True).stdout.split()
    subprocess.run(["docker", "rmi", "--force", *set(ids)], capture_output=True, check=True)


def packaging(project: Project, runtime: str) -> dict[str, Any]:
    """The image of the project's dependencies, and its code."""
    settings = {"type": "container", "image": IMAGE, "context": str(project.folder)}
    return {**settings, "runtime": runtime, "source": True, "mounts": [*OF_SLURM, project.base]}


def test_a_project_leaves_the_same_artifacts_with_each_runtime_and_its_workflows_jobs_inherit(
    project: Project,
) -> None:
    artifacts = set()
    for runtime in ("charliecloud", "slurm-oci", "podman"):
        folder = f"{project.base}/{runtime}"
        result, jobs = project.run(packaging(project, runtime), "flow", folder)
        assert result == [["from the image", True]] * 3
        artifacts.add(project.artifacts(folder))
        images = [about["image"] for about in jobs]
        assert images == [images[0]] * 5
        assert images[0]["runtime"] == runtime
        assert images[0]["name"].startswith(f"{project.base}/jobs/.packages/images/{IMAGE}-")
        assert images[0]["digest"].removeprefix("sha256:")[:16] in images[0]["name"]
    [one] = artifacts
    assert len(one.splitlines()) == 4


def test_an_edit_needs_no_new_image_and_the_next_program_sends_none(project: Project) -> None:
    folder = f"{project.base}/edited"
    project.run(packaging(project, "charliecloud"), "flow", folder)
    before = project.artifacts(folder)
    project.tasks.write_text(TASKS.replace("FACTOR = 10", "FACTOR = 7"))
    project.run(packaging(project, "charliecloud"), "flow", folder)
    assert not [word for word in ("building", "saving", "sending") if word in project.log]
    assert project.artifacts(folder) != before


def test_a_task_with_an_image_of_its_own_has_it_made_when_its_workflow_is_submitted(
    project: Project,
) -> None:
    folder = f"{project.base}/jobs/mixed"
    result, jobs = project.run("none", "mixed", folder)
    assert result == [[None, False], [f"{folder}/weights-4.npy", "from the image", True]]
    assert [about.get("image", {}).get("runtime") for about in jobs] == [None, "charliecloud"]
