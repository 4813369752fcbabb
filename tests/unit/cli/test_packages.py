"""``slurm packages``: what lies on a cluster for jobs to run with. The scheduler is this machine's own."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.helpers.job_tasks import add, read

from slurm import Cluster, Job, cli
from slurm.api.stored_packages import StoredPackage
from slurm.cli.packages.words import row, what

CODE, OTHER, ENV = "mine-0123456789abcdef", "mine-fedcba9876543210", "00112233445566aa"
LONG_AGO = 1_000_000_000


def run(capsys: pytest.CaptureFixture[str], local_base: Path, *arguments: str) -> str:
    """What a command prints that is about the jobs of `local_base`."""
    options = ["--backend", "local", "--job-base-dir", str(local_base)]
    assert cli.main(["packages", *arguments, *options]) == 0
    said = capsys.readouterr()
    assert said.err == ""
    return said.out


def package(base: Path, name: str, at: float = LONG_AGO) -> Path:
    folder = base / ".packages" / name
    folder.mkdir(parents=True, mode=0o700, exist_ok=True)
    (folder / "tasks.py").write_text("x = 1\n")
    os.utime(folder, (at, at))
    return folder


@pytest.fixture
def waiting(local: Cluster, local_base: Path, tmp_path: Path) -> Iterator[Job[Any]]:
    """A job that waits for one that never ends by itself, with the copy `CODE` of its code."""
    place = str(package(local_base, f"source/{CODE}"))
    told = {"copy": place, "project": "mine", "revision": "4f5e6d7c8b9a0f1e", "dirty": True}
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    holder = read(str(fifo))
    packaging = {"type": "source", "copies": {"/home/me/mine": told}}
    with Cluster("local", job_base_dir=local_base, max_cpus=4, packaging=packaging) as cluster:
        job = add.after(holder)(1, 2)
        yield job
        job.cancel()
        holder.cancel()
    cluster.close()


def test_list_tells_what_there_is_and_which_jobs_use_it(
    waiting: Job[Any], local_base: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    package(local_base, f"source/{OTHER}")
    first, *lines, last = run(capsys, local_base, "list").splitlines()
    assert first.split() == ["KIND", "NAME", "SIZE", "UNUSED", "FOR", "JOBS", "WHAT", "IT", "IS"]
    assert last.endswith(f" in {local_base}")
    [mine] = [line for line in lines if CODE in line]
    assert " 1  mine at 4f5e6d7c8b9a with uncommitted changes" in mine
    [other] = [line for line in lines if OTHER in line]
    assert " 0  mine" in other
    said = json.loads(run(capsys, local_base, "list", "--json"))
    assert (said["job_base_dir"], said["problem"]) == (str(local_base), "")
    found = {os.path.basename(one["name"]): one for one in said["packages"]}
    assert (found[CODE]["kind"], found[CODE]["jobs"], found[CODE]["about"]["dirty"]) == (
        *("source", 1),
        True,
    )
    assert found[OTHER]["used_at"] == "2001-09-09T01:46:40+00:00"


def test_gc_leaves_to_jobs_what_they_use_until_they_have_ended(
    waiting: Job[Any], local_base: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    free, code = package(local_base, f"source/{OTHER}"), local_base / ".packages/source" / CODE
    os.utime(code, (LONG_AGO, LONG_AGO))
    assert "1 would be removed" in run(capsys, local_base, "gc", "--dry-run")
    assert free.exists()
    said = run(capsys, local_base, "gc", "--older-than", "1d")
    assert OTHER in said
    assert "1 removed" in said
    assert "stay for jobs that have not ended" in said
    assert (free.exists(), code.exists()) == (False, True)
    waiting.cancel()
    waiting.wait(60)
    said = json.loads(run(capsys, local_base, "gc", "--json"))
    assert [one["name"] for one in said["removed"]] == [f".packages/source/{CODE}"]
    assert not code.exists()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["gc", "--older-than", "long"], "'long' is no age: say it as 30d, 12h, 90m or 10s"),
        (["remove"], "there is no command 'remove'"),
        ([], "name a COMMAND: list, gc"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(
    given: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["packages", *given]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert said in line


@pytest.mark.parametrize(
    ("kind", "about", "said"),
    [
        ("environment", {"origin": "/home/me/uv.lock"}, "what /home/me/uv.lock requires"),
        ("wheels", {"files": [f"{one}.whl" for one in "abcde"]}, "a.whl, b.whl, c.whl and 2 more"),
        ("image", {"image": "docker://python:3.12"}, "docker://python:3.12"),
        ("image", {}, ""),
        ("SDK", {"version": "1.0"}, "slurm-tasks 1.0"),
        ("contents", {"count": 7}, "files of copies and wheels: 7"),
    ],
)
def test_what_it_is_in_words(kind: str, about: dict[str, Any], said: str) -> None:
    package = StoredPackage(kind, f".packages/{ENV}", 4096, 100.0, None, about)
    assert what(package) == said
    assert row(package, 160.0)[:5] == (kind, ENV, "4K", "1 min 00 s", "-")


def test_names_are_no_commands_for_a_terminal(
    local: Cluster, local_base: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = package(local_base, "source/\x1b[31m-0123456789abcdef")
    assert "\x1b" not in run(capsys, local_base, "list")
    assert "\x1b" not in run(capsys, local_base, "gc")
    assert not bad.exists()
