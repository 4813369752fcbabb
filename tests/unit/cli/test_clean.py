"""``slurm clean``: what is old, what it would free, and then doing it. The scheduler is this machine's own."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from tests.conformance.waiting import wait_until
from tests.helpers.job_tasks import add
from tests.helpers.old_base import Base

from slurm import Cluster, cli
from slurm.api.base import Cleaned, CleanedUp
from slurm.cli.clean import in_words, rows
from slurm.errors import RemoteFileMissing


class Terminal(io.StringIO):
    """Somebody is there, who types the text."""

    def isatty(self) -> bool:
        return True


pytestmark = pytest.mark.local


@pytest.fixture
def old(local: Cluster, local_base: Path) -> Any:
    """A job that ended long ago."""
    job = add(1, 2)
    job.get_result(60)
    wait_until(lambda: not local.get_queue(), "the job's process is gone")
    base = Base.at(local_base)
    base.all_old(Path(job.job_dir))
    return job


def clean(base: Path, *options: str) -> int:
    return cli.main(["clean", *options, "--backend", "local", "--job-base-dir", str(base)])


def test_it_says_what_it_would_remove_and_does_it_when_told(
    old: Any,
    local: Cluster,
    local_base: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert clean(local_base, "--dry-run") == 0
    would = capsys.readouterr().out
    assert "TO REMOVE" in would
    assert "would be freed in" in would
    monkeypatch.setattr("sys.stdin", Terminal("n\n"))
    assert clean(local_base) == 0
    said = capsys.readouterr()
    assert "TO REMOVE" in said.out
    assert "remove this?" in said.err
    assert "nothing was removed" in said.err
    assert Path(old.job_dir).is_dir()
    monkeypatch.setattr("sys.stdin", Terminal("y\n"))
    assert clean(local_base, "--older-than", "39d") == 0
    said = capsys.readouterr()
    assert "were freed in" in said.out
    assert not Path(old.job_dir).exists()
    with pytest.raises(RemoteFileMissing, match=f"no job {old.id} was submitted under"):
        local.get_job(old.id)


def test_json_tells_all_kinds_and_takes_a_yes(
    old: Any, local_base: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert clean(local_base, "--json", "--yes", "--older-than", "41d") == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["jobs"]["removed"], said["jobs"]["recent"] > 0) == (0, True)
    assert clean(local_base, "--json", "--yes") == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["dry_run"], said["older_than"], said["problem"]) == (False, 30 * 86400, "")
    assert (said["jobs"]["removed"], said["receipts"]["removed"]) == (1, 2)
    assert said["freed"] >= said["jobs"]["freed"] > 0
    assert set(said) > set(CleanedUp(dry_run=True).kinds)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([], "nobody is there: add --yes, or --dry-run"),
        (["--older-than", "long"], "'long' is no age: say it as 30d, 12h, 90m or 10s"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(
    given: list[str],
    said: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO())
    assert cli.main(["clean", *given]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert said in line


def test_what_could_not_be_removed_is_said(
    local_base: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    done = CleanedUp(False, jobs=Cleaned(removed=1, freed=4096), problem="Device busy: .nfs0001")
    monkeypatch.setattr("slurm.api.local.LocalBackend.clean_up", lambda *args, **more: done)
    assert clean(local_base, "--yes") == 1
    said = capsys.readouterr()
    assert said.err == "slurm clean: something could not be removed: Device busy: .nfs0001\n"
    assert "4K were freed" in said.out


def test_on_a_terminal_it_tells_how_far_it_is(
    local_base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = Terminal()
    monkeypatch.setattr("sys.stderr", shown)
    assert clean(local_base, "--dry-run") == 0
    assert "looked at" in shown.getvalue()
    assert shown.getvalue().rstrip(" ").endswith("\r")


def test_the_table_has_what_there_is() -> None:
    done = CleanedUp(
        dry_run=False,
        jobs=Cleaned(removed=12, freed=1 << 20, live=3, needed=2, recent=7),
        staged=Cleaned(recent=1),
    )
    head, *lines = rows(done)
    assert head[1:4] == ("REMOVED", "SIZE", "NOT ENDED")
    assert lines == [
        ("directories of jobs", "12", "1M", "3", "2", "7", "-"),
        ("large files on their way", "-", "-", "-", "-", "1", "-"),
    ]
    assert in_words(done) == "1M were freed"
