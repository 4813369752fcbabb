"""The ledger's file: what may stand in its place, who else writes it, and what it keeps."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest
from tests.helpers.run_manifests import RUN_ID, manifest, written

from slurm.runs import ledger_file, locked_files, store
from slurm.runs.ledger import HEADING, LedgerConflict, Outcome, Rebuilt
from slurm.runs.ledger_lines import Entry, LedgerError

LINE = f"{Entry.of(manifest())}\n"


@pytest.fixture
def doc(tmp_path: Path) -> Path:
    """Where a ledger is to be."""
    return tmp_path / "docs" / "slurm_job_list.md"


@pytest.fixture
def there(doc: Path) -> Path:
    """A ledger with a text of its own."""
    doc.parent.mkdir()
    doc.write_bytes(b"Ours\r\n")
    return doc


def test_a_ledger_is_begun_with_a_heading(doc: Path) -> None:
    assert ledger_file.read(doc) == ""
    assert ledger_file.append(doc, manifest()) is Outcome.APPENDED
    assert doc.read_text() == HEADING + LINE
    assert ledger_file.append(doc, manifest()) is Outcome.UNCHANGED
    assert ledger_file.rebuild(doc, [manifest()]) == Rebuilt(unchanged=1)


def test_bytes_stay_as_they_are(there: Path) -> None:
    there.write_bytes(b"\xef\xbb\xbfOurs\x0c\r\r\n\xe2\x80\xa8last")
    ledger_file.append(there, manifest())
    line = LINE.replace("\n", "\r\n").encode()
    assert there.read_bytes() == b"\xef\xbb\xbfOurs\x0c\r\r\n\xe2\x80\xa8last\r\n" + line


def test_nothing_is_written_where_nothing_changes(there: Path) -> None:
    ledger_file.append(there, manifest())
    before = written_state(there)
    assert ledger_file.append(there, manifest()) is Outcome.UNCHANGED
    assert written_state(there) == before


def written_state(path: Path) -> tuple[int, int, int, int]:
    """What changes when a file is written: to be read may change the time of that."""
    found = path.stat()
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


@pytest.mark.parametrize("mode", [0o600, 0o644, 0o664, 0o640])
def test_its_mode_is_kept(there: Path, mode: int) -> None:
    there.chmod(mode)
    ledger_file.append(there, manifest())
    assert stat.S_IMODE(there.stat().st_mode) == mode


@pytest.mark.parametrize(
    ("folder", "mode", "lock"),
    [(0o700, 0o600, 0o600), (0o755, 0o644, 0o600), (0o775, 0o664, 0o660), (0o777, 0o664, 0o660)],
)
def test_a_new_one_is_for_those_whom_its_directory_is_for(
    doc: Path, folder: int, mode: int, lock: int
) -> None:
    doc.parent.mkdir()
    doc.parent.chmod(folder)
    ledger_file.append(doc, manifest())
    modes = [
        stat.S_IMODE(path.stat().st_mode) for path in (doc, doc.with_name(f".{doc.name}.lock"))
    ]
    assert modes == [mode, lock]


def test_a_link_is_written_through(there: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.md"
    link.symlink_to("docs/slurm_job_list.md")
    ledger_file.append(link, manifest())
    assert link.is_symlink()
    assert there.read_bytes().endswith(b"submitted\r\n")
    assert (there.parent / ".slurm_job_list.md.lock").exists()  # one lock, whatever the name


def test_a_link_to_what_is_not_there_yet_makes_it(tmp_path: Path) -> None:
    link = tmp_path / "link.md"
    link.symlink_to("elsewhere.md")
    ledger_file.append(link, manifest())
    assert (tmp_path / "elsewhere.md").read_text() == HEADING + LINE


def in_one_line(doc: Path, expected: str) -> None:
    with pytest.raises(LedgerError) as caught:
        ledger_file.append(doc, manifest())
    assert str(caught.value) == expected


def test_a_file_that_is_read_only_is_not_replaced(there: Path) -> None:
    there.chmod(0o444)
    in_one_line(there, f"{there}: it is read-only")
    assert there.read_bytes() == b"Ours\r\n"


def test_what_else_may_stand_in_its_place(doc: Path, tmp_path: Path) -> None:
    doc.mkdir(parents=True)
    in_one_line(doc, f"{doc}: it is a directory")
    with pytest.raises(LedgerError, match="it is a directory"):
        ledger_file.read(doc)
    pipe, loop, below = tmp_path / "pipe", tmp_path / "loop", tmp_path / "file/docs/list.md"
    os.mkfifo(pipe)
    in_one_line(pipe, f"{pipe}: not a regular file but a named pipe")
    loop.symlink_to(loop)
    in_one_line(loop, f"{loop}: too many levels of symbolic links")
    (tmp_path / "file").write_text("")
    in_one_line(below, f"{below}: not a directory ({below.parent})")


def test_what_is_no_text(there: Path) -> None:
    there.write_bytes(b"one\ntwo \xff\n")
    in_one_line(there, f"{there}: it is no UTF-8 text (line 2: invalid start byte)")
    assert there.read_bytes() == b"one\ntwo \xff\n"


def test_a_conflict_names_the_file_and_changes_nothing(there: Path) -> None:
    ledger_file.append(there, manifest())
    before = there.read_bytes()
    with pytest.raises(LedgerConflict, match=f"^{there}: run_id={RUN_ID}: line 2 ") as caught:
        ledger_file.append(there, manifest(job_id="4712"))
    assert (caught.value.line, caught.value.in_ledger, caught.value.in_manifest) == (
        2,
        "4711",
        "4712",
    )
    assert there.read_bytes() == before


@pytest.mark.parametrize("step", ["fsync", "replace", "fchmod"])
def test_a_full_disk_leaves_the_old_file(
    there: Path, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    ledger_file.append(there, manifest(run_id="other", job_id="3"))
    before = there.read_bytes()
    with monkeypatch.context() as patched:
        patched.setattr(os, step, full)
        in_one_line(there, f"{there}: no space left on device")
    assert there.read_bytes() == before
    assert sorted(os.listdir(there.parent)) == [".slurm_job_list.md.lock", there.name]


def test_what_an_editor_writes_meanwhile_is_kept(
    there: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    edits = [b"Theirs\n", b"Theirs, too\n"]
    fsync = os.fsync

    def edited(handle: int) -> None:
        fsync(handle)
        if edits:
            other = there.with_name("other")
            other.write_bytes(edits.pop(0))
            other.replace(there)

    monkeypatch.setattr(os, "fsync", edited)
    assert ledger_file.append(there, manifest()) is Outcome.APPENDED
    assert there.read_text() == f"Theirs, too\n{LINE}"


def test_a_lock_that_is_held_is_waited_for_and_then_said(
    there: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import fcntl

    monkeypatch.setattr(locked_files, "PATIENCE", 0.1)
    with open(there.with_name(f".{there.name}.lock"), "w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        in_one_line(
            there,
            f"{there}: another process has held .slurm_job_list.md.lock for 0.1 seconds; "
            "try again when it has ended",
        )
    assert ledger_file.append(there, manifest()) is Outcome.APPENDED


def test_an_entry_never_goes_back_to_what_a_manifest_was(tmp_path: Path) -> None:
    """Another person has taken the run on between the manifest that was read and its entry."""
    doc = tmp_path / "docs/list.md"
    old = store.read(written(tmp_path))
    store.change(Path(old.path), lambda found: found.with_keys(status="running", job_id="4712"))
    assert ledger_file.append(doc, old) is Outcome.APPENDED
    assert ledger_file.append_all(doc, [old]) == [Outcome.UNCHANGED]
    assert ledger_file.append(doc, old) is Outcome.UNCHANGED
    assert "job_id=4712" in doc.read_text()
    assert "status=running" in doc.read_text()
