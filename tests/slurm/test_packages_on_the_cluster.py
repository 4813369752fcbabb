"""What lies on a real cluster for jobs to run with: removed when no job of the queue needs it, and sent again when one does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import slurm
from slurm.testing import DockerCluster

pytestmark = pytest.mark.slurm

DEADLINE = 500
SDK = Path(slurm.__file__).parents[1]
TASKS = """\
from slurm import task, workflow

@task
def scale(number):
    return 10 * number

@workflow
def flow(number):
    return scale(number).get_result()
"""
PROGRAM = """\
import json, sys, time
from pathlib import Path
from slurm import Cluster
from mine.tasks import flow, scale

PATIENCE = 300
DAY = 86400


def age(cluster, copy):
    cluster.backend.run_program(["touch", "-c", "-d", "2 days ago", copy], timeout=60)


def gc(cluster, base, **more):
    done = cluster.backend.remove_packages(base, older_than=DAY, **more)
    return [one.name for one in done.removed if one.kind == "source"], done.used


def out_of_the_queue(cluster, job):
    until = time.monotonic() + PATIENCE
    rows = cluster.backend.get_queue
    while any(row["job_id"] == job.id and row["state"] != "COMPLETED" for row in rows()):
        assert time.monotonic() < until
        time.sleep(0.2)


def story(cluster, base):
    first = scale(1)
    values = [first.get_result(PATIENCE)]
    folder = f"{base}/.packages/source"
    [name] = cluster.backend.list_directory(folder)
    copy = f"{folder}/{name}"
    out_of_the_queue(cluster, first)
    waits = scale.with_options(hold=True)(2)
    age(cluster, copy)
    listed = {one.name: one.jobs for one in cluster.backend.list_packages(base).packages}
    kept = gc(cluster, base)
    cluster.backend.run_program(["scontrol", "release", waits.id], timeout=60)
    values.append(waits.get_result(PATIENCE))
    out_of_the_queue(cluster, waits)
    age(cluster, copy)
    would = gc(cluster, base, dry_run=True)
    removed = gc(cluster, base)
    there = cluster.backend.file_exists(copy)
    values.append(scale(3).get_result(PATIENCE))
    values.append(flow(4).get_result(PATIENCE))
    about = {"job": first.id, "copy": copy, "name": name, "listed": listed[f".packages/source/{name}"]}
    return {**about, "values": values, "kept": kept, "would": would, "removed": removed, "there": there}


def hold(cluster):
    job = scale.with_options(hold=True)(2)
    return job.id


def let_go(cluster, waits):
    cluster.backend.run_program(["scontrol", "release", waits], timeout=60)
    return [cluster.get_job(waits).get_result(PATIENCE), scale(2).get_result(PATIENCE)]


def race(cluster, base, count, removed):
    values = []
    until = time.monotonic() + PATIENCE
    while len(values) < count or not Path(removed).exists():
        assert time.monotonic() < until
        for name in cluster.backend.list_directory(f"{base}/.packages/source") if values else ():
            age(cluster, f"{base}/.packages/source/{name}")
        while len(values) % 2 and not Path(removed).exists():  # no job needs it: it goes for sure
            assert time.monotonic() < until
            time.sleep(0.05)
        job = scale(len(values))
        values.append(job.get_result(PATIENCE))
        if len(values) % 2:
            out_of_the_queue(cluster, job)
    return values


def remove_all_the_time(cluster, base, removed, until):
    while not Path(until).exists():
        if gc(cluster, base)[0]:
            Path(removed).touch()


if __name__ == "__main__":
    slurmfile, base, what, *more = sys.argv[1:]
    overrides = {"job_base_dir": base, "packaging": {"type": "source"}}
    with Cluster.from_env(slurmfile, overrides=overrides) as cluster:
        if what == "story":
            said = story(cluster, base)
        elif what == "hold":
            said = hold(cluster)
        elif what == "let go":
            said = let_go(cluster, *more)
        elif what == "race":
            said = race(cluster, base, 12, *more)
        else:
            said = remove_all_the_time(cluster, base, *more)
    cluster.close()
    print(json.dumps(said))
"""


class Project:
    """A project on this machine, whose program submits to the dockerised cluster."""

    def __init__(self, folder: Path, docker: DockerCluster, base: str) -> None:
        self.folder, self.docker, self.base = folder / "mine", docker, base
        package = self.folder / "src" / "mine"
        package.mkdir(parents=True)
        (package / "__init__.py").touch()
        (package / "tasks.py").write_text(TASKS)
        (self.folder / "pyproject.toml").write_text("[project]\nname = 'mine'\nversion = '1'\n")
        (self.folder / "program.py").write_text(PROGRAM)

    def start(self, *what: object) -> subprocess.Popen[str]:
        program = [str(self.folder / "program.py"), str(self.docker.slurmfile), self.base]
        return self._python(*program, *map(str, what))

    def command(self, *arguments: str) -> str:
        """What ``slurm`` prints about this cluster."""
        cluster = ["--slurmfile", str(self.docker.slurmfile), "--job-base-dir", self.base]
        return _out(self._python("-m", "slurm.cli", *arguments, *cluster))

    def _python(self, *arguments: str) -> subprocess.Popen[str]:
        path = os.pathsep.join([str(self.folder / "src"), str(SDK)])
        return subprocess.Popen(
            [sys.executable, *arguments],
            env={**os.environ, "PYTHONPATH": path},
            cwd=self.folder.parent,
            stdout=subprocess.PIPE,
            text=True,
        )


def _out(program: subprocess.Popen[str]) -> str:
    out, _ = program.communicate(timeout=DEADLINE)
    assert program.returncode == 0
    return out


def said(program: subprocess.Popen[str]) -> Any:
    return json.loads(_out(program))


@pytest.fixture
def project(tmp_path: Path, slurm_cluster: DockerCluster, workdir: str) -> Project:
    return Project(tmp_path, slurm_cluster, f"{workdir}/jobs")


def test_code_stays_for_a_job_that_waits_and_is_sent_again_after_it_was_removed(
    project: Project,
) -> None:
    told = said(project.start("story"))
    name = f".packages/source/{told['name']}"
    assert told["listed"] == 1
    assert told["kept"][0] == []
    assert told["kept"][1] >= 1
    assert told["would"] == told["removed"] == [[name], 0]
    assert told["there"] is False
    assert told["values"] == [10, 20, 30, 40]
    job = json.loads(project.command("jobs", "show", told["job"], "--json"))
    assert (job["state"], job["task"], job["exit_code"]) == ("COMPLETED", "scale", "0:0")
    assert job["code"] == [{"copy": told["copy"], "project": "mine"}]
    assert "scale" in project.command("jobs", "show", job["directory"])
    assert told["name"] in project.command("packages", "list")
    assert "0 removed" in project.command("packages", "gc")


def test_a_job_that_waits_runs_the_code_that_was_submitted(project: Project) -> None:
    waits = said(project.start("hold"))
    (project.folder / "src/mine/tasks.py").write_text(TASKS.replace("10 *", "7 *"))
    assert said(project.start("let go", waits)) == [20, 14]


def test_no_submission_loses_its_code_to_one_who_removes_all_the_time(
    project: Project, tmp_path: Path
) -> None:
    removed, enough = tmp_path / "removed", tmp_path / "enough"
    remover = project.start("remove", removed, enough)
    try:
        values = said(project.start("race", removed))
    finally:
        enough.touch()
        remover.communicate(timeout=DEADLINE)
    assert remover.returncode == 0
    assert len(values) >= 12
    assert values == [10 * number for number in range(len(values))]
