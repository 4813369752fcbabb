"""Ledgers and manifests while many write them, and when writers are killed, the disk is full or nothing may be written."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.helpers import killed_writers
from tests.helpers.killed_writers import KILLED, WRITERS, manifest

from slurm.runs import ledger_file, store
from slurm.runs.ledger import HEADING
from slurm.runs.ledger_lines import Entry

pytestmark = pytest.mark.story

# Root may write everywhere; without these it may not.
AS_OTHERS = ["setpriv", "--bounding-set=-dac_override,-dac_read_search,-fowner"]
AS_OTHERS = AS_OTHERS if os.getuid() == 0 else []

Write = Callable[..., Any]


@pytest.fixture
def writers(tmp_path: Path) -> Write:
    """Runs a mode of the program."""

    def run(mode: str, *before: str) -> Any:
        program = [*before, sys.executable, "-W", "error", killed_writers.__file__]
        done = subprocess.run(
            [*program, mode, str(tmp_path)],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run


def test_fifty_appends_leave_whole_lines_and_one_for_each_survivor(
    writers: Write, tmp_path: Path
) -> None:
    ended = writers("appends")
    assert ended["failed"] == []
    assert len(ended["returned"]) >= WRITERS - KILLED
    doc = tmp_path / "slurm_job_list.md"
    text = doc.read_text()
    lines = text.removeprefix(HEADING).splitlines()
    possible = {str(Entry.of(manifest(number))) for number in range(WRITERS)}
    assert text.startswith(HEADING)
    assert len(set(lines)) == len(lines)
    assert set(lines) <= possible
    assert {str(Entry.of(manifest(number))) for number in ended["returned"]} <= set(lines)
    ledger_file.append(doc, manifest(WRITERS))
    left = {".slurm_job_list.md.lock", "slurm_job_list.md"}
    assert set(os.listdir(tmp_path)) == left


def test_fifty_changes_of_a_manifest_are_all_in_it(writers: Write, tmp_path: Path) -> None:
    ended = writers("changes")
    assert ended["failed"] == []
    found = store.read(tmp_path / "run_manifest.json")
    there = {number for number in range(WRITERS) if f"writer{number}" in found.content}
    assert set(ended["returned"]) <= there
    assert found.revision == 1 + len(there)


@pytest.mark.parametrize("mode", ["append_steps", "first_steps", "change_steps"])
def test_a_writer_killed_at_any_step_leaves_the_old_file_or_the_new_one(
    mode: str, writers: Write
) -> None:
    done = writers(mode)
    assert done["status"] == 0
    assert len(done["seen"]) > 10
    [name] = done["seen"][-1][1]
    after = done["seen"][-1][1][name]
    before = done["seen"][0][0].get(name)
    assert before != after
    for died, later in done["seen"]:
        assert died.get(name) in (before, after)
        assert later == {name: after}  # with nothing left over beside it
    assert {died.get(name) for died, _ in done["seen"]} == {before, after}


def test_a_disk_that_takes_a_part_only(writers: Write) -> None:
    kept = f"{HEADING}{Entry.of(manifest(1))}\n"
    found = writers("size_limit")
    assert found["error"].endswith("list.md: file too large")
    assert found["files"] == {"list.md": kept}


def test_a_directory_that_is_read_only(writers: Write, tmp_path: Path) -> None:
    found = writers("read_only_directory", *AS_OTHERS)
    kept = f"{HEADING}{Entry.of(manifest(1))}\n"
    assert found == {
        "same": "unchanged",  # which needs no write
        "error": f"{tmp_path}/list.md: permission denied, in its directory",
        "files": {"list.md": kept},
    }
