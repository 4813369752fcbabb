"""What is to go wrong with the calls of a command."""

from __future__ import annotations

import contextlib
import difflib
import fcntl
import os
from collections.abc import Iterable
from typing import Any

from .program import COMMANDS
from .store import Store

LOST = "Socket timed out on send/recv operation"
FAILS = {"sbatch": "Batch job submission failed: "}


class Faults:
    """Noted in the store, where the commands find them; what hangs is held by a lock of this process."""

    def __init__(self, store: Store) -> None:
        self.store: Store = store
        self._held: dict[str, int] = {}

    def add(self, command: str, kind: str, times: int | None, **how: Any) -> None:
        """Another one, in the place of one of its kind. Raises ValueError."""
        check_word("command", command, COMMANDS)
        if times is not None and times < 1:
            raise ValueError(
                f"times={times}: give how many calls are to be like this, or None for all"
            )
        fault = {"command": command, "kind": kind, "times": times, **how}
        with self.store.opened() as state:
            state["faults"] = [
                one for one in state["faults"] if (one["command"], one["kind"]) != (command, kind)
            ]
            state["faults"].append(fault)

    def hang(self, command: str, times: int | None) -> None:
        """Have calls wait until `heal`."""
        check_word("command", command, COMMANDS)
        name = f"hang-{command}"
        if name not in self._held:
            descriptor = os.open(self.store.path(name), os.O_RDWR | os.O_CREAT, 0o600)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            self._held[name] = descriptor
        self.add(command, "hang", times, lock=name)

    def heal(self, command: str | None) -> None:
        """Have nothing go wrong any more, with one command or with all; those that hang go on."""
        if command is not None:
            check_word("command", command, COMMANDS)
        with self.store.opened() as state:
            state["faults"] = [
                one for one in state["faults"] if command not in (None, one["command"])
            ]
        for name in list(self._held):
            if command is None or name == f"hang-{command}":
                os.close(self._held.pop(name))

    def close(self) -> None:
        """Let those go on that hang; the folder may be gone."""
        for descriptor in self._held.values():
            with contextlib.suppress(OSError):
                os.close(descriptor)
        self._held.clear()


class Disturbing:
    """The commands disturbed, by verbs that `FakeSlurm` has."""

    _faults: Faults

    def answer(
        self, command: str, out: str, *, err: str = "", status: int = 0, times: int | None = None
    ) -> None:
        """Have a command print this, and do nothing: always, or for a number of calls."""
        self._faults.add(command, "answer", times, out=out, err=err, status=status)

    def fail(self, command: str, err: str, *, status: int = 1, times: int | None = None) -> None:
        """Have a command do nothing, and end with these words on standard error."""
        self.answer(
            command, "", err=err if err.endswith("\n") else f"{err}\n", status=status, times=times
        )

    def lose_answer(
        self, command: str, err: str = "", *, status: int = 1, times: int | None = 1
    ) -> None:
        """Have a command do what it is asked for, and then say that it does not know: the controller took it, its answer was lost."""
        words = err or f"{command}: error: {FAILS.get(command, '')}{LOST}"
        self._faults.add(command, "lose", times, err=f"{words}\n", status=status)

    def delay(self, command: str, seconds: float, *, times: int | None = None) -> None:
        """Have a command do at once what it is asked for, and answer late."""
        self._faults.add(command, "delay", times, seconds=seconds)

    def hang(self, command: str, *, times: int | None = None) -> None:
        """Have a command give no answer until `heal`; what it was asked for it does then."""
        self._faults.hang(command, times)

    def cut_output(self, command: str, size: int, *, times: int | None = None) -> None:
        """Have a command print the first `size` characters of its answer alone."""
        self._faults.add(command, "cut", times, size=size)

    def print_before(self, command: str, text: str, *, times: int | None = None) -> None:
        """Have a command print `text` before its answer, as some sites do."""
        self._faults.add(command, "before", times, out=text)

    def heal(self, command: str | None = None) -> None:
        """Have nothing go wrong any more, with one command or with all."""
        self._faults.heal(command)


def check_word(what: str, word: str, known: Iterable[str]) -> None:
    """Raises ValueError, with the words that were perhaps meant."""
    known = list(known)
    if word not in known:
        near = difflib.get_close_matches(word, known, n=1) or known
        raise ValueError(f"no {what} {word!r} of fake_slurm: {' or '.join(near)}?")
