"""The same programs under each packaging, on nodes that have no route to an index, with the same artifacts.

Two of them: the train/eval example, and `tests/downstream`, a project with a compiled dependency, which are given the
packaging in their Slurmfile and nothing else.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.helpers.offline import cut_off

import slurm
from slurm import Cluster
from slurm.testing import DockerCluster
from slurm.testing.plugin import SHARED

pytestmark = [pytest.mark.slurm, pytest.mark.matrix]

TIMEOUT = 600.0
DOWNSTREAM = Path(__file__).parents[1] / "downstream"
SDK = Path(slurm.__file__).parents[1]
# For Slurm's commands in a container: they ask munge, and Charliecloud's own list of users has no SlurmUser.
OF_SLURM = ["/run/munge", "/etc/slurm", "/etc/passwd", "/shared/work"]
IMAGE = {"type": "container", "image": "slurm-tasks-downstream", "mounts": OF_SLURM}
PACKAGINGS: dict[str, dict[str, Any]] = {
    "source": {"type": "source", "dependencies": "send"},
    "wheel": {"type": "wheel", "dependencies": "send"},
    "podman": {**IMAGE, "runtime": "podman"},
    "charliecloud": {**IMAGE, "runtime": "charliecloud"},
}
RUNTIMES = ("podman", "charliecloud")
EVERY_PACKAGING = pytest.mark.parametrize("name", PACKAGINGS)
TABLE = """\
  degree    error
--------  -------
       1       36
       2       36
       3        0"""
# What the example has left under the packagings that were tried by then.
LEFT: list[Any] = []


@pytest.fixture(scope="module")
def site(pytestconfig: pytest.Config) -> DockerCluster:
    """A cluster whose nodes reach each other, and nothing else."""
    if pytestconfig.getoption("--slurm-release") != "trixie":
        pytest.skip("the image is one of Debian 13, with its Slurm")
    shared = replace(pytestconfig.stash[SHARED], purpose="offline", options={"containers": True})
    site = shared.bring_up()
    cut_off(site)
    return site


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The user's project, in a directory of its own as it is on his laptop."""
    folder = tmp_path_factory.mktemp("home") / "curves"
    shutil.copytree(DOWNSTREAM, folder, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


@pytest.fixture
def connected(site: DockerCluster) -> Iterator[Cluster]:
    cluster = Cluster.from_env(site.slurmfile)
    try:
        yield cluster
    finally:
        cluster.close()


class Program:
    """A user's program, whose Slurmfile names a packaging."""

    def __init__(self, site: DockerCluster, project: Path, folder: Path) -> None:
        self.project = project
        self.slurmfile = folder / "Slurmfile.toml"
        self.given = site.slurmfile.read_text()
        assert "[default.packaging]" not in self.given
        self.base = (
            "/shared/work/packagings"  # for all: the second finds what the first one has sent
        )

    def package(self, name: str, **more: Any) -> None:
        packaging = {**PACKAGINGS[name], **more}
        if packaging["type"] == "container":
            packaging["dockerfile"] = str(self.project / "Dockerfile")
        lines = [f"{key} = {json.dumps(value)}" for key, value in packaging.items()]
        text = self.given.replace("~/slurm_jobs", self.base)
        assert self.base in text
        self.slurmfile.write_text("\n".join([text, "[default.packaging]", *lines, ""]))

    def run(self, *argv: str) -> str:
        path = os.pathsep.join([str(self.project / "src"), str(SDK)])
        done = subprocess.run(
            [sys.executable, *argv],
            cwd=self.project,
            env={**os.environ, "PYTHONPATH": path},
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture
def program(site: DockerCluster, project: Path, tmp_path: Path) -> Program:
    return Program(site, project, tmp_path)


@pytest.fixture
def folder(connected: Cluster) -> str:
    return f"/shared/work/{secrets.token_hex(6)}"


@EVERY_PACKAGING
def test_a_project_with_a_compiled_dependency_runs_and_its_workflows_jobs_inherit(
    name: str, program: Program, connected: Cluster, folder: str
) -> None:
    program.package(name, **({"source": True} if name in RUNTIMES else {}))
    found = json.loads(program.run("fit_curves.py", str(program.slurmfile), folder))
    assert found["best"] == 3
    # The same code, packages and Python in the workflow's job and in those that it submitted.
    assert found["of_jobs"] == [found["at"]] * 3
    require_brought(name, found["at"], program.base)
    best = json.loads(connected.backend.read_file(f"{folder}/best.json"))
    assert best == {"degree": 3, "coefficients": [0.0, -2.0, 0.0, 1.0]}
    table = connected.backend.read_file(f"{folder}/table.txt").decode()
    assert table == TABLE


def require_brought(name: str, at: dict[str, Any], base: str) -> None:
    """Fail unless a job's code and what it depends on are from where this packaging brings them."""
    packages = f"{base}/.packages/"
    code = f"{packages}env/" if name == "wheel" else f"{packages}source/curves-"
    assert at["code"].startswith(code)
    rest = "/usr" if name in RUNTIMES else f"{packages}env/"
    assert at["python"].startswith(rest)
    assert at["numpy"].startswith(rest)
    assert at["in_image"] == (name in RUNTIMES)


@EVERY_PACKAGING
def test_the_train_and_evaluation_example_leaves_the_same_artifacts(
    name: str, program: Program, connected: Cluster, folder: str
) -> None:
    program.package(name, **({} if name in RUNTIMES else {"project": str(program.project)}))
    arguments = {
        "slurmfile": program.slurmfile,
        "workdir": folder,
        "epochs": 2,
        "epoch-steps": 4,
        "steps-per-job-cap": 2,
        "step-seconds": 0.01,
        "eval-seconds": 0.1,
    }
    options = [word for key, value in arguments.items() for word in (f"--{key}", str(value))]
    program.run("-m", "slurm.examples.parallel_train_eval.workflow", *options)
    state = json.loads(connected.backend.read_file(f"{folder}/state.json"))
    assert state["status"] == "completed"
    left = []
    for number, epoch in enumerate(state["epochs"]):
        checkpoint = json.loads(connected.backend.read_file(epoch["checkpoint"]))
        metrics = json.loads(connected.backend.read_file(epoch["metrics"]))
        assert [step["step"] for step in checkpoint["history"]] == [1, 2, 3, 4]
        assert metrics["epoch"] == number
        left.append([checkpoint["weights"], metrics["loss"]])
    LEFT.append(left)
    assert left == LEFT[0]
    ids = set(state["orchestrators"])
    ids |= {job["job_id"] for epoch in state["epochs"] for job in epoch["train_jobs"]}
    found = connected.backend.collect_metadata(program.base, 1000).files.values()
    ours = [about for about in map(json.loads, found) if about["job_id"] in ids]
    assert len(ours) == len(ids) == 5
    assert {about["packaging"] for about in ours} == {PACKAGINGS[name]["type"]}
    assert {about.get("image", {}).get("runtime", name) for about in ours} == {name}
