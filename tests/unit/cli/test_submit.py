"""``slurm submit`` and ``slurm tree JOB`` on this machine's own scheduler."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from slurm import Cluster, JobTree, cli

FILE = """
import sys
from slurm import task

@task(time="7")
def scale(number: int, factor: float = 2, names=()) -> float:
    print("scaling", number, factor, list(names))
    print("an error", file=sys.stderr)
    if number < 0:
        raise ValueError("negative")
    return number * factor

def plain():
    pass

if __name__ == "__main__":
    raise SystemExit("its main part ran")
"""


@pytest.fixture(autouse=True)
def own_modules(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What a test imports is forgotten after it."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if not name.startswith("slurm"):
            del sys.modules[name]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "scaling_tasks.py"
    path.write_text(FILE)
    return path


def options(base: Path) -> list[str]:
    return ["--backend", "local", "--job-base-dir", str(base)]


def test_a_task_of_a_file_is_submitted_with_its_arguments(
    local: Cluster, local_base: Path, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [
        "--arg",
        "number=21",
        "--arg",
        'names=["a", "b"]',
        "--mem=300M",
        "--cpus-per-task",
        "2",
    ]
    assert cli.main(["submit", f"{file}:scale", *words, "--follow", *options(local_base)]) == 0
    said = capsys.readouterr()
    first, printed = said.out.splitlines()
    job = local.get_job(first.split(maxsplit=1)[0])
    assert first == f"{job.id} scale in {job.job_dir}"
    assert printed == "scaling 21 2 ['a', 'b']"
    assert said.err.splitlines() == ["an error", f"{job.id} scale COMPLETED"]
    assert job.get_result(60) == 42
    script = Path(job.job_dir, "job.sh").read_text()
    for directive in ("--mem=300M", "--cpus-per-task=2", "--time=7"):
        assert f"#SBATCH {directive}\n" in script


def test_a_key_makes_one_job_and_the_exit_status_says_how_it_ended(
    local: Cluster, local_base: Path, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["submit", f"{file}:scale", "--arg", "number=-1", "--key", "once", *options(local_base)]
    assert (cli.main(words), cli.main([*words, "--wait"])) == (0, 4)
    said = capsys.readouterr()
    first, second = said.out.splitlines()
    assert first == second
    assert said.err.endswith(" scale FAILED\n")


@pytest.mark.parametrize(
    ("task", "words", "said"),
    [
        (
            "{file}:scale",
            ["--arg", "nmber=1"],
            "--arg nmber: scale has no such argument (did you mean 'number'?)",
        ),
        ("{file}:scale", ["--arg", "factor=1"], "missing a required argument: 'number'"),
        ("{file}:scale", ["--arg", "number"], "'number' is no argument: write name=value"),
        ("{file}:scale", ["--arg", "number=1", "--arg", "number=2"], "may be given once"),
        ("{file}:scale", ["--arg", "number=1", "--memm=1G"], "sbatch has no --memm"),
        ("{file}:scale", ["--arg", "nmber=" + "[" * 100_000], "has no such argument"),
        ("{file}:scal", [], "scal is not there (did you mean 'scale'?)"),
        ("{file}:plain", [], "plain is no task: put @task before it"),
        ("{file}", [], "names no task: write FILE.py:TASK"),
        ("nowhere.py:scale", [], "there is no file nowhere.py"),
        ("no_such_module:scale", [], "no_such_module cannot be imported: ModuleNotFoundError"),
    ],
)
def test_what_is_wrong_is_one_line_before_anything_is_submitted(
    task: str,
    words: list[str],
    said: str,
    file: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    base = tmp_path / "jobs"
    assert cli.main(["submit", task.format(file=file), *words, *options(base)]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert said in line
    assert not base.exists()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("x = (\n", "line 1: '(' was never closed"),
        ("\nraise KeyError(7)\n", "cannot be imported: KeyError: 7 (line 2 of "),
        ("raise SystemExit\n", "cannot be imported: it calls exit()"),
        ("import sys; sys.exit(0)\n", "cannot be imported: it calls exit(0)"),
        (
            "from slurm import task, Cluster\n@task\ndef f(): pass\nwith Cluster('local'):\n    f()\n",
            "submits f whenever it is imported",
        ),
    ],
)
def test_a_file_that_cannot_be_imported_is_one_line(
    content: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "broken_tasks.py").write_text(content)
    assert cli.main(["submit", f"{tmp_path}/broken_tasks.py:f", *options(tmp_path / "jobs")]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert said in line


def test_a_tree_is_drawn_of_an_id(
    local: Cluster,
    local_base: Path,
    file: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    words = ["submit", f"{file}:scale", "--arg", "number=1", "--wait", *options(local_base)]
    assert cli.main(words) == 0
    job_id, _, _, path = capsys.readouterr().out.strip().split(maxsplit=3)
    (tmp_path / "Slurmfile.toml").write_text(
        f'[default.cluster]\nbackend = "local"\njob_base_dir = "{local_base}"\n'
    )
    monkeypatch.chdir(tmp_path)
    assert cli.main(["tree", job_id]) == 0
    assert capsys.readouterr().out == JobTree.from_dir(path).to_text()
    assert cli.main(["tree", "98765"]) == 2
    assert "no job 98765 was submitted under" in capsys.readouterr().err
