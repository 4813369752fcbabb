"""``slurm slurm-job-list``: what its commands print, and their exit status."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from tests.helpers.run_manifests import RUN_ID, manifest, written

from slurm.cli.slurm_job_list import command
from slurm.runs import store
from slurm.runs.ledger import HEADING, LedgerConflict
from slurm.runs.ledger_lines import Entry
from slurm.runs.manifest import ManifestError

DOC = "docs/slurm_job_list.md"
LINE = f"{Entry.of(manifest())}\n"


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A manifest in a project in which the user is, by its relative path."""
    (tmp_path / ".slurm").mkdir()
    monkeypatch.chdir(tmp_path)
    return os.path.relpath(written(tmp_path))


def run(*arguments: str) -> Result:
    return CliRunner().invoke(command, arguments)


def printed(*arguments: str, status: int = 0) -> str:
    done = run(*arguments)
    assert (done.exit_code, done.stderr) == (status, ""), done.output
    return done.stdout


def as_json(*arguments: str, status: int = 0) -> Any:
    return json.loads(printed(*arguments, "--json", status=status))


def change(path: str, **changes: Any) -> None:
    store.change(Path(path), lambda found: found.with_keys(**changes))


def test_append_says_what_it_did(path: str) -> None:
    assert printed("append", "--manifest", path, "--doc", DOC) == "appended\n"
    assert Path(DOC).read_text() == HEADING + LINE
    assert printed("append", "--manifest", path) == "unchanged\n"
    change(path, status="running")
    assert as_json("append", "--manifest", path) == {
        "outcome": "updated",
        "run_id": RUN_ID,
        "line": LINE.strip().replace("submitted", "running"),
    }


def test_the_ledger_is_the_project_s_wherever_one_is(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = Path.cwd()
    monkeypatch.chdir(Path(path).parent)
    assert printed("append", "--manifest", "run_manifest.json") == "appended\n"
    assert (root / DOC).exists()
    assert printed("verify", "--manifest", "run_manifest.json").startswith("PASS ")


def test_another_job_is_an_error(path: str) -> None:
    printed("append", "--manifest", path)
    change(path, job_id="4712")
    done = run("append", "--manifest", path)
    assert done.exit_code == 1
    assert isinstance(done.exception, LedgerConflict)
    assert "line 3 of the ledger has job_id=4711, its manifest has job_id=4712" in str(
        done.exception
    )


def test_verify_passes(path: str) -> None:
    printed("append", "--manifest", path)
    expected = f"PASS run_id={RUN_ID} job_id=4711: {DOC}:3\n"
    assert printed("verify", "--manifest", path, "--doc", DOC) == expected
    assert as_json("verify", "--manifest", path) == {"verdict": "PASS", "run_id": RUN_ID, "line": 3}
    change(path, status="running")
    assert printed("verify", "--manifest", path) == expected


def test_verify_fails_with_the_cause_and_a_command_that_mends_it(path: str) -> None:
    told = ("--manifest", path, "--doc", "my ledger.md")
    ours = "slurm slurm-job-list"
    assert printed("verify", *told, status=1) == (
        f"FAIL run_id={RUN_ID}: entry missing: no line has run_id={RUN_ID} (my ledger.md); "
        f"mend it: {ours} append --manifest {path} --doc 'my ledger.md'\n"
    )
    assert not Path("my ledger.md").exists()
    printed("append", *told)
    change(path, status="running")
    assert as_json("verify", *told, "--strict", status=1) == {
        "verdict": "FAIL",
        "run_id": RUN_ID,
        "line": 3,
        "cause": "status differs",
        "detail": "line 3 has status=submitted, the manifest has status=running",
        "mend": f"{ours} append --manifest {path} --doc 'my ledger.md'",
    }
    change(path, job_id="4712")
    failed = printed("verify", *told, status=1)
    assert failed == (
        f"FAIL run_id={RUN_ID}: job id differs: line 3 has job_id=4711, the manifest has job_id=4712 "
        f"(my ledger.md); mend it: {ours} rebuild --doc 'my ledger.md'\n"
    )
    assert printed("rebuild", "--doc", "my ledger.md").startswith("0 appended, 1 updated, ")
    assert printed("verify", *told, "--strict").startswith("PASS ")


def test_what_is_no_job_of_slurm_is_skipped(path: str) -> None:
    change(path, host_mode="local")
    for name in ("append", "verify"):
        assert printed(name, "--manifest", path) == (
            f"skipped run_id={RUN_ID}: host_mode=local: the ledger is of Slurm's jobs\n"
        )
        assert as_json(name, "--manifest", path)["outcome"] == "skipped"
    assert not Path(DOC).exists()


def test_rebuild_enters_all_and_says_which_it_cannot_read(path: str) -> None:
    other = written(Path.cwd(), "iter2", run_id="20260219T000000Z", job_id="9")
    assert as_json("rebuild") == {
        "appended": 2,
        "updated": 0,
        "unchanged": 0,
        "removed": 0,
        "kept": 0,
        "errors": [],
    }
    other.write_text("{")
    change(path, status="running")
    done = run("rebuild")
    assert done.exit_code == 1
    assert done.stdout == "0 appended, 1 updated, 0 unchanged, 0 removed, 1 kept\n"
    assert done.stderr.startswith(f"not entered: {other}: it is no JSON (line 1")
    assert "job_id=9 " in Path(DOC).read_text()


def test_a_manifest_that_is_not_there(path: str) -> None:
    done = run("append", "--manifest", "none.json")
    assert isinstance(done.exception, ManifestError)
    assert str(done.exception) == "none.json: it is not there"
    assert run("append").exit_code == 2


@pytest.mark.parametrize("name", ["append", "verify", "rebuild"])
def test_help_has_an_example(name: str) -> None:
    assert f"Example:\n  slurm slurm-job-list {name}" in printed(name, "--help")
