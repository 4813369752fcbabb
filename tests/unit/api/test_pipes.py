"""The ends of a child's pipes, which several threads use."""

from __future__ import annotations

import fcntl
import os
import threading
from typing import Any

import pytest
from tests.helpers.fakes import DEADLINE

from slurm.api.pipes import PipeWriter


class Asked:
    """A pipe's end that lets another thread act when it has been asked for its number, and before that is used."""

    def __init__(self, handle: int) -> None:
        self.file = os.fdopen(handle, "wb", buffering=0)
        self.asked = threading.Event()
        self.go_on = threading.Event()
        self.ready = False

    def fileno(self) -> int:
        number = self.file.fileno()
        if self.ready and threading.current_thread() is threading.main_thread():
            self.asked.set()
            self.go_on.wait(0.2)  # where it is right, whoever acts has to wait
        return number

    def close(self) -> None:
        self.file.close()


def test_nothing_is_written_into_a_pipe_that_has_got_the_number_of_a_closed_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One thread writes while another one closes the lost connection, and a third opens the next."""
    reading, writing = os.pipe()
    next_reading, next_writing = os.pipe()
    os.set_blocking(next_reading, False)
    stream: Any = Asked(writing)
    writer = PipeWriter(stream, moved=lambda: None, check=lambda: None, every=DEADLINE)
    monkeypatch.setattr(PipeWriter, "has_room", lambda self, seconds: True)
    reused: list[int] = []

    def take_its_place() -> None:
        stream.asked.wait(DEADLINE)
        writer.close()
        reused.append(fcntl.fcntl(next_writing, fcntl.F_DUPFD_CLOEXEC, writing))
        stream.go_on.set()

    thread = threading.Thread(target=take_its_place)
    thread.start()
    stream.ready = True
    writer.write(b"for the first")
    thread.join()
    assert reused == [writing]
    assert os.read(reading, 100) == b"for the first"
    with pytest.raises(BlockingIOError):
        os.read(next_reading, 100)
    with pytest.raises(ValueError, match="closed"):
        writer.write(b"too late")
    for handle in (reading, next_reading, next_writing, *reused):
        os.close(handle)
