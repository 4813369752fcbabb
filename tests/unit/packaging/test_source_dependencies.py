"""What a project depends on reaches the node with its code: chosen and sent, or resolved there, and installed once."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.helpers.site_pythons import write_program
from tests.helpers.wheels import compiled_module, only_from, write_wheel

import slurm
from slurm.errors import ConfigError
from slurm.packaging import strategy_of

pytestmark = pytest.mark.story

SDK = Path(slurm.__file__).parents[1]
PROGRAM = Path(__file__).parents[2] / "helpers" / "dependencies_program.py"
TASKS = """\
import importlib.metadata, multiprocessing, os, shutil, subprocess, sys
from slurm import task, workflow

def spawned(_):
    import tiny
    return tiny.__file__

@task
def report():
    import both, tiny
    try:
        import fastpart
        answer = fastpart.answer()
    except ImportError:
        answer = None
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        [in_child] = pool.map(spawned, [1])
    return {
        "tiny": tiny.__file__,
        "version": importlib.metadata.version("tiny"),
        "spawned": in_child,
        "answer": answer,
        "both": both.WHERE,
        "prefix": sys.prefix,
        "beside": importlib.util.find_spec("cloudpickle") is not None,
        "tool": subprocess.check_output(["tiny-tool"], text=True).strip(),
        "module": subprocess.check_output([sys.executable, "-m", "tiny"], text=True).strip(),
        "shown": "Version: 1.0" in subprocess.check_output([sys.executable, "-m", "pip", "show", "tiny"], text=True),
    }

@workflow
def flow():
    return [sys.prefix, report().get_result()["prefix"], named().get_result()]

@task(packaging={"type": "source", "dependencies": "send"})
def named():
    return sys.prefix
"""
TINY = """\
def main():
    print("the tool of tiny")
if __name__ == "__main__":
    main()
"""
NEEDS = ["tiny>=1", "both", "slurm-tasks", "never; sys_platform == 'win32'"]


class Project:
    """A project with dependencies that a folder has wheels of, and a Python beside it that has none."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.jobs, self.index = folder / "mine", folder / "jobs", folder / "index"
        self.base = folder
        package = self.folder / "src" / "mine"
        package.mkdir(parents=True)
        (package / "__init__.py").touch()
        (package / "tasks.py").write_text(TASKS)
        (self.folder / "src" / "both.py").write_text("WHERE = 'my own'\n")
        self.require(*NEEDS)
        needs = ["below", "slurm-tasks>=0.0.1"]
        tool = "tiny-tool = tiny:main"
        write_wheel(self.index, "tiny", files={"tiny.py": TINY}, requires=needs, command=tool)
        write_wheel(self.index, "both", files={"both.py": "WHERE = 'installed'\n"})
        write_wheel(self.index, "below")
        self.settings: dict[str, Any] = {"type": "source", "dependencies": "send"}

    def require(self, *lines: str, python: str = ">=3.9") -> None:
        about = {"name": "mine", "version": "1", "requires-python": python}
        text = "".join(f"{key} = {json.dumps(value)}\n" for key, value in about.items())
        text = f"[project]\n{text}dependencies = {json.dumps(lines)}\n"
        (self.folder / "pyproject.toml").write_text(text)

    def run(self, *words: str, code: int = 0, environment: Mapping[str, str] | None = None) -> Any:
        """What the program prints, or else the last line of its traceback."""
        path = os.pathsep.join([str(self.folder / "src"), str(SDK)])
        settings = json.dumps(self.settings)
        done = subprocess.run(
            [
                sys.executable,
                str(PROGRAM),
                str(self.jobs),
                str(self.base / "state"),
                settings,
                *words,
            ],
            env={**os.environ, **only_from(self.index), **(environment or {}), "PYTHONPATH": path},
            cwd=self.base,
            capture_output=True,
            text=True,
            timeout=280,
            check=False,
        )
        assert done.returncode == code, done.stderr
        return json.loads(done.stdout) if code == 0 else done.stderr.strip().splitlines()[-1]

    @property
    def environments(self) -> list[Path]:
        return sorted(one for one in (self.jobs / ".packages/env").iterdir() if one.is_dir())


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def test_what_is_required_is_sent_and_an_edit_makes_no_new_environment(project: Project) -> None:
    compiled = compiled_module(project.base / "build")
    if compiled is not None:
        name, abi = next(iter(compiled)), f"cp{sys.version_info[0]}{sys.version_info[1]}"
        tag = f"{abi}-{abi}-linux_{os.uname().machine}"
        write_wheel(project.index, "fastpart", files={name: compiled[name]}, tag=tag)
        project.require(*NEEDS, "fastpart")
    said = project.run("flow")
    [environment] = project.environments
    found = said["report"]
    assert found["prefix"] == str(environment)
    assert Path(found["tiny"]).is_relative_to(environment)
    assert found["spawned"] == found["tiny"]
    assert found["version"] == "1.0"
    assert found["both"] == "my own"
    assert found["beside"], "what the node has can be imported as well"
    assert found["tool"] == found["module"] == "the tool of tiny"
    assert found["shown"]
    assert found["answer"] == (42 if compiled else None)
    assert said["flow"] == [str(environment)] * 3
    installed = {path.name for path in environment.glob("lib/python*/site-packages/*")}
    assert not installed & {"slurm", "never.py"}
    made = (environment / "pyvenv.cfg").stat()
    # Another process, after an edit: one question, and no new environment.
    (project.folder / "src" / "both.py").write_text("WHERE = 'edited'\n")
    again = project.run(environment={"PIP_FIND_LINKS": "/nowhere"})
    assert again["report"]["both"] == "edited"
    assert again["asked"].count("run") == 1
    assert project.environments == [environment]
    assert (environment / "pyvenv.cfg").stat().st_ino == made.st_ino


def test_another_requirement_is_another_environment_for_which_only_it_is_sent(
    project: Project,
) -> None:
    project.run()
    before = {path.name for path in (project.jobs / ".packages/contents").iterdir()}
    write_wheel(project.index, "more")
    project.require(*NEEDS, "more")
    project.run()
    assert len(project.environments) == 2
    after = {path.name for path in (project.jobs / ".packages/contents").iterdir()}
    # The wheel, and the file of the project that names it.
    assert len(after - before) == 2


def test_what_was_removed_there_is_sent_and_made_again(project: Project) -> None:
    said = project.run("again")
    first, second = said["report"], said["again"]
    assert first["prefix"] == second["prefix"]
    assert second["version"] == "1.0"


def test_what_is_required_can_be_resolved_there(project: Project) -> None:
    project.settings["dependencies"] = "index"
    said = project.run()
    [environment] = project.environments
    assert said["report"]["prefix"] == str(environment)
    assert Path(said["report"]["tiny"]).is_relative_to(environment)
    assert not (project.jobs / ".packages/wheels").exists() or not list(
        (project.jobs / ".packages/wheels").rglob("tiny-*.whl")
    )


def test_a_project_without_dependencies_has_no_environment(project: Project) -> None:
    project.require("slurm-tasks[rich]>=0.1")
    (project.folder / "src/mine/tasks.py").write_text(
        "import sys\nfrom slurm import task\n@task\ndef report():\n    return sys.prefix\n"
        "flow = report\n"
    )
    assert project.run()["report"] == sys.prefix
    assert not (project.jobs / ".packages/env").exists()


def test_another_python_than_is_required_is_refused_with_both_versions(project: Project) -> None:
    project.require(*NEEDS, python=">=3.99")
    said = project.run(code=1)
    version = ".".join(map(str, sys.version_info[:3]))
    assert "pyproject.toml requires Python >=3.99, and " in said
    assert f"on the cluster is {version}: name another interpreter" in said


def test_they_are_installed_for_the_python_that_a_setup_brings(project: Project) -> None:
    """It cannot be started without, and the setup talks in between."""
    guarded = f'[ -n "$NEEDED" ] || exit 9\nexec {sys.executable} "$@"'
    write_program(project.base / "site/site-python", guarded)
    lines = [f"export NEEDED=1 PATH={project.base}/site:$PATH", "echo loaded", "cat"]
    project.settings.update(setup=lines, python="site-python")
    said = project.run("flow")
    [environment] = project.environments
    assert said["report"]["prefix"] == str(environment)
    assert said["flow"][:2] == [str(environment)] * 2
    project.require(*NEEDS, python=">=3.99")
    assert "and site-python on the cluster is 3." in project.run(code=1)


SCRIPT = """\
# /// script
# requires-python = "{python}"
# dependencies = ["tiny", "slurm-tasks"]
# ///
import sys
from slurm import Cluster, task

@task
def report():
    import tiny
    return [tiny.__file__, sys.prefix]

if __name__ == "__main__":
    packaging = {{"type": "source", "dependencies": "send"}}
    cluster = Cluster("local", job_base_dir=sys.argv[1], packaging=packaging, idle_timeout=2.0)
    with cluster:
        print(cluster.dry_run(report) if sys.argv[2:] else report().get_result(120))
    cluster.close()
"""


def test_a_scripts_own_metadata_is_its_environment(project: Project) -> None:
    folder = project.base / "alone"
    folder.mkdir()
    script = folder / "train.py"

    def run(python: str, *words: str) -> subprocess.CompletedProcess[str]:
        script.write_text(SCRIPT.format(python=python))
        return subprocess.run(
            [sys.executable, str(script), str(project.jobs), *words],
            env={**os.environ, **only_from(project.index), "PYTHONPATH": str(SDK)},
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=280,
            check=False,
        )

    previewed = run(">=3.9", "dry")
    assert f".packages/env/<what {script} requires>/bin/python" in previewed.stdout, (
        previewed.stderr
    )
    done = run(">=3.9")
    assert done.returncode == 0, done.stderr
    [environment] = project.environments
    file, prefix = ast.literal_eval(done.stdout)
    assert prefix == str(environment)
    assert Path(file).is_relative_to(environment)
    assert "train.py requires Python <3, and " in run("<3").stderr


def test_python_is_checked_where_nothing_else_is_required(project: Project) -> None:
    project.require(python="<3")
    assert "pyproject.toml requires Python <3, and " in project.run(code=1)


def test_a_requirement_without_a_wheel_is_refused_by_name(project: Project) -> None:
    write_wheel(project.index, "compiled", tag="cp39-cp39-win_amd64")
    project.require(*NEEDS, "compiled==1.0")
    said = project.run(code=1)
    minor = f"Python {sys.version_info[0]}.{sys.version_info[1]}"
    assert f"compiled==1.0 has no wheel for {minor} on linux" in said
    assert 'dependencies = "index"' in said
    assert not list(project.jobs.glob("report/*")), "nothing was submitted"


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"dependencies": "sent"}, "dependencies 'sent'.*'send' or 'index'"),
        ({"dependencies": True}, "dependencies True"),
        ({"dependencies": "send", "extras": "gpu"}, "extras is a list of names"),
        ({"extras": ["gpu"]}, "extras .* without dependencies"),
    ],
)
def test_what_is_no_setting_is_said(settings: dict[str, Any], why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        strategy_of({"type": "source", **settings})
