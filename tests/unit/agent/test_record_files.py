"""Which record files of an array count, and what of them is sent."""

from __future__ import annotations

import io
import pickle
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.helpers.fakes import FakeBackend
from tests.helpers.recorded import RecordFile

from slurm.agent.record_files import RecordFile as Found
from slurm.agent.record_files import Wanted, wanted_part
from slurm.agent.record_frames import frames_of
from slurm.api.base import BackendBase
from slurm.api.slurm_cli import InProcessBackend
from slurm.errors import RemoteFileError, RemoteFileMissing
from slurm.job_dir.item_records import ItemRecord, Records


class Folder:
    """The record files of an array, for an agent on this machine and for a backend that knows nothing of them."""

    def __init__(self, files: InProcessBackend, path: Path) -> None:
        self.path = path
        self.agent = files
        self.fake = FakeBackend()

    def write(self, *files: RecordFile) -> None:
        for file in files:
            (self.path / file.name).write_bytes(file.content)
            self.fake.files[str(self.path / file.name)] = file.content

    def read(self, **asked: Any) -> list[ItemRecord]:
        ways: list[BackendBase] = [self.agent, self.fake]
        by_agent, by_fake = (list(self._read(backend, **asked)) for backend in ways)
        assert by_agent == by_fake
        return by_agent

    def _read(self, backend: BackendBase, **asked: Any) -> Iterable[ItemRecord]:
        known = Records()
        for part in backend.read_records(str(self.path), **asked):
            yield from known.of(part.name, frames_of(part.frames))

    def values(self, **asked: Any) -> dict[int, Any]:
        return {one.item: pickle.loads(one.frame.body) for one in self.read(**asked)}  # noqa: S301 - made here


@pytest.fixture
def folder(files: InProcessBackend, tmp_path: Path) -> Folder:
    return Folder(files, tmp_path)


def test_items_and_array_tasks_are_chosen(folder: Folder) -> None:
    tasks = [
        RecordFile(f"12_{task}").value(2 * task, "even").value(2 * task + 1, "odd")
        for task in (0, 2, 10)
    ]
    folder.write(*tasks)
    assert list(folder.values()) == [0, 1, 4, 5, 20, 21], "in the order of their numbers"
    assert folder.values(jobs=["12_10", "12_0"], items=[1, 4, 20, 99]) == {1: "odd", 20: "even"}
    assert [one.shared["job_id"] for one in folder.read(jobs=["12_2"])] == ["12_2", "12_2"]
    assert not folder.values(jobs=[]), "of none"
    assert not folder.values(items=[])
    without = folder.read(items=[1], bodies=False)
    assert [(one.item, one.successful, one.has_result) for one in without] == [(1, True, False)]


def test_other_files_are_left_alone(folder: Folder) -> None:
    folder.write(RecordFile("12_0").value(0, "it"))
    for name in (".12_0.1", "12_0.json", ".12_0.json.lock", "README", "12_0.1~"):
        (folder.path / name).write_bytes(RecordFile("12_0").value(0, "not").content)
    assert list(folder._read(folder.agent)) == folder.read()
    assert folder.values() == {0: "it"}


def test_no_directory_is_missing_and_one_that_cannot_be_read_is_an_error(folder: Folder) -> None:
    for backend in (folder.agent, folder.fake):
        with pytest.raises(RemoteFileMissing):
            list(backend.read_records(f"{folder.path}/none"))
    (folder.path / "12_0.1").mkdir()
    with pytest.raises(RemoteFileError, match="12_0"):
        list(folder.agent.read_records(str(folder.path)))


def test_an_attempt_says_how_much_of_those_before_counts(folder: Folder) -> None:
    """What an earlier one writes later, for it went on where nobody heard of it, is as if it had not run."""
    first = RecordFile("12_0", 1).value(0, "first")
    known = len(first.content)
    second = RecordFile("12_0", 2, before={"12_0.1": known}).value(1, "second")
    folder.write(first.value(1, "too late").value(2, "too late"), second)
    assert folder.values() == {0: "first", 1: "second"}
    third = RecordFile("12_0", 3, before={"12_0.1": known, "12_0.2": 0}).value(1, "third")
    folder.write(third)
    assert folder.values() == {0: "first", 1: "third"}
    folder.write(RecordFile("12_0", 10, before={}).value(5, "tenth"))
    assert folder.values() == {5: "tenth"}, "it has seen nothing of the others"


@pytest.mark.parametrize("begun", [b"", RecordFile("12_0", 2).content[:-1]])
def test_an_attempt_that_has_not_begun_says_nothing_of_others(begun: bytes, folder: Folder) -> None:
    folder.write(RecordFile("12_0", 1).value(0, "first"))
    second = RecordFile("12_0", 2)
    second.frames[:] = [begun]
    folder.write(second)
    assert folder.values() == {0: "first"}


def test_what_is_too_much_at_once_comes_in_pieces(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    for task in range(3):
        file = RecordFile(f"12_{task}")
        for item in range(4 * task, 4 * task + 4):
            file.value(item, "x" * 100 * item)
        folder.write(file)
    whole = folder.read()
    monkeypatch.setattr(folder.agent, "together", 700)
    asked: list[Mapping[str, int]] = []
    request = folder.agent.request

    def noted(op: str, params: dict[str, Any], blob: bytes = b"") -> tuple[Any, bytes]:
        asked.append(dict(params["after"]))
        answer, data = request(op, params, blob)
        assert len(data) <= 700 or len(list(frames_of(data))) <= 2
        return answer, data

    monkeypatch.setattr(folder.agent, "request", noted)
    assert folder.read() == whole
    assert len(asked) > 5
    few = folder.read(most=700)
    assert few == whole[: len(few)]
    assert 0 < len(few) < len(whole)


def test_what_was_added_since_is_read_from_there_on(folder: Folder) -> None:
    file = RecordFile("12_0")
    ends: Mapping[str, int] = {}
    found: list[list[int]] = []
    for item in range(3):
        folder.write(file)
        known = Records()
        parts = list(folder.agent.read_records(str(folder.path), after=ends))
        found.append(
            [one.item for part in parts for one in known.of(part.name, frames_of(part.frames))]
        )
        ends = {part.name: part.end for part in parts}
        file.value(item, item)
    assert found == [[], [0], [1]]


class Counted(io.BytesIO):
    """Counts the bytes that are read, and knows how far."""

    bytes_read = furthest = 0

    def read(self, size: int | None = -1) -> bytes:
        data = super().read(size)
        self.bytes_read += len(data)
        self.furthest = max(self.furthest, self.tell())
        return data


def read_of(file: RecordFile, items: Collection[int]) -> Counted:
    opened = Counted(file.content)
    wanted = Wanted(set(items), {}, bodies=True, most=1 << 20)
    part = wanted_part([Found(file.name, "12_0", 1)], lambda name: opened, wanted)
    found = [frame for frame in frames_of(part.data) if frame.item in items]
    assert [frame.item for frame in found if frame.whole] == sorted(items)
    return opened


def test_results_that_are_not_asked_for_are_passed_over() -> None:
    file = RecordFile("12_0")
    for item in range(1, 30):
        file.value(item, bytes(100_000))
    opened = read_of(file, [3, 20])
    assert opened.bytes_read < len(file.content) / 3
    assert opened.furthest < len(file.content) * 21 / 29, "nor what is behind the last of them"


def test_a_few_of_many_small_ones_are_read_once() -> None:
    file = RecordFile("12_0")
    for item in range(1, 3000):
        file.value(item, item)
    assert read_of(file, [3, 5, 7, 2500]).bytes_read < 3 * len(file.content)
