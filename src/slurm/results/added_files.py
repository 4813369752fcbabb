"""What is added to files, asked for in a thread, so that whoever waits for it hears of something else meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from slurm.api.base import BackendBase
    from slurm.api.requests import Added, FilePlace

Asked = Sequence[tuple[str, "FilePlace"]]


class AddedFiles:
    """Asks a backend what is added to files, one question at a time, until somebody sets the event `wake`.

    A question that nobody waits for any more has no news that would be lost: the next one begins where it did.
    """

    def __init__(self, backend: BackendBase, wake: threading.Event) -> None:
        self._backend = backend
        self._wake = wake
        self._asked: Asked | None = None
        self._done = threading.Event()
        self._answer: list[Added] | BaseException = []

    def ask(self, files: Asked, timeout: float, every: float) -> list[Added] | None:
        """As `BackendBase.wait_added`; None where `wake` was set before there was an answer to this very question."""
        if self._asked is None:
            self._asked = list(files)
            self._done.clear()
            question = (self._asked, timeout, every)
            # It must not keep a program that has ended waiting, nor one that follows no more.
            name = "slurm output follower"
            threading.Thread(target=self._find_out, args=question, daemon=True, name=name).start()
        if not self._done.is_set():
            self._wake.wait()
        if not self._done.is_set():
            return None
        asked, self._asked = self._asked, None
        if isinstance(self._answer, BaseException):
            raise self._answer
        return self._answer if asked == list(files) else None

    def _find_out(self, asked: Asked, timeout: float, every: float) -> None:
        try:
            self._answer = self._backend.wait_added(asked, timeout=timeout, every=every)
        except BaseException as error:  # noqa: BLE001 - it is raised where the answer is waited for
            self._answer = error
        self._done.set()
        self._wake.set()
