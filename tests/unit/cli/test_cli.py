"""The command `slurm`: what it prints, what it writes, and one line for what is wrong."""

from __future__ import annotations

import argparse
import importlib
import io
import os
import re
import stat
import subprocess
import sys
import threading
from pathlib import Path

import click
import pytest
from tests.helpers.noted import a_run
from tests.helpers.processes import RunPython

import slurm
from slurm import Cluster, JobTree, cli
from slurm.cli import commands
from slurm.job_tree import tree

ROOT = Path(__file__).parents[3]


@pytest.fixture
def jobs(tmp_path: Path) -> Path:
    """A directory with the jobs of `a_run`."""
    return a_run().write(tmp_path / "jobs")


def refused(capsys: pytest.CaptureFixture[str], *arguments: str, status: int = 2) -> str:
    """The one line on stderr with which the command refuses `arguments`."""
    with pytest.raises(SystemExit) as left:
        sys.exit(cli.main(list(arguments)))
    assert left.value.code == status
    said = capsys.readouterr()
    assert said.out == ""
    [line] = said.err.splitlines()
    return line


# --- slurm tree ----------------------------------------------------------------------------------


def test_tree_prints_the_tree(jobs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["tree", str(jobs)]) == 0
    assert capsys.readouterr().out == JobTree.from_dir(jobs).to_text()


def test_tree_prints_mermaid(jobs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["tree", "--mermaid", str(jobs)]) == 0
    assert capsys.readouterr().out == JobTree.from_dir(jobs).to_mermaid()


def test_tree_writes_a_page(jobs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "page.html"
    page.write_text("an older one")
    assert cli.main(["tree", str(jobs), "--html", str(page)]) == 0
    assert capsys.readouterr() == ("", f"wrote {page}\n")
    assert page.read_text().startswith("<!DOCTYPE html>")
    assert page.stat().st_mode & 0o777 == 0o644


def test_a_page_goes_through_a_link_and_into_a_pipe_and_takes_the_place_of_neither(
    jobs: Path, tmp_path: Path
) -> None:
    page, link, pipe = tmp_path / "page.html", tmp_path / "link.html", tmp_path / "pipe"
    link.symlink_to(page)
    assert cli.main(["tree", str(jobs), "--html", str(link)]) == 0
    assert link.is_symlink()
    assert page.read_text().startswith("<!DOCTYPE html>")
    os.mkfifo(pipe)
    said: list[bytes] = []
    # One that waits for ever, should the pipe be gone, holds up nobody.
    reader = threading.Thread(target=lambda: said.append(pipe.read_bytes()), daemon=True)
    reader.start()
    assert cli.main(["tree", str(jobs), "--html", str(pipe)]) == 0
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    reader.join(240)
    assert said[0].startswith(b"<!DOCTYPE html>")


def test_tree_prints_a_drawing_and_nothing_else_beside_a_page(
    jobs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["tree", str(jobs), "--mermaid", "--html", str(tmp_path / "page.html")]) == 0
    assert capsys.readouterr().out == JobTree.from_dir(jobs).to_mermaid()


def test_tree_takes_a_directory_of_a_cluster(
    jobs: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(jobs.parent))
    assert cli.main(["tree", "--backend", "slurm", "~/jobs/sweep"]) == 0
    assert "prepare" in capsys.readouterr().out


def test_tree_unfolds(jobs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["tree", "--all", str(jobs)]) == 0
    assert "[3]" in capsys.readouterr().out


def test_tree_says_when_there_are_more_jobs(
    jobs: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tree, "MOST_DIRECTORIES", 5)
    assert cli.main(["tree", str(jobs)]) == 0
    assert "more jobs" in capsys.readouterr().err


def test_tree_prints_in_ascii_where_nothing_else_can_be_printed(
    jobs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", out)
    assert cli.main(["tree", str(jobs)]) == 0
    out.flush()
    assert "|-- count x 4" in out.buffer.getvalue().decode("ascii")


# --- what is wrong -------------------------------------------------------------------------------


def test_what_cannot_be_drawn_is_refused_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "no job in" in refused(capsys, "tree", str(tmp_path))
    assert "nowhere" in refused(capsys, "tree", str(tmp_path / "nowhere"))
    (tmp_path / "file").touch()
    assert "file" in refused(capsys, "tree", str(tmp_path / "file"))


def test_a_page_that_cannot_be_written_is_refused_in_one_line(
    jobs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = refused(capsys, "tree", str(jobs), "--html", "/dev/null/page.html")
    assert "--html /dev/null/page.html cannot be written" in said


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ([], "COMMAND"),
        (["tre"], "tre"),
        (["--tree"], "--tree"),
        (["tree"], "PATH"),
        (["tree", "x", "y"], "y"),
        (["tree", ""], "PATH"),
        (["tree", "x", "--htm"], "--html"),
        (["tree", "x", "--backend", "cloud"], "--backend"),
        (["tree", "x", "--env", "nowhere"], "Slurmfile"),
        (["tree", "x", "--job-base-dir", "/jobs"], "Slurmfile"),
        (["tree", "x", "--port", "0"], "'0' is not a whole number"),
        (["tree", "jobs", "--backend", "ssh", "--hostname", "h"], "start it with / or ~/"),
        (["login", "h", "--hours", "169"], "'169' is not a whole number from 1 to 168"),
        (["login", "h", "--check", "--exit"], "not allowed with --check"),
        (["login", ""], "HOST"),
    ],
)
def test_bad_arguments_get_one_line(
    arguments: list[str], named: str, capsys: pytest.CaptureFixture[str], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    assert named in refused(capsys, *arguments)


def test_a_cluster_that_cannot_be_reached_is_one_line_and_another_status(
    capsys: pytest.CaptureFixture[str],
) -> None:
    given = ["tree", "/jobs", "--backend", "ssh", "--hostname", "127.0.0.1", "--port", "1"]
    assert "127.0.0.1" in refused(capsys, *given, status=1)


# --- the command itself --------------------------------------------------------------------------


def test_it_runs_as_a_module(jobs: Path, run_python: RunPython) -> None:
    assert "prepare" in run_python("-m", "slurm.cli", "tree", str(jobs)).stdout


def test_its_entry_point_is_there() -> None:
    text = (ROOT / "pyproject.toml").read_text()
    assert '[project.scripts]\nslurm = "slurm.cli:main"\n' in text
    assert callable(cli.main)


def test_a_usage_error_names_the_command_and_its_help(capsys: pytest.CaptureFixture[str]) -> None:
    said = "slurm tree: missing argument 'JOB|PATH' (see --help)"
    assert refused(capsys, "tree") == said
    assert refused(capsys) == f"slurm: name a COMMAND: {', '.join(cli.COMMANDS)} (see --help)"
    said = "slurm: there is no command 'tre' (did you mean 'tree'?) (see --help)"
    assert refused(capsys, "tre") == said


@pytest.mark.parametrize("name", sorted(cli.COMMANDS))
def test_every_command_says_what_it_does_and_gives_an_example(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert isinstance(importlib.import_module(cli.COMMANDS[name][0]).command, click.Command)
    assert cli.main(["--help"]) == 0
    assert re.search(rf"^  {name} +{cli.COMMANDS[name][1]}$", capsys.readouterr().out, re.MULTILINE)
    with_example(["slurm", name], commands.root(), capsys)


def with_example(path: list[str], group: click.Group, capsys: pytest.CaptureFixture[str]) -> None:
    """Hold that a command, and those below it, show an example of themselves, with -h as with --help."""
    assert cli.main([*path[1:], "--help"]) == 0
    said = capsys.readouterr().out
    assert re.search(rf"^Examples?:\n  {' '.join(path)}\b", said, re.MULTILINE)
    assert max(map(len, said.splitlines())) <= 80
    assert cli.main([*path[1:], "-h"]) == 0
    assert capsys.readouterr().out == said
    with click.Context(group) as ctx:
        command = group.get_command(ctx, path[-1])
        assert command is not None
        for below in command.list_commands(ctx) if isinstance(command, click.Group) else ():
            with_example([*path, below], command, capsys)  # type: ignore[arg-type]


def test_help_and_version_of_the_command_itself(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--help"]) == cli.main(["-h", "tree"]) == 0
    said = capsys.readouterr().out
    assert said == 2 * cli.overview()
    assert commands.root().get_help(click.Context(commands.root())) + "\n" == cli.overview()
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out == f"slurm-tasks {slurm.__version__}\n"


@pytest.mark.parametrize("given", ["--help", "--version"])
def test_help_is_there_without_click_and_without_any_command(
    given: str, run_python: RunPython
) -> None:
    done = run_python("-c", f"import sys, slurm.cli as c\nprint(c.main(['{given}']))\n"
                      "print([m for m in sys.modules if m.startswith(('slurm.cli.', 'slurm.cluster', 'click'))])")  # fmt: skip
    assert done.stdout.splitlines()[-2:] == ["0", "[]"]


def test_only_the_command_that_is_asked_for_is_imported(run_python: RunPython) -> None:
    done = run_python("-c", "import sys, slurm.cli as c\nc.main(['login', '--help'])\n"
                      "print([m for m in sys.modules if m.startswith(('slurm.cli.', 'slurm.job_tree'))])")  # fmt: skip
    assert done.stdout.splitlines()[-1] == "['slurm.cli.commands', 'slurm.cli.login']"


# --- groups, and commands of later ---------------------------------------------------------------

NESTED = """
import click
from slurm.cli.commands import Group
from slurm.errors import ConfigError, SlurmError
command = Group("runs", {"list": ("nested_list", "list the runs")}, help="Runs.", example="slurm runs list")
@command.command(example="slurm runs show R")
@click.argument("run")
@click.pass_context
def show(ctx, run):
    "Show a run."
    if run == "broken":
        raise SlurmError("it is broken")
    if run == "bad":
        raise ConfigError("it is bad")
    if run == "prompt":
        raise click.Abort
    if run == "interrupt":
        raise KeyboardInterrupt
    if run == "usage":
        raise click.UsageError("RUN 'usage' is none")
    if run == "file":
        raise click.FileError("f", "no such file")
    print("shown")
    ctx.exit(3)
"""
PLAIN = """
import click
@click.group()
def command():
    "Of click alone."
@command.command()
@click.argument("file")
def append(file):
    "Append."
    raise click.ClickException(f"{file} is full")
"""
LIST = """
import click
@click.command(name="list")
def command():
    "List."
    print("listed")
"""


@pytest.fixture
def nested(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Groups `runs` and `slurm-job-list` as further commands."""
    for name, text in {"nested": NESTED, "nested_plain": PLAIN, "nested_list": LIST}.items():
        (tmp_path / f"{name}.py").write_text(text)
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(cli.COMMANDS, "runs", ("nested", "look after runs"))
    monkeypatch.setitem(cli.COMMANDS, "slurm-job-list", ("nested_plain", "keep the ledger"))


@pytest.mark.usefixtures("nested")
def test_a_group_lists_its_commands_without_importing_them(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert cli.main(["runs", "--help"]) == 0
    said = capsys.readouterr().out
    assert "list  list the runs\n" in said
    assert "show  Show a run.\n" in said
    assert said.endswith("Example:\n  slurm runs list\n")
    assert "nested_list" not in sys.modules
    assert cli.main(["runs", "list"]) == 0
    assert capsys.readouterr().out == "listed\n"
    assert "nested_plain" not in sys.modules


@pytest.mark.usefixtures("nested")
@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        ("runs", 2, "slurm runs: name a COMMAND: list, show (see --help)"),
        ("runs lst", 2, "slurm runs: there is no command 'lst' (did you mean 'list'?) (see --help)"),
        ("runs list x", 2, "slurm runs list: got unexpected extra argument (x) (see --help)"),
        ("runs show", 2, "slurm runs show: missing argument 'RUN' (see --help)"),
        ("runs show usage", 2, "slurm runs show: RUN 'usage' is none (see --help)"),
        ("runs show bad", 2, "slurm runs show: it is bad"),
        ("runs show broken", 1, "slurm runs show: it is broken"),
        ("runs show file", 1, "slurm runs show: could not open file 'f': no such file"),
        ("runs show prompt", 130, "slurm runs show: interrupted."),
        ("runs show interrupt", 130, "slurm runs show: interrupted."),
        ("slurm-job-list", 2, "slurm slurm-job-list: missing command (see --help)"),
        ("slurm-job-list append", 2, "slurm slurm-job-list append: missing argument 'FILE' (see --help)"),
        ("slurm-job-list append f", 1, "slurm slurm-job-list append: f is full"),
    ],
)  # fmt: skip
def test_an_error_of_a_nested_command_is_one_line_with_its_whole_name(
    arguments: str, status: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert refused(capsys, *arguments.split(), status=status) == said


@pytest.mark.usefixtures("nested")
def test_a_command_may_end_with_an_exit_status_of_its_own(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert cli.main(["runs", "show", "r"]) == 3
    assert capsys.readouterr() == ("shown\n", "")


# --- cluster options -----------------------------------------------------------------------------


def test_the_cluster_options_are_those_of_other_programs() -> None:
    parser = argparse.ArgumentParser()
    Cluster.add_argparse_args(parser)
    given = "--backend ssh --hostname h --port 22 --job-base-dir /j --account a --env e"

    @click.command(cls=commands.Command)
    @click.option("--other")
    @commands.cluster_options
    def show(other: str, cluster_args: argparse.Namespace) -> tuple[str, argparse.Namespace]:
        """Returns what was given."""
        return other, cluster_args

    for words in ([], given.split()):
        got = show.main([*words, "--other", "o"], standalone_mode=False)
        assert got == ("o", parser.parse_args(words))
    with click.Context(show) as ctx:
        text = " ".join(show.get_help(ctx).partition("Cluster options:")[2].split())
    for action in parser._actions[1:]:
        assert f"{action.option_strings[0]} " in text
        assert str(action.help) in text


# --- completion, closed pipes --------------------------------------------------------------------


def completed(words: str, run_python: RunPython, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What bash is offered for the last of `words`."""
    monkeypatch.setenv("_SLURM_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", words)
    monkeypatch.setenv("COMP_CWORD", str(len(words.split(" ")) - 1))
    return run_python("-m", "slurm.cli").stdout.split()


def test_a_shell_completes_commands_and_options(
    run_python: RunPython, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert completed("slurm tr", run_python, monkeypatch) == ["plain,tree"]
    assert completed("slurm tree --m", run_python, monkeypatch) == [
        "plain,--mermaid",
        "plain,--max-cpus",
    ]
    assert completed("slurm tree x", run_python, monkeypatch) == ["file,x"]
    monkeypatch.setenv("_SLURM_COMPLETE", "zsh_source")
    assert "compdef _slurm_completion slurm" in run_python("-m", "slurm.cli", "--help").stdout


@pytest.mark.local
@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["tree", "--help"]])
def test_help_of_which_nobody_reads_the_end_is_no_error(arguments: list[str]) -> None:
    assert without_a_reader(arguments) == (0, b"")


@pytest.mark.local
def test_a_reader_that_goes_away_is_no_error(jobs: Path) -> None:
    assert without_a_reader(["tree", "--all", str(jobs)]) == (0, b"")


def without_a_reader(arguments: list[str]) -> tuple[int, bytes]:
    """The exit status and stderr of the command, whose stdout nobody reads."""
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-m", "slurm.cli", *arguments],
        stdout=writing,
        stderr=subprocess.PIPE,
        timeout=200,
        check=False,
    )
    os.close(writing)
    return done.returncode, done.stderr
