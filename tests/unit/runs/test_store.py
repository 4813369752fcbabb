"""Manifests in their files: read, written, changed by several at once, and found."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest
from tests.helpers.run_manifests import content, manifest, written

from slurm.runs import store
from slurm.runs.manifest import Manifest, ManifestError
from slurm.runs.project import project_root


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A manifest that a person has written."""
    return written(tmp_path, further={"of": "mine"})


def running(found: Manifest) -> Manifest:
    return found.with_keys(status="running")


def keys(path: Path) -> dict[str, object]:
    found: dict[str, object] = json.loads(path.read_text())
    return found


# --- read ----------------------------------------------------------------------------------------


def test_what_is_read(path: Path) -> None:
    assert store.read(path).content == content(further={"of": "mine"})
    assert store.read(path).path == str(path)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "it is no JSON (line 1, column 1: Expecting value)"),
        (b'{"a": 1,\n}', "it is no JSON (line 2, column 1: "),
        (b"[]", "it is no JSON object"),
        (b"{}", "it must contain "),
        (b"\xff", "it is no UTF-8 text (invalid start byte)"),
    ],
)
def test_what_is_no_manifest_is_said_in_one_line(path: Path, data: bytes, message: str) -> None:
    path.write_bytes(data)
    with pytest.raises(ManifestError) as caught:
        store.read(path)
    assert str(caught.value).startswith(f"{path}: {message}")
    assert "\n" not in str(caught.value)
    with pytest.raises(ManifestError):
        store.change(path, running)
    assert path.read_bytes() == data


def test_what_is_not_there_and_what_is_a_directory(path: Path) -> None:
    for other, reason in ((path.parent, "it is a directory"), (path / "x", "not a directory")):
        with pytest.raises(ManifestError, match=f"^{other}: {reason}$"):
            store.read(other)
    with pytest.raises(ManifestError, match=r"none\.json: it is not there$"):
        store.read(path.with_name("none.json"))
    with pytest.raises(ManifestError, match=r"none\.json: it is not there$"):
        store.change(path.with_name("none.json"), running)


# --- write ---------------------------------------------------------------------------------------


def test_a_new_one_is_private_with_its_directories(tmp_path: Path) -> None:
    path = tmp_path / "plan" / "iter1" / "runs" / "r" / "run_manifest.json"
    saved = store.write(manifest(str(path)))
    assert saved.revision == 1
    assert store.read(path) == saved
    below = [path, *list(path.parents)[:4]]
    assert [stat.S_IMODE(one.stat().st_mode) for one in below] == [0o600, *[0o700] * 4]
    assert path.with_name(".run_manifest.json.lock").exists()


def test_each_write_raises_the_revision(path: Path) -> None:
    first = store.write(running(store.read(path)))
    second = store.write(first.with_keys(command="other"))
    assert [first.revision, second.revision] == [1, 2]
    assert keys(path)["further"] == {"of": "mine"}
    before = path.stat()
    assert store.write(second) == second  # it is what is there
    assert path.stat() == before


def test_a_write_that_comes_from_an_older_revision_is_refused(path: Path) -> None:
    old = store.read(path)
    store.change(path, running)
    before = path.read_bytes()
    with pytest.raises(store.StaleManifest, match=r"its revision is 1, and .* from revision 0"):
        store.write(old.with_keys(command="other"))
    assert path.read_bytes() == before
    newer = store.read(path)
    path.unlink()
    with pytest.raises(store.StaleManifest, match="it is not there any more"):
        store.write(newer)
    assert not path.exists()


def test_nothing_is_written_that_could_not_be_read(path: Path) -> None:
    before = path.read_bytes()
    for changes, message in (
        ({"status": "lost"}, "status must be one of"),
        ({"status": "completed"}, "has timestamps.completed_at"),
        ({"iteration_id": "\ud800"}, "half of a character"),
    ):
        with pytest.raises(ManifestError, match=message):
            store.change(path, lambda found, changes=changes: found.with_keys(**changes))  # type: ignore[misc]
    assert path.read_bytes() == before


# --- change --------------------------------------------------------------------------------------


def test_a_change_keeps_what_it_does_not_know(path: Path) -> None:
    path.chmod(0o640)
    changed = store.change(path, running)
    assert (changed.status, changed.revision) == ("running", 1)
    assert keys(path) == content(status="running", further={"of": "mine"}, revision=1)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_a_change_that_changes_nothing_writes_nothing(path: Path) -> None:
    before = path.stat()
    assert store.change(path, lambda found: found).revision == 0
    assert path.stat() == before
    assert not path.with_name(".run_manifest.json.lock").exists()


def test_a_change_is_computed_again_on_what_others_wrote_meanwhile(path: Path) -> None:
    seen = []

    def slow(found: Manifest) -> Manifest:
        seen.append(found.revision)
        if len(seen) == 1:
            store.change(path, lambda other: other.with_keys(command="theirs"))
        return running(found)

    changed = store.change(path, slow)
    assert seen == [0, 1]
    assert (changed.revision, changed.status) == (2, "running")
    assert keys(path)["command"] == "theirs"


def test_an_editor_that_renames_loses_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its text has the revision that was read: what counts is the text."""
    fsync, edits = os.fsync, [1]

    def edited(handle: int) -> None:
        fsync(handle)
        if edits:
            edits.clear()
            other = path.with_name("run_manifest.json~")
            other.write_text(json.dumps(content(command="by hand", note="mine")))
            other.replace(path)

    monkeypatch.setattr(os, "fsync", edited)
    assert store.change(path, running).revision == 1
    assert keys(path) == content(status="running", command="by hand", note="mine", revision=1)


def test_an_editor_that_has_written_half_is_not_overwritten(path: Path) -> None:
    def meanwhile(found: Manifest) -> Manifest:
        path.write_text('{"schema_version": ')
        return running(found)

    with pytest.raises(ManifestError, match="it is no JSON"):
        store.change(path, meanwhile)
    assert path.read_text() == '{"schema_version": '


def test_a_manifest_that_was_taken_away_meanwhile_stays_away(path: Path) -> None:
    def meanwhile(found: Manifest) -> Manifest:
        path.unlink()
        return running(found)

    with pytest.raises(ManifestError, match="it is not there"):
        store.change(path, meanwhile)
    assert not path.exists()


def test_a_link_is_written_through(path: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.json"
    link.symlink_to(path)
    store.change(link, running)
    assert link.is_symlink()
    assert store.read(path).status == "running"


# --- find ----------------------------------------------------------------------------------------


def test_manifests_are_found_in_order_and_none_that_is_no_run(tmp_path: Path) -> None:
    runs = [written(tmp_path, name, run_id=run) for name in ("b", "a") for run in ("2", "1")]
    for folder in (".git", ".venv", "node_modules", "plan/a/venv"):
        written(tmp_path / folder)
    environment = written(tmp_path / "env").parents[4]
    (environment / "pyvenv.cfg").touch()
    written(runs[0].parent / "artifacts")  # somebody else's run, which was brought home
    for stray in ("plan/a/run_manifest.json", "plan/a/runs/run_manifest.json"):
        (tmp_path / stray).write_text("{}")
    (tmp_path / "plan/a/runs/empty").mkdir()
    assert store.find(tmp_path) == sorted(runs)
    assert store.find(tmp_path / "nowhere") == []


def test_links_are_followed_once_and_a_run_has_its_own_name(tmp_path: Path) -> None:
    project, shared = tmp_path / "project", tmp_path / "shared"
    here, there = written(project), written(shared)
    (project / "a-link").symlink_to(project / "plan")
    (project / "loop").symlink_to(project)
    (project / "itself").symlink_to("itself")
    (here.parents[1] / "latest").symlink_to(here.parent.name)
    (project / "of-others").symlink_to(shared)
    expected = project / "of-others" / there.relative_to(shared)
    assert store.find(project) == sorted([here, expected])


# --- the project's root --------------------------------------------------------------------------


@pytest.mark.parametrize("mark", [".slurm/", "docs/slurm_job_list.md", ".git/", ".git"])
def test_a_project_begins_where_one_of_its_marks_is(tmp_path: Path, mark: str) -> None:
    below = tmp_path / "project" / "plan" / "iter1"
    below.mkdir(parents=True)
    marked = tmp_path / "project" / mark
    if mark.endswith("/"):
        marked.mkdir()
    else:
        marked.parent.mkdir(exist_ok=True)
        marked.touch()
    assert project_root(below) == tmp_path / "project"
