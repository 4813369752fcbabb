"""A project's code that is removed on the cluster: by hand, or by ``slurm packages gc`` while others submit."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.conformance.waiting import wait_until

import slurm
from slurm import Cluster
from slurm.api.local import LocalBackend
from slurm.errors import PackagingError
from slurm.packaging import strategy_of

pytestmark = pytest.mark.local

SDK = Path(slurm.__file__).parents[1]
PROGRAM = Path(__file__).parents[2] / "helpers" / "gone_code_program.py"
FILES = {
    "pyproject.toml": "[project]\nname = 'mine'\nversion = '1'\n",
    "src/mine/__init__.py": "",
    "src/mine/tasks.py": "from slurm import task\n\n@task\ndef scale(number):\n    return 10 * number\n",
}
DEADLINE = 300


class Project:
    """A project, with a program beside it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.jobs, self.state = folder / "mine", folder / "jobs", folder / "state"
        for path, text in FILES.items():
            (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
            (self.folder / path).write_text(text)
        shutil.copy(PROGRAM, self.folder / "program.py")

    def start(self, *what: object) -> subprocess.Popen[str]:
        path = os.pathsep.join([str(self.folder / "src"), str(SDK)])
        program = [sys.executable, str(self.folder / "program.py")]
        return subprocess.Popen(
            [*program, str(self.jobs), str(self.state), *map(str, what)],
            env={**os.environ, "PYTHONPATH": path},
            cwd=self.folder.parent,
            stdout=subprocess.PIPE,
            text=True,
        )


def said(program: subprocess.Popen[str]) -> Any:
    out, _ = program.communicate(timeout=DEADLINE)
    assert program.returncode == 0
    return json.loads(out)


@pytest.fixture
def project(tmp_path: Path, lend_sdk: Callable[[Path], None]) -> Iterator[Project]:
    made = Project(tmp_path)
    lend_sdk(made.jobs)
    yield made
    LocalBackend(state_dir=str(made.state)).shutdown(kill_jobs=True)


def test_a_client_that_lives_on_sends_again_what_was_removed(project: Project) -> None:
    results, known, again = said(project.start("removed"))
    assert results == [10, 20, 30, 40, 50, 60, 70]
    assert known == ["submit"]  # nobody asks for what was sent
    assert again[:2] == ["submit", "copy"]
    assert again[-1] == "submit"
    jobs = sorted((project.jobs / "scale").iterdir())
    assert len(jobs) == 6  # what was refused has left no directory
    [copy] = (project.jobs / ".packages/source").iterdir()
    shutil.rmtree(copy)
    script = subprocess.run(
        ["bash", str(jobs[0] / "job.sh")], capture_output=True, text=True, check=False
    )
    assert script.returncode == 1
    assert script.stderr == (
        f"slurm-tasks: the copy {copy} of your code is not there any more: submit the job again\n"
    )


@pytest.mark.story
def test_no_submission_loses_its_code_to_one_who_removes_all_the_time(
    project: Project, tmp_path: Path
) -> None:
    """What is removed meanwhile, or at the latest when nobody needs it any more, is there again for the next one."""
    enough, removed = tmp_path / "enough", tmp_path / "removed"
    remover = project.start("gc", enough)
    try:
        submitters = [project.start(30) for _ in range(2)]
        for results in map(said, submitters):
            assert results == [10 * number for number in range(30)]
        wait_until(removed.exists, "something was removed")
        assert said(project.start(2)) == [0, 10]
    finally:
        enough.touch()
        remover.communicate(timeout=DEADLINE)
    assert remover.returncode == 0


def test_what_a_workflow_was_given_is_not_sent_by_its_job(
    fake_cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = "/jobs/.packages/source/mine-1"
    settings = {"type": "source", "copies": {"/home/me/mine": {"copy": place, "project": "mine"}}}
    strategy = strategy_of(settings)
    with pytest.raises(PackagingError, match=f"{place}, .* submit whatever has sent it again"):
        strategy.forget([place], fake_cluster)
    monkeypatch.setenv("SLURM_SDK_PACKAGING_CONFIG", json.dumps(strategy.inherited()))
    for child in ({"type": "inherit"}, {"type": "source"}):
        with pytest.raises(
            PackagingError, match="is not there any more: submit the workflow again"
        ):
            strategy_of(child).forget([place], fake_cluster)
    strategy.forget(["/jobs/.packages/source/other-1"], fake_cluster)
