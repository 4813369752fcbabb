"""The packaging ``source``: the user's own code, frozen when a job is submitted, found there in the client's order."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import slurm
from slurm.errors import ConfigError
from slurm.packaging import strategy_of
from slurm.packaging.code.source_files import Selection, files_of

pytestmark = pytest.mark.local

SDK = Path(slurm.__file__).parents[1]
PROGRAM = Path(__file__).parents[2] / "helpers" / "source_program.py"
TASKS = """\
import statistics
from pathlib import Path
from slurm import task
from mine import data, generated

@task
def evaluate(number):
    from mine.late import scale  # only when it runs
    return [scale(number), statistics.MINE, data.TEXT]

@task
def revision():
    return [generated.VERSION, Path(__file__).name, oct(Path(__file__).stat().st_mode)]

def script_value(number):
    from mine.late import scale
    return scale(number)
"""
FILES = {
    "pyproject.toml": "[project]\nname = 'mine'\nversion = '1'\n",
    "src/mine/__init__.py": "",
    "src/mine/tasks.py": TASKS,
    "src/mine/late.py": "def scale(number):\n    return 10 * number\n",
    "src/mine/data.py": "from pathlib import Path\nTEXT = (Path(__file__).parent / 'text.txt').read_text()\n",
    "src/mine/text.txt": "a data file",
    "src/mine/generated.py": "VERSION = 'made by the build'\n",
    "src/statistics.py": "MINE = 'mine, not the standard library'\n",
    ".gitignore": "generated.py\nsecret.env\n",
    "secret.env": "PASSWORD=1",
    "large.bin": "x" * 1000,
}


class Project:
    """A src-layout project, with a program beside it that submits its tasks."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "my project"
        self.jobs = folder / "jobs"
        self.state = folder / "state"
        for path, text in FILES.items():
            self.write(path, text)
        shutil.copy(PROGRAM, self.folder / "program.py")
        subprocess.run(["git", "init", "-q"], cwd=self.folder, check=True)

    def write(self, path: str, text: str) -> None:
        (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
        (self.folder / path).write_text(text)

    def run(self, code: int = 0) -> Any:
        """What the program's jobs return."""
        path = os.pathsep.join([str(self.folder / "src"), str(SDK)])
        done = subprocess.run(
            [sys.executable, str(self.folder / "program.py"), str(self.jobs), str(self.state)],
            env={**os.environ, "PYTHONPATH": path},
            cwd=self.folder.parent,
            capture_output=True,
            text=True,
            timeout=250,
            check=False,
        )
        assert done.returncode == code, done.stderr
        return json.loads(done.stdout) if code == 0 else done.stderr

    def metadata(self, task: str) -> Any:
        """What the latest job of a task has noted of itself; names of directories know no moments below a second."""
        noted = [json.loads(one.read_text()) for one in (self.jobs / task).glob("*/metadata.json")]
        return max(noted, key=lambda one: one["timestamp"])

    @property
    def copies(self) -> list[Path]:
        return sorted((self.jobs / ".packages/source").iterdir())

    @property
    def contents(self) -> set[str]:
        return {path.name for path in (self.jobs / ".packages/contents").iterdir()}


ALL = Selection()


def files_in(folder: Path, selection: Selection = ALL) -> list[str]:
    return [one.path for one in files_of(folder, selection)]


@pytest.fixture
def project(tmp_path: Path, lend_sdk: Callable[[Path], None]) -> Project:
    made = Project(tmp_path)
    lend_sdk(made.jobs)
    return made


def test_a_projects_code_reaches_the_node_without_a_step(project: Project) -> None:
    values, generated, of_script, sent = project.run()
    assert values == [20, "mine, not the standard library", "a data file"]
    assert generated == ["made by the build", "tasks.py", "0o100400"]
    assert of_script == 30
    [copy] = project.copies
    assert copy.name.startswith("my_project-")
    files = {str(path.relative_to(copy)) for path in copy.rglob("*") if path.is_file()}
    assert sent == len(project.contents)
    assert "secret.env" not in files  # Git ignores it
    assert {"pyproject.toml", "src/mine/late.py", "src/mine/generated.py"} <= files


def test_after_an_edit_only_that_file_is_sent(project: Project) -> None:
    project.run()
    before = project.contents
    project.write("src/mine/late.py", "def scale(number):\n    return 7 * number\n")
    values, *_, sent = project.run()
    assert (values[0], sent) == (14, 1)
    assert len(project.contents - before) == 1
    assert len(project.copies) == 2


def test_the_jobs_metadata_says_which_code_it_runs(project: Project) -> None:
    who = ["-c", "user.name=me", "-c", "user.email=me@example.org"]
    git = ["git", "-C", str(project.folder), *who]
    subprocess.run([*git, "add", "-A"], check=True)
    subprocess.run([*git, "commit", "-qm", "begin"], check=True)
    revision = subprocess.check_output([*git, "rev-parse", "HEAD"], text=True).strip()
    project.run()
    [copy] = project.copies
    [code] = project.metadata("evaluate")["code"]
    about = {"project": "my project", "revision": revision, "dirty": False}
    assert code == {"copy": str(copy), **about}
    project.write("src/mine/late.py", "def scale(number):\n    return 7 * number\n")
    project.run()
    assert project.metadata("evaluate")["code"][0]["dirty"] is True


def test_outside_of_git_packages_travel(project: Project) -> None:
    shutil.rmtree(project.folder / ".git")
    project.write("data/table.csv", "1,2")
    project.write("src/mine.egg-info/PKG-INFO", "x")
    project.write("env/pyvenv.cfg", "")
    project.write("env/lib/site.py", "")
    project.write("flat/__init__.py", "")
    project.write("src/mine/__pycache__/late.cpython-311.pyc", "x")
    assert files_in(project.folder) == [
        "flat/__init__.py",
        "program.py",
        "pyproject.toml",
        *sorted(path for path in FILES if path.startswith("src/")),
    ]


def test_patterns_choose_and_a_cap_names_the_largest(project: Project) -> None:
    assert "large.bin" in files_in(project.folder)
    assert "large.bin" not in files_in(project.folder, Selection(exclude=("*.bin",)))
    only = Selection(include=("src/",), exclude=("statistics.py",))
    assert all(path.startswith("src/mine/") for path in files_in(project.folder, only))
    with pytest.raises(ConfigError) as refused:
        files_of(project.folder, Selection(most_bytes=1500))
    assert "large.bin (" in str(refused.value)
    assert "leave them out with the packaging's exclude" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_submodules_and_removed_files_are_as_git_has_them(project: Project) -> None:
    project.write("vendored/lib.py", "x = 1\n")
    subprocess.run(["git", "init", "-q"], cwd=project.folder / "vendored", check=True)
    subprocess.run(["git", "add", "src"], cwd=project.folder, check=True)
    (project.folder / "src/mine/late.py").unlink()
    (project.folder / "link").symlink_to("nowhere")
    found = files_in(project.folder)
    assert "vendored/lib.py" in found
    assert "src/mine/late.py" not in found
    assert "link" not in found


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"exclude": "data"}, "exclude is a list of patterns"),
        ({"max_size": "much"}, "max_size 'much'"),
        ({"project": ""}, "project"),
        ({"includ": []}, "did you mean 'include'"),
    ],
)
def test_what_is_no_setting_is_said(settings: dict[str, Any], why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        strategy_of({"type": "source", **settings})


def test_a_workflow_hands_its_copies_on() -> None:
    copies = {"/home/me/mine": {"copy": "/jobs/.packages/source/mine-1", "project": "mine"}}
    strategy = strategy_of({"type": "source", "copies": copies, "python": None})
    assert strategy.inherited()["copies"] == copies


LOOP = """\
import sys
from pathlib import Path
from slurm import Cluster
from mine import tasks

here = Path(__file__).parent
with Cluster("local", job_base_dir=sys.argv[1], state_dir=sys.argv[2], packaging="source"):
    jobs = []
    for number in range(4):
        (here / "src/mine/text.txt").write_text(f"rate={number}")
        jobs.append(tasks.evaluate(1))
    print([job.get_result(120)[2] for job in jobs])
"""


def test_each_job_has_the_files_as_they_were_when_it_was_submitted(project: Project) -> None:
    """Also those that were written within one second, in as many bytes."""
    project.write("src/mine/data.py", FILES["src/mine/data.py"])
    (project.folder / "program.py").write_text(LOOP.replace("[2]", "[-1]"))
    path = os.pathsep.join([str(project.folder / "src"), str(SDK)])
    done = subprocess.run(
        [sys.executable, "program.py", str(project.jobs), str(project.state)],
        cwd=project.folder,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=250,
        check=False,
    )
    assert done.stdout == f"{[f'rate={number}' for number in range(4)]}\n", done.stderr


def test_a_project_that_an_outer_repository_ignores_travels_by_its_packages(tmp_path: Path) -> None:
    outer = Project(tmp_path)
    outer.write(".gitignore", "inner/\n")
    outer.write("inner/pyproject.toml", "[project]\nname = 'inner'\n")
    outer.write("inner/src/inner/__init__.py", "")
    assert files_in(outer.folder / "inner") == ["pyproject.toml", "src/inner/__init__.py"]


def test_a_link_to_a_directory_brings_what_is_in_it(tmp_path: Path) -> None:
    project = Project(tmp_path)
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared/more.py").touch()
    (project.folder / "src/mine/sub").symlink_to(tmp_path / "shared")
    (project.folder / "src/mine/loop").symlink_to(project.folder / "src")
    assert [one for one in files_in(project.folder) if "sub" in one or "loop" in one] == [
        "src/mine/sub/more.py"
    ]


def test_what_git_is_told_of_another_repository_is_not_heeded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a hook of Git's."""
    project = Project(tmp_path)
    (tmp_path / "other").mkdir()
    subprocess.run(["git", "init", "-q"], cwd=tmp_path / "other", check=True)
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "other/.git"))
    assert "src/mine/tasks.py" in files_in(project.folder)
