"""The command `slurm`: what it prints, what it writes, and one line for what is wrong."""

from __future__ import annotations

import importlib
import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.helpers.noted import a_run
from tests.helpers.processes import RunPython

import slurm
from slurm import JobTree, cli
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
        (["tree"], "PATH"),
        (["tree", ""], "PATH"),
        (["tree", "x", "--htm"], "--html"),
        (["tree", "x", "--backend", "cloud"], "--backend"),
        (["tree", "x", "--env", "nowhere"], "Slurmfile"),
        (["tree", "x", "--job-base-dir", "/jobs"], "Slurmfile"),
        (["tree", "jobs", "--backend", "ssh", "--hostname", "h"], "start it with / or ~/"),
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


@pytest.mark.parametrize("name", sorted(cli.COMMANDS))
def test_every_command_is_there_and_says_what_it_does(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    module = importlib.import_module(cli.COMMANDS[name][0])
    assert callable(module.arguments)
    assert callable(module.run)
    with pytest.raises(SystemExit) as left:
        cli.main(["--help"])
    assert left.value.code == 0
    assert f"{name} " in capsys.readouterr().out


def test_only_the_command_that_is_asked_for_is_imported(run_python: RunPython) -> None:
    done = run_python("-c", "import sys, slurm.cli as c\ntry: c.main(['--version'])\nexcept SystemExit: pass\n"
                      "print([m for m in sys.modules if m.startswith(('slurm.cli.', 'slurm.job_tree'))])")  # fmt: skip
    assert done.stdout.split("\n")[:2] == [f"slurm-tasks {slurm.__version__}", "[]"]


def test_a_reader_that_goes_away_is_no_error(jobs: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-m", "slurm.cli", "tree", "--all", str(jobs)],
        stdout=writing,
        stderr=subprocess.PIPE,
        timeout=200,
        check=False,
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, b"")
