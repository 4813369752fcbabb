"""Environments of the site: tried out before anything is submitted, and brought about by the job script."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.helpers.site_pythons import another_python, conda_prefix, this_python, write_program

from slurm import Cluster, task
from slurm.errors import ConfigError, PackagingError, SlurmError
from slurm.packaging import Environment, environment_for, strategy_of
from slurm.packaging.site import site_checks
from slurm.packaging.site.setup_script import lines_of, under

pytestmark = pytest.mark.local

HOSTILE = """it's "$(false)"; `false` & é *"""
SHOW = "import json, os; print(json.dumps(dict(os.environ)))"

Make = Callable[..., Environment]


@pytest.fixture
def make(local: Cluster, tasks: Any) -> Make:
    """The environment of a task with the packaging `none` and these settings."""

    def made(**settings: Any) -> Environment:
        return environment_for(strategy_of({"type": "none", **settings}), tasks.echo, local)

    return made


@pytest.fixture
def problem(make: Make) -> Callable[..., str]:
    """Why an environment with these settings is refused."""

    def refused(**settings: Any) -> str:
        with pytest.raises(SlurmError) as caught:
            make(**settings)
        return str(caught.value)

    return refused


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home directory without any conda, and no conda on the PATH."""
    for name in os.environ:
        if name.startswith(("CONDA", "MAMBA")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def bash(environment: Environment, code: str = SHOW) -> subprocess.CompletedProcess[str]:
    """What a job does with it, up to Python."""
    command = shlex.join([*environment.interpreter, "-c", code])
    script = "\n".join([*environment.setup, f"exec {command}"])
    return subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False)


def variables(environment: Environment) -> dict[str, str]:
    """The environment variables of the job's Python."""
    done = bash(environment)
    assert done.returncode == 0, done.stderr
    found: dict[str, str] = json.loads(done.stdout.splitlines()[-1])
    return found


# --- the setup -----------------------------------------------------------------------------------


def test_its_lines_run_in_order_in_one_shell_and_what_they_print_confuses_nobody(
    make: Make,
) -> None:
    lines = ["shopt -s expand_aliases", "alias set_it='export A=1'", "set_it", "printf 'no end'"]
    lines += ['f() { export B="$A$A"; }', "f", 'echo "[1]"; echo noise >&2', "set -eu"]
    environment = make(setup=lines)
    assert environment.python == sys.version_info[:2]
    found = variables(environment)
    assert (found["A"], found["B"]) == ("1", "11")


@pytest.mark.parametrize(
    ("lines", "parts"),
    [
        (
            ["true", "echo no such module >&2; false", "true"],
            ["2 of 3", "status 1: no such module"],
        ),
        (["exit 3"], ["'exit 3', ended the shell", "status 3: it printed nothing"]),
        (["set -u", 'echo "$NOT_SET"'], ["2 of 2", "ended the shell", "NOT_SET: unbound variable"]),
        (["if then"], ["'if then', failed", "syntax error near unexpected token"]),
        (["echo 'open"], ["failed", "unexpected EOF"]),
        (["no-such-program -x"], ["failed", "status 127", "no-such-program: command not found"]),
        (["exec true"], ["'exec true', ended the shell", "status 0"]),
        (["trap - EXIT", "(exit 4)"], ["2 of 2", "failed", "status 4"]),
        (["module load cuda/99"], ["'module load cuda/99', failed", "module"]),
    ],
)
def test_a_line_that_fails_is_named_with_what_it_printed(
    lines: list[str], parts: list[str], problem: Callable[..., str]
) -> None:
    message, *_ = problem(setup=lines).splitlines()
    assert message.startswith("setup line ")
    assert "on this machine" in message
    assert message.endswith("; mend it in the packaging's setup")
    assert [part for part in parts if part not in message] == []


def test_only_what_the_failing_line_printed_is_shown(problem: Callable[..., str]) -> None:
    said = problem(setup=["echo loading", "echo ERROR: none; echo see the manual; false"])
    head, *tail = said.splitlines()
    assert "status 1: ERROR: none; mend it" in head
    assert tail == ["  ERROR: none", "  see the manual"]


def test_a_line_that_hangs_is_named(
    problem: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(site_checks, "LOGIN_TIMEOUT", 0.3)
    assert "setup line 2 of 2, 'sleep 600', was not done after" in problem(
        setup=["true", "sleep 600"]
    )


def test_it_is_tried_out_once_and_a_failure_is_not_remembered(
    make: Make, problem: Callable[..., str], tmp_path: Path
) -> None:
    log, there = tmp_path / "log", tmp_path / "there"
    settings = {"setup": [f"echo run >> {log}", f"[ -e {there} ]"]}
    assert "setup line 2 of 2" in problem(**settings)
    there.touch()
    make(**settings)
    make(**settings, pythonpath=["/elsewhere"])
    assert log.read_text().splitlines() == ["run"] * 2
    make(**settings, check="none")
    assert log.read_text().splitlines() == ["run"] * 2


def test_what_it_leaves_running_is_ended_and_waited_for_by_nobody(
    make: Make, tmp_path: Path
) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    make(setup=[f"sleep 600 8> {fifo} &"])
    os.set_blocking(reader, True)
    assert os.read(reader, 1) == b"", "nobody has it open any more"
    os.close(reader)


def test_module_is_defined_as_for_a_login_shell(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a stand-in for environment modules, where their variable says that they are."""
    init = tmp_path / "init" / "bash"
    init.parent.mkdir()
    init.write_text('module() { [ "$2" != cuda/99 ] && export LOADED="$2"; }\n')
    monkeypatch.setenv("MODULESHOME", str(tmp_path))
    assert variables(make(setup=["module load cuda/12"]))["LOADED"] == "cuda/12"


@given(st.lists(st.text(st.characters(exclude_categories=["C"])), min_size=1, max_size=5))
def test_any_text_in_a_line_is_what_bash_makes_of_it(texts: list[str]) -> None:
    setup = [f"export V{number}={shlex.quote(text)}" for number, text in enumerate(texts)]
    script = "\n".join([*lines_of(setup), "exec env -0"])
    done = subprocess.run(["bash", "-c", script], capture_output=True, check=True)
    found = set(done.stdout.decode().split("\0"))
    assert found >= {f"V{number}={text}" for number, text in enumerate(texts)}


def test_a_line_that_fails_in_the_job_alone_ends_it_and_is_named(make: Make) -> None:
    line = '[ -n "${SLURM_SDK_TRIED-x}" ]'
    environment = make(setup=["echo before", line])
    os.environ["SLURM_SDK_TRIED"] = ""
    try:
        done = bash(environment)
    finally:
        del os.environ["SLURM_SDK_TRIED"]
    assert done.returncode == os.EX_UNAVAILABLE
    assert done.stdout == "before\n"
    assert f"slurm-tasks: setup line 2 of 2, '{line}', failed on " in done.stderr
    assert "with status 1; mend it in the packaging's setup" in done.stderr


@pytest.mark.parametrize(
    ("line", "code", "says"),
    [
        ("exit 3", os.EX_UNAVAILABLE, "'exit 3', ended the shell on "),
        ("exit 0", os.EX_UNAVAILABLE, "'exit 0', was the last on "),
        ("kill -TERM $$", -signal.SIGTERM, "it ended the shell, or the job was ended in it"),
    ],
)
def test_a_job_that_ends_in_its_setup_says_where(line: str, code: int, says: str) -> None:
    done = bash(Environment([sys.executable], lines_of([line])))
    assert done.returncode == code
    assert says in done.stderr


def test_a_program_under_it_alone_reads_the_input(make: Make) -> None:
    environment = make(setup=["cat", "echo noise", "export A=5"])
    argv = [*under(environment.setup), sys.executable, "-"]
    program = "import os; print(os.environ['A'])"
    done = subprocess.run(argv, input=program, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "5\n")
    assert done.stderr == "noise\n"


# --- python --------------------------------------------------------------------------------------


def test_a_bare_name_is_looked_for_on_the_path_that_the_setup_makes(
    make: Make, tmp_path: Path
) -> None:
    this_python(tmp_path / "bin/of-the-module")
    environment = make(setup=[f"PATH={tmp_path}/bin:$PATH"], python="of-the-module")
    assert environment.interpreter == ["of-the-module"]
    assert environment.python == sys.version_info[:2]
    assert bash(environment).returncode == 0


def test_a_python_that_is_not_there_or_too_old_is_refused(
    problem: Callable[..., str], tmp_path: Path
) -> None:
    said = problem(python="/no/python3", setup=["true"])
    assert said == (
        "/no/python3 is no program on this machine after the setup: name one that is with the packaging's python"
    )
    old = another_python(tmp_path / "python", (3, 8))
    assert f"{old} on this machine is Python 3.8: jobs need 3.9" in problem(python=old)


# --- conda ---------------------------------------------------------------------------------------


def test_a_conda_environment_is_activated_without_conda(make: Make, home: Path) -> None:
    prefix = conda_prefix(home / HOSTILE / "envs" / "train")
    said = {"env_vars": {"FROM_STATE": "it's", "LEFT": "***unset***"}}
    (prefix / "conda-meta/state").write_text(json.dumps(said))
    environment = make(conda=str(prefix), setup=["set -eu"])
    assert environment.interpreter == [f"{prefix}/bin/python"]
    found = variables(environment)
    assert found["PATH"].startswith(f"{prefix}/bin:")
    assert (found["CONDA_PREFIX"], found["CONDA_DEFAULT_ENV"]) == (str(prefix), "train")
    assert (found["TOOL_HOME"], found["FROM_STATE"]) == (f"{prefix}/tool", "it's")
    assert "LEFT" not in found


def test_a_name_is_what_conda_lists(make: Make, home: Path) -> None:
    """With a stand-in for conda that knows one question, and is on the PATH by the setup alone."""
    prefix = conda_prefix(home / "far away" / "train")
    listed = shlex.quote(json.dumps({"envs": ["/opt/conda", str(prefix)]}))
    write_program(home / "bin/conda", f'[ "$*" = "env list --json" ] && printf %s {listed}')
    environment = make(conda="train", setup=[f"export PATH={home}/bin:$PATH"])
    assert environment.interpreter == [f"{prefix}/bin/python"]
    assert environment.inherited is not None
    assert environment.inherited["found"]["prefix"] == str(prefix)


def test_where_no_conda_is_its_notes_and_directories_are_read(make: Make, home: Path) -> None:
    noted = conda_prefix(home / "shared/envs/noted")
    usual = conda_prefix(home / "miniforge3/envs/usual")
    base = conda_prefix(home / "miniforge3")
    (home / ".conda").mkdir()
    (home / ".conda/environments.txt").write_text(f"{home}/gone\n{noted}\n")
    for name, prefix in {"noted": noted, "usual": usual, "base": base}.items():
        assert make(conda=name).interpreter == [f"{prefix}/bin/python"]


def test_a_conda_environment_that_is_not_there_is_said_with_those_that_are(
    problem: Callable[..., str], home: Path
) -> None:
    conda_prefix(home / "miniforge3/envs/train")
    said = problem(conda="trian")
    assert said.startswith("there is no conda environment 'trian', but train on this machine (")
    assert f"there is no conda environment in {home}/x" in problem(conda="~/x")
    (home / "empty/conda-meta").mkdir(parents=True)
    assert "has no Python" in problem(conda=f"{home}/empty/")
    conda_prefix(home / ".conda/envs/train")
    assert "there are several conda environments 'train'" in problem(conda="train")


# --- uv ------------------------------------------------------------------------------------------


def test_a_project_of_uv_has_its_own_python(
    make: Make, problem: Callable[..., str], home: Path
) -> None:
    project = home / HOSTILE
    assert f"there is no directory {project}" in problem(uv=str(project))
    project.mkdir()
    assert f"there is no .venv in {project}: run `uv sync` there on this machine" in problem(
        uv=f"~/{HOSTILE}"
    )
    this_python(project / ".venv/bin/python")
    environment = make(uv=f"~/{HOSTILE}")
    assert environment.interpreter == [f"{project}/.venv/bin/python"]
    found = variables(environment)
    assert found["VIRTUAL_ENV"] == f"{project}/.venv"
    assert found["PATH"].startswith(f"{project}/.venv/bin:")


def test_an_environment_that_the_node_does_not_see_is_said_there(make: Make, home: Path) -> None:
    prefix = conda_prefix(home / "envs/train")
    environment = make(conda=str(prefix))
    (prefix / "bin/python").unlink()
    done = bash(environment)
    assert done.returncode == os.EX_UNAVAILABLE
    assert f"slurm-tasks: the conda environment {prefix} is not there on " in done.stderr


# --- what it is made of --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "part"),
    [
        ({"setup": "module load cuda"}, "setup is a list of lines of bash"),
        ({"setup": ["one\ntwo"]}, "line break"),
        ({"setup": [3]}, "setup has 3"),
        ({"python": "python3", "uv": "/p"}, "python and uv each say"),
        ({"conda": "a", "uv": "/p"}, "conda and uv each say"),
        ({"conda": "envs/x"}, "neither a name nor an absolute prefix"),
        ({"uv": "project"}, "no directory of the cluster"),
        ({"check": "nodes"}, "check 'nodes' does not exist (did you mean 'node'?)"),
        ({"conda": "x", "check": "none"}, "name its prefix"),
    ],
)
@pytest.mark.parametrize("kind", ["none", "source"])
def test_what_makes_no_sense_is_one_line(kind: str, settings: dict[str, Any], part: str) -> None:
    with pytest.raises(ConfigError) as caught:
        strategy_of({"type": kind, **settings})
    assert part in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_dry_run_shows_it_and_tries_nothing_out(local: Cluster, tasks: Any, home: Path) -> None:
    settings = {"type": "none", "setup": [f"touch {home}/mark"], "conda": "nowhere"}
    request = local.dry_run(task(packaging=settings)(tasks.reads.unwrapped), "X")
    script = request.files[request.script].decode()
    assert f"eval 'touch {home}/mark'" in script
    assert "exec '<the prefix of nowhere>/bin/python' -u" in script
    assert not (home / "mark").exists()


@pytest.mark.parametrize("kind", ["none", "container"])
def test_pythonpath_begins_in_the_home_directory_there(
    kind: str, fake_cluster: Cluster, tasks: Any
) -> None:
    paths = ["~/src", "/opt/~/src", "~", "it's ~/src"]
    settings = {"image": "/i.sif", "runtime": "apptainer"} if kind == "container" else {}
    strategy = strategy_of({"type": kind, "pythonpath": paths, **settings})
    there = ["/home/me/src", "/opt/~/src", "/home/me", "it's ~/src"]
    assert environment_for(strategy, tasks.echo, fake_cluster).pythonpath == there
    assert strategy.preview(tasks.echo, fake_cluster).pythonpath == there


# --- a compute node ------------------------------------------------------------------------------


class Elsewhere:
    """A cluster that looks as one with Slurm, for srun to be asked for: a stand-in."""

    def __init__(self, cluster: Cluster) -> None:
        self.site = cluster.site._replace(name="ssh")
        self.backend, self.python = cluster.backend, cluster.python
        self.job_base_dir = cluster.job_base_dir


def test_a_compute_node_is_asked_through_srun(
    local: Cluster, tasks: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a stand-in for srun that runs what it is told here."""
    run = 'printf "%s\\n" "$*" | head -n 1 >> "${0%/*}/calls"\nwhile [ "$1" != bash ]; do shift; done\nON_NODE=1 exec "$@"'
    write_program(tmp_path / "bin/srun", run)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    there: Any = Elsewhere(local)
    on_gpus = tasks.echo.with_options(partition="gpu", account="physics")
    strategy = strategy_of({"type": "none", "setup": ['[ -z "$ON_NODE" ]'], "check": "node"})
    with pytest.raises(PackagingError, match=r"setup line 1 of 1.*failed on a compute node"):
        strategy.prepare(on_gpus, there)
    strategy = strategy_of({"type": "none", "setup": ["true"], "check": "node"})
    strategy.prepare(on_gpus, there)
    strategy.prepare(on_gpus, there)
    calls = (tmp_path / "bin/calls").read_text().splitlines()
    assert len(calls) == 2
    assert "--account=physics --partition=gpu" in calls[1]
    write_program(tmp_path / "bin/srun", "echo 'srun: error: invalid partition' >&2; exit 1")
    other = tasks.echo.with_options(partition="gpuu")
    with pytest.raises(PackagingError, match="compute node: it exited with 1: srun: error: inv"):
        strategy.prepare(other, there)
