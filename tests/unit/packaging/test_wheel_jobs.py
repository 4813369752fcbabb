"""Jobs with a wheel of their project and what it depends on, which were sent to where there is neither pip nor an index."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.helpers.counting_project import CountingProject
from tests.helpers.wheels import only_from, write_wheel

import slurm

pytestmark = pytest.mark.story

SDK = Path(slurm.__file__).parents[1]
PROGRAM = Path(__file__).parents[2] / "helpers" / "dependencies_program.py"
MANY = 6
# With the directories in which the program finds its modules, and its jobs, which inherit the environment, do not.
START = """\
import runpy, sys
sys.path[:0] = sys.argv[1:3]
del sys.argv[:3]
runpy.run_path(sys.argv[0], run_name="__main__")
"""
TASKS = """\
import importlib.metadata, os, pathlib, subprocess, sys
from slurm import task, workflow

WHERE = "as it was"

def printed(*argv):
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return done.stdout.strip()

@task
def report():
    import both, tiny
    return {
        "mine": WHERE,
        "file": __file__,
        "tiny": tiny.__file__,
        "both": both.WHERE,
        "prefix": sys.prefix,
        "version": importlib.metadata.version("mine"),
        "script": printed("mine-script"),
        "tool": printed("mine-tool"),
        "table": pathlib.Path(sys.prefix, "share/mine/table.csv").read_text(),
        "theirs": printed("tiny-tool"),
        "pip": printed(sys.executable, "-m", "pip", "show", "mine", "slurm-tasks"),
        "children": [printed(sys.executable, "-c", one) for one in CHILDREN],
    }

CHILDREN = [
    "import slurm; print(slurm.__version__)",
    "import importlib.metadata as m; print(m.version('slurm-tasks'))",
]

@workflow
def flow():
    return [sys.prefix, report().get_result()["prefix"]]

def main():
    import slurm
    print("the tool of mine", slurm.__version__)
"""
# A command of what the project depends on, which imports the project, as torchrun and pytest do.
TINY = "def main():\n    import mine.tasks, slurm\n    print(mine.tasks.WHERE, slurm.__version__)\n"


class Programs:
    """The project, wheels of what it depends on, and programs that submit its tasks."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.jobs, self.index = folder, folder / "jobs", folder / "index"
        self.project = CountingProject(folder, TASKS, "tiny>=1", "both", "slurm-tasks")
        needs = ["slurm-tasks>=0.0.1"]
        command = "tiny-tool = tiny:main"
        write_wheel(self.index, "tiny", files={"tiny.py": TINY}, requires=needs, command=command)
        write_wheel(
            self.index, "slurm-tasks", "99.0", files={"slurm/__init__.py": "another = True"}
        )
        write_wheel(self.index, "both", files={"both.py": "WHERE = 'installed'\n"})
        self.settings: dict[str, Any] = {
            "type": "wheel",
            "dependencies": "send",
            "build_isolation": False,
        }

    def start(self, *words: str, state: str = "state", **environment: str) -> subprocess.Popen[str]:
        """A program that submits the tasks, with `words` what else."""
        more = {"XDG_CACHE_HOME": str(self.folder / "cache"), **environment}
        argv = [str(self.jobs), str(self.folder / state), json.dumps(self.settings), *words]
        return subprocess.Popen(
            [sys.executable, "-c", START, str(self.project.folder), str(SDK), str(PROGRAM), *argv],
            env={**os.environ, **only_from(self.index), **more},
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *words: str, **environment: str) -> Any:
        return said_by(self.start(*words, **environment))

    @property
    def environments(self) -> dict[str, dict[str, Any]]:
        """What the environments say of themselves, by their directories."""
        marks = (self.jobs / ".packages" / "env").glob("*/.ready")
        return {str(mark.parent): json.loads(mark.read_text()) for mark in marks}


def said_by(program: subprocess.Popen[str]) -> Any:
    with program:
        output, errors = program.communicate(timeout=280)
    assert program.returncode == 0, errors
    return json.loads(output)


@pytest.fixture
def programs(tmp_path: Path) -> Programs:
    return Programs(tmp_path)


@pytest.mark.parametrize("dependencies", ["send", "index"])
def test_a_wheel_lies_on_top_of_what_it_depends_on(programs: Programs, dependencies: str) -> None:
    programs.settings["dependencies"] = dependencies
    said = programs.run("flow")
    found = said["report"]
    [own, below] = sorted(
        programs.environments, key=lambda one: not programs.environments[one]["below"]
    )
    assert programs.environments[own]["wheel"] == "mine-1-py3-none-any.whl"
    assert programs.environments[own]["origin"] == str(programs.project.folder)
    assert programs.environments[own]["below"] == below
    assert said["flow"] == [own, own]
    assert found["prefix"] == own
    assert Path(found["file"]).is_relative_to(own)
    assert Path(found["tiny"]).is_relative_to(below)
    assert (found["mine"], found["both"], found["version"]) == ("as it was", "installed", "1")
    assert found["script"] == "as it was"
    assert found["table"] == "1,2\n"
    assert found["tool"] == f"the tool of mine {slurm.__version__}"
    assert found["theirs"] == f"as it was {slurm.__version__}"
    assert found["children"] == [slurm.__version__] * 2
    assert "Name: mine\n" in found["pip"]
    assert f"Name: slurm-tasks\nVersion: {slurm.__version__}\n" in found["pip"]
    # An edit: one more small environment, with nothing looked for, on top of the same.
    made = Path(below, ".ready").stat().st_ino
    programs.project.tasks.write_text(TASKS.replace("as it was", "as it is now"))
    edited = programs.run(PIP_FIND_LINKS="/nowhere")["report"]
    assert (edited["mine"], edited["theirs"]) == (
        "as it is now",
        f"as it is now {slurm.__version__}",
    )
    assert edited["tiny"] == found["tiny"]
    assert len(programs.environments) == 3
    assert Path(below, ".ready").stat().st_ino == made
    assert programs.environments[edited["prefix"]]["below"] == below
    # Again: one question, and nothing is built.
    again = programs.run(PIP_FIND_LINKS="/nowhere")
    assert again["asked"].count("run") == 1
    assert len(programs.project.builds) == 2


def test_programs_that_start_together_make_one_environment(programs: Programs) -> None:
    """And look for what is required once: only one of them can find it."""
    running = [programs.start(state=f"state-{number}") for number in range(MANY)]
    found = [said_by(one)["report"]["prefix"] for one in running]
    assert len(set(found)) == 1
    assert len(programs.environments) == 2
    assert len(programs.project.builds) == 1


def test_the_environment_of_the_dependencies_is_that_of_the_projects_sources(
    programs: Programs,
) -> None:
    programs.run()
    programs.settings = {"type": "source", "dependencies": "send"}
    programs.project.tasks.write_text(SOURCE_TASKS)
    said = programs.run(PIP_FIND_LINKS="/nowhere")
    assert len(programs.environments) == 2
    prefix, *children = said["report"]
    assert programs.environments[prefix]["below"] is None
    assert children == [slurm.__version__] * 2


SOURCE_TASKS = """\
import subprocess, sys
from slurm import task

@task
def report():
    programs = [
        "import slurm; print(slurm.__version__)",
        "import importlib.metadata as m; print(m.version('slurm-tasks'))",
    ]
    asked = [subprocess.run([sys.executable, "-c", one], stdout=-1, text=True) for one in programs]
    return [sys.prefix, *(one.stdout.strip() for one in asked)]

flow = report
"""
