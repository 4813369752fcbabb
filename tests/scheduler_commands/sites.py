"""Where the commands are asked: on this machine with fake_slurm, or on the login node of the dockerised cluster."""

from __future__ import annotations

import json
import os
import re
import secrets
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.conformance.waiting import wait_until
from tests.scheduler_commands.questions import AFTERWARDS, AT_FIRST, CANCELS, JOBS, SCRIPTS

if TYPE_CHECKING:
    from slurm.testing import DockerCluster
    from slurm.testing.fake_slurm import FakeSlurm

# A start of this program asks many commands, one after the other.
ASKING = """
import json, os, pwd, subprocess, sys
folder, files, commands = json.loads(sys.argv[1])
os.makedirs(folder, exist_ok=True)
for name, text in files.items():
    with open(os.path.join(folder, name), "w") as file:
        file.write(text)
answers = []
for words in commands:
    done = subprocess.run(words, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    answers.append([done.returncode, done.stdout.decode(), done.stderr.decode()])
print(json.dumps([answers, os.path.realpath(folder), pwd.getpwuid(os.getuid()).pw_name, os.getuid()]))
"""
Answer = tuple[int, str, str]
Ask = Callable[[str], str]


class Site:
    """Commands asked in a folder of their own: `names` are the ids of jobs, and what else answers name."""

    def __init__(self, folder: str, run: Ask) -> None:
        self.folder = folder
        self.names: dict[str, Any] = {}
        self._run = run

    def ask(self, commands: Sequence[str], files: Mapping[str, str] | None = None) -> list[Answer]:
        """The exit status and the output of each; a word of a command has no blank."""
        words = [command.format(**self.names).split() for command in commands]
        printed = self._run(json.dumps([self.folder, dict(files or {}), words]))
        answers, folder, user, uid = json.loads(printed)
        self.names.update(folder=folder, user=user, uid=uid, user8=user[:8].rjust(8))
        return [(status, out, err) for status, out, err in answers]

    def submit(self) -> None:
        """The jobs of all questions, and return when those have ended and these begun that are to."""
        self.ask([], SCRIPTS)
        for name, words in JOBS.items():
            [(status, out, err)] = self.ask([f"sbatch --parsable {words}"])
            assert status == 0, f"{name}: {err}"
            self.names[name] = int(out)
        self.names["ok_batch"] = f"{self.names['ok']}.batch"
        self._wait_for("squeue -h -t all -j {bad},{killed},{ok} -o %T", {"COMPLETED", "FAILED"})
        self._wait_for("squeue -h -t all -j {long},{tasks} -o %T", {"RUNNING"})
        self._wait_for("squeue -h -j {never} -o %r", {"DependencyNeverSatisfied"})
        self._wait_for("squeue -h -j {dependent},{both},{either},{ended} -o %r", {"Dependency"})
        # Accounts hear of it a moment later.
        self._wait_for(
            "sacct -nP -j {ok},{bad},{killed} -o State", {"COMPLETED", "FAILED", "CANCELLED"}
        )
        self._wait_for("sacct -nPX -j {long},{tasks} -o State", {"RUNNING"})
        self._wait_for("sacct -nPX -j {held},{waits} -o State", {"PENDING"})

    def cancel(self) -> None:
        """Some of them."""
        assert [status for status, _, _ in self.ask(CANCELS)] == [0] * len(CANCELS)
        self._wait_for("squeue -h -t all -j {long},{held},{ended} -o %T", {"CANCELLED"})
        self._wait_for("squeue -h -t all -j {tasks}_4 -o %T", {"CANCELLED"})
        self._wait_for("squeue -h -t all -j {either} -o %T", {"COMPLETED"})
        self._wait_for("squeue -h -j {dependent} -o %r", {"DependencyNeverSatisfied"})
        ended = {f"CANCELLED by {self.names['uid']}", "CANCELLED"}
        self._wait_for("sacct -nP -j {long},{held} -o State", ended)

    def clear(self) -> None:
        """Cancel all that is left."""
        [(_, out, _)] = self.ask(["squeue -h -t PD,R -u {user} -o %F|%Z"])
        rows = [line.partition("|") for line in out.splitlines()]
        mine = {number for number, _, folder in rows if folder == self.names["folder"]}
        self.ask([f"scancel {' '.join(mine)}"])

    def _wait_for(self, command: str, lines: set[str]) -> None:
        def are_there() -> bool:
            [(_, out, _)] = self.ask([command])
            return bool(out) and set(out.splitlines()) <= lines

        wait_until(are_there, f"{command.format(**self.names)}: {lines}", every=0.2)

    def answers(self) -> dict[str, Answer]:
        """The answer to every question."""
        self.submit()
        at_first = self.ask([question.words for question in AT_FIRST])
        self.cancel()
        afterwards = self.ask([question.words for question in AFTERWARDS])
        self.clear()
        first = {question.words: answer for question, answer in zip(AT_FIRST, at_first)}
        return {**first, **{f"then {q.words}": a for q, a in zip(AFTERWARDS, afterwards)}}


def fake_site(fake: FakeSlurm, folder: Path) -> Site:
    """The commands of a fake, which runs the jobs on this machine."""
    fake.run_jobs()
    path = f"{fake.programs}{os.pathsep}{os.environ['PATH']}"

    def run(text: str) -> str:
        python = [sys.executable, "-c", ASKING, text]
        environment = {**os.environ, "PATH": path}
        return subprocess.run(
            python, env=environment, capture_output=True, text=True, check=True
        ).stdout

    return Site(str(folder), run)


def docker_site(cluster: DockerCluster) -> Site:
    """The commands on the login node, as its user."""

    def run(text: str) -> str:
        python = ["python3", "-c", ASKING, text]
        return cluster.exec("login", python, user="dev", timeout=200).stdout

    return Site(f"/shared/home/dev/asked_{secrets.token_hex(6)}", run)


def without_what_varies(text: str, command: str) -> str:
    """A text with TIME, NODE, and N for the id of a job that was submitted."""
    text = re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", "TIME", text)
    text = re.sub(r"\bc[12]\b", "NODE", text)
    return re.sub(r"\b\d+$", "N", text, flags=re.M) if command.startswith("sbatch --hold") else text
