"""A user at a terminal: a real pty, on which ssh asks and somebody answers."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from types import TracebackType

DEADLINE = 240.0
# The program's terminal is that on its stdin: what opens /dev/tty reaches it. Ctrl-C does as well, which
# whatever a shell runs in the background ignores, this test run perhaps.
ATTACHED = (
    "import fcntl, os, signal, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); "
    "signal.signal(signal.SIGINT, signal.SIG_DFL); os.execvp(sys.argv[1], sys.argv[1:])"
)


class Terminal:
    """Runs `argv` on a terminal of its own."""

    def __init__(self, argv: Sequence[str], environment: Mapping[str, str]) -> None:
        self.seen = ""
        self.screen, program = pty.openpty()
        try:
            self.process = subprocess.Popen(
                [sys.executable, "-c", ATTACHED, *argv],
                stdin=program,
                stdout=program,
                stderr=program,
                env=dict(environment),
                start_new_session=True,
            )
        finally:
            os.close(program)

    def __enter__(self) -> Terminal:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self.screen)

    def answer(self, prompt: str, reply: str) -> None:
        """Wait until `prompt` is shown after what was answered before, then type `reply`."""
        deadline = time.monotonic() + DEADLINE
        while prompt not in self.seen:
            if not self._read(deadline - time.monotonic()):
                raise AssertionError(f"no {prompt!r} in {self.seen!r}")
        self.seen = self.seen.partition(prompt)[2]
        os.write(self.screen, reply.encode() + b"\n")

    def end(self) -> tuple[int, str]:
        """The exit status, and what was shown since the last answer."""
        status = self.process.wait(DEADLINE)
        while self._read(0.0):
            pass
        return status, self.seen.replace("\r\n", "\n")

    def _read(self, seconds: float) -> bool:
        """Take what is shown within `seconds`; False for nothing."""
        if not select.select([self.screen], [], [], max(0.0, seconds))[0]:
            return False
        try:
            shown = os.read(self.screen, 65536)
        except OSError:  # Linux: nobody has the terminal open any more
            return False
        self.seen += shown.decode("utf-8", "replace")
        return bool(shown)
