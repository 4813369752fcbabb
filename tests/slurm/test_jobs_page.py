"""The page find-follow-and-cancel-jobs.md: each of its commands, about jobs that there are, does what it says."""

from __future__ import annotations

import re
import secrets
import shlex
from pathlib import Path

import pytest
from tests.helpers.pages import blocks, run
from tests.helpers.site_pythons import this_python, write_program

import slurm
from slurm.testing import DockerCluster

pytestmark = pytest.mark.slurm

PAGE = Path(__file__).parents[2] / "docs/how-to/find-follow-and-cancel-jobs.md"
TRAIN = """\
import json

from slurm import Cluster, task


@task(mem="100M", time="00:05:00")
def prepare() -> None:
    print("prepared")


@task(mem="100M", time="00:05:00")
def train(rate: float, name: str = "one") -> None:
    print("epoch 1", flush=True)
    if rate == 3:
        raise ValueError("the loss is no number")


if __name__ == "__main__":
    with Cluster.from_env():
        job, array = prepare(), train.map(range(8))
        array.wait()
        job.get_result()
        print(json.dumps([job.id, array.id]))
"""

FAILED_TOO = " || [ $? = 4 ]"


class Reader:
    """Types commands in a project whose cluster is the dockerised one."""

    def __init__(self, folder: Path, docker: DockerCluster) -> None:
        self.project = folder / "project"
        self.project.mkdir()
        home = f"/shared/work/page-{secrets.token_hex(4)}"
        given = docker.slurmfile.read_text().replace("~/slurm_jobs", home)
        (self.project / "Slurmfile.toml").write_text(given)
        (self.project / "train.py").write_text(TRAIN)
        python = this_python(folder / "bin/python")
        call = f'exec {shlex.quote(str(python))} -m slurm.cli "$@"'
        write_program(python.with_name("slurm"), call)
        write_program(python.with_name("mail"), 'echo "$@" >../mailed; cat >>../mailed')
        self._search = f"export PATH={shlex.quote(str(python.parent))}:$PATH\n"

    def types(self, text: str) -> str:
        """What it prints, which must end well."""
        more = {"PYTHONPATH": str(Path(slurm.__file__).parents[1])}
        return run(["bash", "-ec", self._search + text], self.project, 300, more)


def test_each_command_does_what_the_page_says(slurm_cluster: DockerCluster, tmp_path: Path) -> None:
    reader = Reader(tmp_path.resolve(), slurm_cluster)
    job, array = re.findall(r'"(\d+)"', reader.types("python train.py"))
    for block in blocks(PAGE):
        if not block.is_of("cluster"):
            continue
        printed = ""
        for line in block.text.replace("4711", job).replace("4712", array).splitlines():
            waits = line.startswith("slurm jobs wait")  # of the array an element has failed
            printed += (said := reader.types(line + FAILED_TOO * waits))
            if line.startswith("slurm jobs rerun"):
                [again] = re.findall(r"^(\d+) \S+ in ", said, re.MULTILINE)
                reader.types(f"slurm jobs wait {again}{FAILED_TOO}")
        first_words = {line.split()[0] for line in printed.splitlines() if line.strip()}
        wanted = {line.split()[0] for line in block.shown.splitlines()}
        assert {one for one in wanted if not one[0].isdigit()} - first_words <= {"advice:"}, printed
    assert (tmp_path / "mailed").read_text().startswith("-s jobs me@example.org\n")
    listed = reader.types("slurm jobs list --task train --elements --state failed")
    assert f"{array}_3 " in listed
    logs = reader.types(f"slurm jobs logs {array}")
    assert "3| epoch 1\n" in logs
