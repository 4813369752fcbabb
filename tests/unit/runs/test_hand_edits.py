"""Manifests and directories that people have changed: respected where that is possible, one clear line where not."""

from __future__ import annotations

import copy
import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.helpers.clicked import Said
from tests.helpers.run_manifests import content
from tests.helpers.run_project import RunProject

pytestmark = pytest.mark.local

DESIGN = """\
compute: {location: slurm}
artifacts: {required: [metrics.json]}
metrics:
  accuracy: {file: metrics.json, key: accuracy}
"""
FAILS = "#!/bin/bash\n#SBATCH --time=5\nexit 3\n"
STAGES = ("launch", "slurm_monitor", "extract_results")
RULED = [  # what is typed about the runs of a directory, and about one
    ("run",),
    *(("runs", name) for name in ("list", "next", "monitor", "sync", "extract")),
    *(("verify", "--stage", stage) for stage in STAGES),
    ("slurm-job-list", "rebuild"),
    ("runs", "show", "ID"),
    ("runs", "cancel", "ID"),
    ("slurm-job-list", "append", "--manifest", "PATH"),
    ("slurm-job-list", "verify", "--manifest", "PATH", "--strict"),
]
WEIRD = st.sampled_from(
    [
        *(None, "", 0, -1, 1.5, True, [], {}, ["a"], {"a": 1}, 10**30, "9" * 400, "x" * 5000),
        *("0-9999999", "\x1b[2Jx\ny", "\ud800", "\0", "../../..", "/etc", "a b", "-x"),
        *("12_[1-3]", "٣", "ok", "failed"),
        *("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2026-02-18T16:00:45"),
    ]
)
# Keys that are read where they are there, and that not all manifests have.
MORE: dict[str, Any] = {
    "revision": 3,
    "resource_request": {"array": "0-1", "output": "o", "error": "e", "chdir": "c", "time": 5},
    "scheduler": {
        "state": "RUNNING",
        "node": "n1",
        "reason": "None",
        "exit_code": "0:0",
        "sightings": 1,
        "ended_at": "2026-02-18T17:00:00Z",
        "missing_since": "2026-02-18T17:00:00Z",
        "observed_at": "2026-02-18T17:00:00Z",
    },
    "logs": {"files": ["logs/a"], "error": "e"},
    "artifacts": {"remote": "/x"},
}


@pytest.fixture
def ended(project: RunProject) -> RunProject:
    """One with a run that was submitted, and whose job has ended."""
    project.design(DESIGN)
    project.launched()
    project.job_ended()
    return project


def stages(project: RunProject) -> dict[str, dict[str, Any]]:
    """The only run's manifest, as it is at each stage of its way."""
    path = Path(project.manifest.path)
    found = {"submitted": json.loads(path.read_text())}
    found["pending"] = copy.deepcopy(found["submitted"])
    found["pending"].update(status="pending", job_id=None, history=[])
    found["pending"]["submission"]["outcome"] = "unknown"
    project.run("runs", "monitor")
    found["synced"] = json.loads(path.read_text())
    project.run("run", status=0)
    found["completed"] = json.loads(path.read_text())
    found["failed"] = copy.deepcopy(found["completed"])
    found["failed"].update(status="failed")
    found["failed"].pop("extraction")
    found["filled"] = copy.deepcopy(found["submitted"]) | copy.deepcopy(MORE)
    found["of the sdk"] = copy.deepcopy(found["submitted"])
    child = {"task": "a", "job_id": "1", "state": "RUNNING", "job_dir": "/y"}
    sdk = {"task": "t", "job_dir": "/x", "kind": "job", "job_ids": ["1"], "children": [child]}
    found["of the sdk"]["sdk"] = sdk
    return found


def places(value: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where everything in a JSON value is."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, below in items:
        yield (*above, key)
        if isinstance(below, (dict, list)):
            yield from places(below, (*above, key))


def edited(data: st.DataObject, before: dict[str, Any]) -> dict[str, Any]:
    """A manifest after a person has changed something in it."""
    after = copy.deepcopy(before)
    *above, last = data.draw(st.sampled_from(list(places(before))), "place")
    inside: Any = after
    for key in above:
        inside = inside[key]
    how = data.draw(st.sampled_from(["set", "set", "set", "remove", "rename"]), "how")
    if how == "set":
        inside[last] = data.draw(WEIRD, "value")
    elif how == "rename" and isinstance(last, str):
        inside[f"{last}s"] = inside.pop(last)
    else:
        del inside[last]
    return after


@pytest.mark.hypothesis
def test_whatever_is_edited_each_command_says_something_that_can_be_read(
    ended: RunProject,
) -> None:
    path, before = Path(ended.manifest.path), stages(ended)

    @given(data=st.data())
    def one(data: st.DataObject) -> None:
        after = edited(data, before[data.draw(st.sampled_from(sorted(before)), "stage")])
        for words in RULED:
            path.write_text(json.dumps(after))
            values = {"PATH": str(path), "ID": path.parent.name}
            is_readable(ended.run(*(values.get(word, word) for word in words)), path.parent.name)

    one()


def is_readable(said: Said, run: str) -> None:
    """No command ends otherwise than it may, none prints what moves a terminal, a refusal is a line that names the run."""
    assert said.status in range(8), said
    assert all(line.isprintable() for line in (said.out + said.err).split("\n")), said
    if said.status == 2:
        assert run in said.line


# What stands where a manifest is to be.


def link_to_nothing(path: Path) -> None:
    path.unlink()
    path.symlink_to("nowhere")


def link_to_itself(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.name)


def directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def huge(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(100 << 20)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (directory, "it is a directory"),
        (link_to_nothing, "it is not there"),
        (link_to_itself, "too many levels of symbolic links"),
        (pipe, "a named pipe"),
        (huge, "it is larger than 64 MiB"),
        (lambda path: path.write_bytes(b"\xff\xfe\0{"), "it is no UTF-8 text"),
        (lambda path: path.write_bytes(b""), "it is no JSON (line 1, column 1"),
        (lambda path: path.write_text("<<<<<<< HEAD\n{}"), "it is no JSON (line 1, column 1"),
        (lambda path: path.write_text("[" * 100000), "it is nested too deeply"),
        (lambda path: path.write_text('{"a": "\\u0000"}'), "it must contain"),
    ],
)
def test_what_is_no_manifest_is_said_in_one_line(
    ended: RunProject, change: Callable[[Path], object], why: str
) -> None:
    """And other runs go on."""
    path = Path(ended.manifest.path)
    other = ended.launched()
    change(path)
    for words in (("runs", "list"), ("run",), ("runs", "monitor"), ("runs", "sync")):
        said = ended.run(*words, status=1)
        assert said.line.startswith(f"{path}: ")
        assert why in said.line
    assert ended.json("runs", "list", status=1)["runs"][0]["run_id"] == other.run_id
    for words in (("runs", "show"), ("runs", "cancel"), ("run",), ("runs", "extract")):
        said = ended.run(*words, path.parent.name, status=2)
        assert said.line.startswith(f"{path}: ")
        assert why in said.line
    [line] = [
        one for one in ended.run("verify", "--stage", "launch").out.splitlines() if why in one
    ]
    assert line.startswith("FAIL ")


# Edits that are right.


def change(project: RunProject, function: Callable[[dict[str, Any]], object]) -> None:
    """Change the only run's manifest, in an editor that renames."""
    path = Path(project.manifest.path)
    content = json.loads(path.read_text())
    function(content)
    path.with_name("edited~").write_text(json.dumps(content, indent=8))
    path.with_name("edited~").rename(path)


def test_a_status_that_was_moved_on_is_where_the_run_goes_on(ended: RunProject) -> None:
    change(ended, lambda found: found.update(status="synced", mine={"kept": [1, None]}))
    change(ended, lambda found: found["artifact_sync_to_local"].update(status="success", by="me"))
    ended.run("run", status=0)
    assert ended.manifest.status == "completed"
    assert ended.manifest.content["mine"] == {"kept": [1, None]}
    assert ended.manifest.section("artifact_sync_to_local")["status"] == "success"
    assert "status=completed" in ended.ledger


def test_a_job_id_that_was_filled_in_is_the_runs(ended: RunProject) -> None:
    job_id = ended.manifest.job_id
    change(ended, lambda found: found.update(status="pending", job_id=None, history=[]))
    change(ended, lambda found: found["submission"].update(outcome="unknown"))
    change(ended, lambda found: found.update(status="submitted", job_id=int(job_id)))
    ended.run("run", status=0)
    assert (ended.manifest.status, ended.manifest.job_id) == ("completed", job_id)


def test_a_run_of_which_only_the_required_keys_are_left_goes_on(ended: RunProject) -> None:
    kept = {*content(), "artifacts"}
    change(ended, lambda found: [found.pop(key) for key in {*found} - kept])
    ended.run("run", status=0)
    assert ended.manifest.status == "completed"


# Directories that were moved.


def test_a_run_whose_project_was_moved_is_finished_where_it_is(
    ended: RunProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its artifacts have moved along."""
    old = ended.root
    ended.root = old.rename(old.with_name("moved"))
    ended.iteration = (ended.root / "plan/iter1").rename(ended.root / "plan/other")
    monkeypatch.chdir(ended.iteration)
    said = ended.run("run", status=0)
    assert "status=completed" in said.out
    assert not old.exists()


def test_a_run_behind_a_link_goes_on(ended: RunProject, tmp_path: Path) -> None:
    runs = ended.iteration / "runs"
    runs.rename(tmp_path / "elsewhere")
    runs.symlink_to(tmp_path / "elsewhere")
    ended.run("run", status=0)
    other = ended.launched()
    ended.job_ended(other)
    ended.run("run", status=0)
    assert [str(one.status) for one in ended.manifests()] == ["completed"] * 2


def test_a_directory_that_is_not_named_by_its_run_is_said(ended: RunProject) -> None:
    folder = ended.folder
    folder.rename(folder.with_name("mine"))
    [line] = [
        one
        for one in ended.run("verify", "--stage", "launch", status=1).out.splitlines()
        if one.startswith("FAIL")
    ]
    assert f"mine holds the manifest of {folder.name}; fix: give the directory" in line
    ended.run("run", status=0)
    assert ended.manifest.status == "completed"


def test_a_run_that_was_copied_is_no_second_job(ended: RunProject) -> None:
    """Not even one whose submission nobody knows of; whoever names it is told of both."""
    change(ended, lambda found: found.update(status="pending", job_id=None, history=[]))
    change(ended, lambda found: found["submission"].update(outcome="unknown"))
    (ended.root / "docs/slurm_job_list.md").unlink()
    folder, run_id = ended.folder, ended.manifest.run_id
    shutil.copytree(folder, folder.with_name("copy"))
    ended.run("run")
    assert {one.job_id for one in ended.manifests()} == {"1"}
    assert ended.ledger.count("run_id=") == 1
    line = ended.run("runs", "show", run_id, status=2).line
    assert line.startswith(f"two runs are {run_id}: ")
    assert f"{folder.with_name('copy')}/run_manifest.json" in line
