"""One of the programs in `clients`, running: asked for one thing at a time, with a deadline."""

from __future__ import annotations

import contextlib
import json
import queue
import subprocess
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

START_TIMEOUT = 60.0
ASK_TIMEOUT = 120.0


class BenchmarkError(Exception):
    """Something could not be measured; the message says what, and why."""


class NotPossible(BenchmarkError):
    """A peer that cannot do a thing, or that is not here."""


LONGEST_REASON = 200


def reason_of(error: BaseException) -> str:
    """What went wrong, in a line: the table has it in the place of a number."""
    what = "not possible" if isinstance(error, NotPossible) else type(error).__name__
    return f"{what}: {error}".partition("\n")[0][:LONGEST_REASON]


class Driver:
    """A client program. What it writes to stderr goes to `log`."""

    def __init__(
        self,
        name: str,
        argv: Sequence[str],
        *,
        log: Path,
        cwd: Path,
        env: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self.log = log
        self._answers: queue.Queue[str] = queue.Queue()
        with log.open("ab") as errors:
            self.process = subprocess.Popen(
                argv,
                cwd=cwd,
                env=None if env is None else dict(env),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                encoding="utf-8",
            )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        try:
            self.python = str(self._answer("start", START_TIMEOUT))
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Driver:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def ask(self, op: str, *, timeout: float = ASK_TIMEOUT, **params: Any) -> Any:
        """Have it do `op`. Raises `BenchmarkError` if it fails, ends, or takes too long."""
        assert self.process.stdin is not None  # noqa: S101 - tells type checkers
        try:
            self.process.stdin.write(json.dumps({"op": op, "params": params}) + "\n")
            self.process.stdin.flush()
        except OSError as error:
            raise BenchmarkError(f"{self.name} has ended: {self._last_words()}") from error
        return self._answer(op, timeout)

    def seconds(self, op: str, **params: Any) -> float:
        """`ask` for what answers with a number."""
        return float(self.ask(op, **params))

    def close(self) -> None:
        """Let it end, and make it end if it does not."""
        if self.process.stdin is not None:
            with contextlib.suppress(OSError):
                self.process.stdin.close()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._reader.join(5)

    def _read(self) -> None:
        assert self.process.stdout is not None  # noqa: S101 - tells type checkers
        with self.process.stdout as stdout:
            for line in stdout:
                self._answers.put(line)
        self._answers.put("")

    def _answer(self, op: str, timeout: float) -> Any:
        try:
            line = self._answers.get(timeout=timeout)
        except queue.Empty:
            self.process.kill()
            raise BenchmarkError(
                f"{self.name} did not answer {op!r} within {timeout:g} s"
            ) from None
        if not line:
            raise BenchmarkError(f"{self.name} ended during {op!r}: {self._last_words()}")
        answer = json.loads(line)
        if "error" in answer:
            raise BenchmarkError(f"{self.name} could not {op!r}: {answer['error']}")
        return answer["result"]

    def _last_words(self) -> str:
        lines = self.log.read_text("utf-8", errors="replace").splitlines() or ["it said nothing"]
        return lines[-1]
