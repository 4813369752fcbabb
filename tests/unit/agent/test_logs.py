"""What is added to files, told as it is written."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from slurm.agent.agent import Agent
from slurm.api.grown_files import wait_added
from slurm.api.requests import Added, FilePlace
from slurm.api.slurm_cli import InProcessBackend, SlurmCliBackend
from slurm.errors import RemoteFileError

DEADLINE = 60.0


@pytest.fixture(params=["agent", "whole files"])
def look(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> InProcessBackend:
    """A backend that asks an agent, and one that can only read files."""
    backend = SlurmCliBackend()
    if request.param == "whole files":

        def by_reading(
            files: list[tuple[str, FilePlace]], *, timeout: float, every: float = 0.01
        ) -> list[Added]:
            return wait_added(backend.read_files, files, timeout, every)

        monkeypatch.setattr(backend, "wait_added", by_reading)
    return backend


def more(backend: InProcessBackend, path: Path, place: FilePlace, timeout: float = 0.0) -> Added:
    [added] = backend.wait_added([(str(path), place)], timeout=timeout, every=0.01)
    return added


def test_it_goes_on_where_it_was(look: InProcessBackend, tmp_path: Path) -> None:
    path = tmp_path / "out"
    assert look.wait_added([(str(path), FilePlace())], timeout=0) == []
    path.write_bytes(b"one\n")
    first = more(look, path, FilePlace())
    assert (first.data, first.start, first.anew) == (b"one\n", 0, False)
    assert look.wait_added([(str(path), first.place)], timeout=0) == []
    with path.open("ab") as file:
        file.write(b"two\n")
    second = more(look, path, first.place)
    assert (second.data, second.start, second.anew) == (b"two\n", 4, False)
    assert more(look, path, FilePlace(-6)).data == b"e\ntwo\n"
    assert more(look, path, FilePlace(-600)).start == 0


@pytest.mark.parametrize("content", [b"", b"new", b"new, and longer than what was there before"])
def test_a_file_that_was_begun_anew_is_read_from_its_beginning(
    content: bytes, look: InProcessBackend, tmp_path: Path
) -> None:
    path = tmp_path / "out"
    path.write_bytes(b"what was there before")
    first = more(look, path, FilePlace())
    path.write_bytes(content)
    again = more(look, path, first.place)
    assert (again.data, again.start, again.anew) == (content, 0, True)
    assert look.wait_added([(str(path), again.place)], timeout=0) == []


def test_it_waits_for_a_file_and_for_what_is_added(look: InProcessBackend, tmp_path: Path) -> None:
    paths = [tmp_path / "out", tmp_path / "err"]
    asked = [(str(path), FilePlace()) for path in paths]
    told: list[list[Added]] = []
    waiting = threading.Thread(
        target=lambda: told.append(look.wait_added(asked, timeout=DEADLINE, every=0.01))
    )
    waiting.start()
    paths[1].write_bytes(b"one")
    waiting.join(DEADLINE)
    assert [(added.number, added.data) for added in told[0]] == [(1, b"one")]


def test_a_large_file_comes_in_pieces(tmp_path: Path) -> None:
    path, backend = tmp_path / "out", InProcessBackend(Agent())
    backend.piece = 10
    path.write_bytes(bytes(range(25)))
    place, parts = FilePlace(), []
    while added := backend.wait_added([(str(path), place), (str(path), place)], timeout=0):
        parts.append(added[0].data)
        place = added[0].place
    assert parts == [bytes(range(10)), bytes(range(10, 20)), bytes(range(20, 25))]


def test_what_cannot_be_read_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(RemoteFileError, match="Is a directory"):
        SlurmCliBackend().wait_added([(str(tmp_path), FilePlace())], timeout=0)
