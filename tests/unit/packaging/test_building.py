"""A wheel is built once for each content of its project, by however many programs, and whoever of them is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.helpers.counting_project import CountingProject

from slurm.packaging.wheels.project_state import state_of

DEADLINE = 250
MANY = 12
PROGRAM = """\
import sys
from pathlib import Path
from slurm.packaging.wheels.building import wheel_of
print(wheel_of(Path(sys.argv[1]), isolated=False).address)
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CountingProject:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", "/usr/bin:/bin")  # which has no uv
    return CountingProject(tmp_path, "WHERE = 1\n")


def start(project: CountingProject) -> subprocess.Popen[str]:
    """A program that wants the wheel."""
    argv = [sys.executable, "-c", PROGRAM, str(project.folder)]
    return subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, start_new_session=True)


def said(program: subprocess.Popen[str]) -> str:
    output = program.communicate(timeout=DEADLINE)[0]
    assert program.returncode == 0
    return output.strip()


@pytest.mark.story
def test_programs_that_start_together_build_one_wheel_and_a_later_one_none(
    project: CountingProject,
) -> None:
    [address] = {said(one) for one in [start(project) for _ in range(MANY)]}
    assert len(project.builds) == 1
    assert said(start(project)) == address
    assert len(project.builds) == 1
    os.utime(project.tasks)  # with another time, and the same content
    assert said(start(project)) == address
    assert len(project.builds) == 1
    project.tasks.write_text("WHERE = 2\n")
    assert said(start(project)) != address
    assert len(project.builds) == 2


@pytest.mark.story
@pytest.mark.parametrize("kill", [os.kill, os.killpg])
def test_where_a_builder_is_killed_the_next_one_builds(
    project: CountingProject, kill: Callable[[int, int], None]
) -> None:
    os.mkfifo(project.gate)
    first, waiting = start(project), start(project)
    gate = os.open(project.gate, os.O_WRONLY)  # it is in the middle, when this returns
    [builder] = project.builds
    holder = first if _is_below(builder, first.pid) else waiting
    other = waiting if holder is first else first
    kill(holder.pid, signal.SIGKILL)
    holder.communicate(timeout=DEADLINE)
    project.gate.unlink()
    os.close(gate)  # where it goes on, it ends now
    assert len(said(other)) == 16
    assert len(project.builds) == 2


def _is_below(process: int, ancestor: int) -> bool:
    while process > 1:
        if process == ancestor:
            return True
        text = Path(f"/proc/{process}/stat").read_text()
        process = int(text.rpartition(")")[2].split()[1])
    return False


# --- what a build may read -----------------------------------------------------------------------


def test_another_program_builds_when_anything_has_changed_that_a_build_may_read(
    project: CountingProject, tmp_path: Path
) -> None:
    states = [state_of(project.folder)]
    for name in ("README.md", "csrc/fast.c", "mine/tasks.py"):
        path = project.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("changed")
        states.append(state_of(project.folder))
    assert len(set(states)) == 4
    for name in (
        "build/lib/mine/tasks.py",
        "mine.egg-info/PKG-INFO",
        "jobs/a/job.sh",
        "env/bin/python",
    ):
        path = project.folder / name
        path.parent.mkdir(parents=True)
        path.write_text("made")
    (project.folder / "jobs" / ".sdk").mkdir()
    (project.folder / "env" / "pyvenv.cfg").touch()
    os.utime(project.tasks)
    assert state_of(project.folder) == states[-1]


def test_with_git_what_it_ignores_does_not_count_and_another_commit_does(
    project: CountingProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{name}_NAME", "me")
        monkeypatch.setenv(f"GIT_{name}_EMAIL", "me@example.org")

    def git(*words: str) -> None:
        subprocess.run(["git", "-C", str(project.folder), *words], check=True, capture_output=True)

    git("init")
    (project.folder / ".gitignore").write_text("*.log\n")
    states = [state_of(project.folder)]
    (project.folder / "own.log").write_text("written")
    assert state_of(project.folder) == states[-1]
    git("add", ".")
    git("commit", "-m", "first")
    states.append(state_of(project.folder))
    git("tag", "v2")
    states.append(state_of(project.folder))
    (project.folder / "notes.md").write_text("new")
    states.append(state_of(project.folder))
    monkeypatch.setenv("SETUPTOOLS_SCM_PRETEND_VERSION", "3")
    states.append(state_of(project.folder))
    assert len(set(states)) == 5
