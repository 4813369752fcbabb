"""What is in a directory tree, in one answer, and checksums of parts of it: nothing outside of the tree is looked at."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest
from tests.helpers.fakes import FakeBackend
from tests.helpers.far import Far

from slurm.agent import tree_requests
from slurm.api.requests import Tree, TreeFile
from slurm.api.slurm_cli import InProcessBackend
from slurm.api.transfers import FileChanged
from slurm.errors import RemoteFileError, RemoteFileMissing

PLENTY = 1000


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    path = tmp_path / "tree"
    (path / "deep" / "deeper").mkdir(parents=True)
    (path / "a.txt").write_bytes(b"12345")
    (path / "deep" / "deeper" / "b.txt").write_bytes(b"123")
    (tmp_path / "outside.txt").write_text("secret")
    return path


def names(found: Tree, *, regular: bool = True) -> list[str]:
    return sorted(file.path for file in found.files if file.regular is regular)


def test_a_file_is_named_with_its_version(files: InProcessBackend, tree: Path) -> None:
    found = files.list_tree(str(tree), PLENTY)
    about = (tree / "deep/deeper/b.txt").stat()
    assert names(found) == ["a.txt", "deep/deeper/b.txt"]
    version = TreeFile("deep/deeper/b.txt", 3, about.st_mtime_ns, about.st_ino)
    assert version in found.files
    assert found.complete


def test_links_are_followed_to_files_in_the_tree_alone(files: InProcessBackend, tree: Path) -> None:
    for name, target in (
        ("inside", "deep/deeper/b.txt"),
        ("to outside", "../outside.txt"),
        ("to a directory", "deep"),
        ("to itself", "to itself"),
        ("to nothing", "nowhere"),
        ("deep/up", ".."),
        ("above", str(tree.parent)),
    ):
        (tree / name).symlink_to(target)
    os.mkfifo(tree / "pipe")
    found = files.list_tree(str(tree), PLENTY)
    assert names(found) == ["a.txt", "deep/deeper/b.txt", "inside"]
    assert names(found, regular=False) == sorted(
        ["to outside", "to a directory", "to itself", "to nothing", "deep/up", "above", "pipe"]
    )
    [inside] = [file for file in found.files if file.path == "inside"]
    assert inside.size == 3


def test_a_tree_may_be_reached_by_a_link(files: InProcessBackend, tree: Path) -> None:
    link = tree.parent / "link"
    link.symlink_to("tree")
    (tree / "again").symlink_to(link / "a.txt")
    assert names(files.list_tree(str(link), PLENTY)) == ["a.txt", "again", "deep/deeper/b.txt"]


def test_names_that_are_no_utf_8_are_told_and_read(tree: Path) -> None:
    name = b"caf\xe9 \n\x01.bin"
    (tree / os.fsdecode(name)).write_bytes(b"x")
    far = Far(scheduler=object())
    [found] = [file for file in far.list_tree(str(tree), PLENTY).files if "caf" in file.path]
    assert os.fsencode(found.path) == name
    path = f"{tree}/{found.path}"
    assert b"".join(far.read_pieces(path, found)) == b"x"
    assert [one.file.size for one in far.sum_parts([(path, 0, 1)])] == [1]


def test_no_more_are_told_than_were_asked_for(files: InProcessBackend, tree: Path) -> None:
    assert files.list_tree(str(tree), 2).complete
    found = files.list_tree(str(tree), 1)
    assert (len(found.files), found.complete) == (1, False)


@pytest.mark.parametrize(
    ("name", "error"), [("none", RemoteFileMissing), ("a.txt", RemoteFileError)]
)
def test_what_is_no_directory_has_no_tree(
    name: str, error: type[Exception], files: InProcessBackend, tree: Path
) -> None:
    with pytest.raises(error, match=name):
        files.list_tree(str(tree / name), PLENTY)


def test_parts_are_summed_up_in_one_answer_errors_in_their_place(tree: Path) -> None:
    far = Far(scheduler=object())
    path = str(tree / "a.txt")
    whole, part, missing, beyond = far.sum_parts(
        [(path, 0, 5), (path, 1, 2), (f"{path}x", 0, 1), (path, 3, 100)]
    )
    assert whole.sha256 == hashlib.sha256(b"12345").hexdigest()
    assert part.sha256 == hashlib.sha256(b"23").hexdigest()
    assert isinstance(missing.error, RemoteFileMissing)
    assert beyond.sha256 == hashlib.sha256(b"45").hexdigest()
    assert (whole.file.size, whole.file.inode) == (5, os.stat(path).st_ino)
    assert far.asked == ["sums"]


def test_a_large_file_keeps_no_answer_waiting(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tree_requests, "SUMMING", 0.0)
    far = Far(scheduler=object())
    path = str(tree / "a.txt")
    found = [one.sha256 for one in far.sum_parts([(path, at, 1) for at in range(3)])]
    assert found == [hashlib.sha256(one).hexdigest() for one in (b"1", b"2", b"3")]
    assert far.asked == ["sums"] * 3


def test_pieces_go_on_where_they_are_told_to(tree: Path) -> None:
    far = Far(scheduler=object())
    path = tree / "large"
    path.write_bytes(bytes(range(95)))
    [version] = [file for file in far.list_tree(str(tree), PLENTY).files if file.path == "large"]
    assert list(far.read_pieces(str(path), version, start=82)) == [
        bytes(range(82, 92)),
        bytes(range(92, 95)),
    ]
    assert list(far.read_pieces(str(path), version, start=95)) == []
    path.write_bytes(bytes(96))
    with pytest.raises(FileChanged):
        list(far.read_pieces(str(path), version, start=82))


def test_a_backend_of_the_users_own_need_not_have_them(backend: FakeBackend) -> None:
    backend.files["/there"] = b"12345"
    with pytest.raises(RemoteFileError, match="FakeBackend has no list_tree"):
        backend.list_tree("/", PLENTY)
    there, missing = backend.sum_parts([("/there", 1, 2), ("/none", 0, 1)])
    assert there.sha256 == hashlib.sha256(b"23").hexdigest()
    assert isinstance(missing.error, RemoteFileMissing)
    assert b"".join(backend.read_pieces("/there", TreeFile("/there", 5), start=3)) == b"45"
    with pytest.raises(RemoteFileError, match="replaced"):
        list(backend.read_pieces("/there", TreeFile("/there", 6)))
