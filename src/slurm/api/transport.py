"""One agent at the other end of one channel: framed requests with ids, several in flight."""

from __future__ import annotations

import contextlib
import io
import os
import secrets
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from typing import IO, Any

from slurm import forks
from slurm.agent.frames import NOISE_LIMIT, read_frame, write_frame
from slurm.agent.programs import STARTING
from slurm.api.agent_backend import error_of
from slurm.api.agent_text import agent_text
from slurm.api.liveness import Liveness, Peer
from slurm.api.pipes import PipeReader, PipeWriter
from slurm.api.ssh_errors import explain
from slurm.errors import TransportError

# Reads the length of the agent's text, the text, and runs it. Without single quotes, newlines,
# dollar or exclamation marks: it passes the login shell, which may be any of sh, csh and fish.
BOOTSTRAP = (
    "import sys, zlib; i = sys.stdin.buffer; n, k = i.readline().split(); "
    'exec(compile(zlib.decompress(i.read(int(n))), "slurm-tasks-agent", "exec")); '
    "serve_over_stdio(k.decode())"
)
STDERR_LINES_KEPT = 50
SSH_FAILED = 255  # its exit status where it is not that of the command
ENDING = 0.5  # seconds for a process to end whose output has ended
LOOK = 2.0  # seconds between two looks whether a silent peer is still there


class Channel:
    """A process whose stdin and stdout are an agent's; `request` may be called from any thread.

    `argv` starts a Python that runs `BOOTSTRAP`, with `environment` beside this process's own;
    `target` names the host in messages, and `login` is the command with which they tell the user
    to log in. It is open when the agent has spoken, within `connect_timeout` seconds: `await_open`
    waits for that. `has_opened` tells whether it has, `answered` whether it was of any use.

    It is its process's own: a forked child lets go of the pipes, and leaves the other end alone. What is
    asked has a name that nobody can guess, so that nothing else is taken for its answer.
    """

    def __init__(
        self,
        argv: Sequence[str],
        *,
        target: str,
        connect_timeout: float,
        login: str = "",
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.target = target
        self.login = login
        self.has_opened: bool = False
        self.answered: bool = False
        self._waiting: dict[str, Future[tuple[Any, bytes]]] = {}
        self._lock = threading.Lock()
        self._writing = threading.Lock()
        self._reason: str = ""
        self._broken: TransportError | None = None
        self._stderr: deque[str] = deque(maxlen=STDERR_LINES_KEPT)
        self._connect_timeout = connect_timeout
        self._opened = threading.Event()
        self._peer = Peer()
        with STARTING:
            self._process = _start(argv, target, environment or {})
            forks.in_child(self._leave_to_parent)
        self._give_up_at = time.monotonic() + connect_timeout
        self._writer = PipeWriter(
            self._pipe(self._process.stdin), moved=self._peer.heard, check=self._look, every=LOOK
        )
        self._drain = threading.Thread(target=self._read_stderr, daemon=True)
        self._drain.start()
        self._reader = threading.Thread(target=self._read_answers, daemon=True)
        self._start_agent()

    @classmethod
    def opened(cls, argv: Sequence[str], **settings: Any) -> Channel:
        """A channel that is open. Raises `TransportError`."""
        channel = cls(argv, **settings)
        channel.await_open(float("inf"))
        return channel

    @property
    def alive(self) -> bool:
        """Whether requests can still be answered."""
        return self._broken is None

    def await_open(self, until: float) -> bool:
        """Wait for the agent; False when the monotonic clock says `until` first. Raises `TransportError`."""
        left = min(until, self._give_up_at) - time.monotonic()
        if not self._opened.wait(max(0.0, left)) and time.monotonic() >= self._give_up_at:
            seconds = f"{self._connect_timeout:.0f} s"
            self._break(TransportError(f"{self.target} did not answer within {seconds}"))
        if self._broken is not None:
            raise self._broken
        return self._opened.is_set()

    def request(
        self,
        op: str,
        params: dict[str, Any],
        blob: bytes,
        timeout: float,
        *,
        sending: Callable[[], object] = lambda: None,
    ) -> tuple[Any, bytes]:
        """Have the agent answer; raises `TransportError` when it has not within `timeout` seconds.

        `sending` is called before anything is sent: until then the agent cannot have been asked.
        """
        number = secrets.token_hex(8)
        answer: Future[tuple[Any, bytes]] = Future()
        with self._lock:
            if self._broken is not None:
                raise self._broken
            if not self._waiting:
                self._peer.expect()
            self._waiting[number] = answer
        try:
            sending()
            self._send({"id": number, "op": op, "params": params}, blob)
            return self._awaited(answer, op, timeout)
        finally:
            with self._lock:
                self._waiting.pop(number, None)

    def _awaited(
        self, answer: Future[tuple[Any, bytes]], op: str, timeout: float
    ) -> tuple[Any, bytes]:
        deadline = time.monotonic() + timeout
        while True:
            left = deadline - time.monotonic()
            try:
                return answer.result(max(0.0, min(left, LOOK)))
            except FutureTimeout:
                if left <= LOOK:
                    raise TransportError(
                        f"{self.target} did not answer {op!r} within {timeout:.0f} s"
                    ) from None
            self._look()

    def _look(self) -> None:
        """See to it that a peer which is gone is noticed. Raises `TransportError` when it is."""
        with self._lock:
            if self._broken is not None:
                raise self._broken
            liveness = self._peer.look()
        if liveness is Liveness.DEAD:
            raise self._lost("the connection is dead: nothing was heard from the other side")
        # Whoever writes at the moment, and gets nowhere, says as much as a question would.
        if liveness is Liveness.ASK and self._writing.acquire(blocking=False):
            try:
                if self._writer.has_room():
                    ping = {"id": secrets.token_hex(8), "op": "ping", "params": {}}
                    write_frame(self._writer, ping, b"")
            except (OSError, ValueError) as error:
                raise self._lost(f"the connection broke while sending: {error}") from error
            finally:
                self._writing.release()

    def _send(self, header: dict[str, Any], blob: bytes) -> None:
        try:
            with self._writing:
                write_frame(self._writer, header, blob)
        except (OSError, ValueError) as error:
            raise self._lost(f"the connection broke while sending: {error}") from error
        except BaseException:  # Ctrl-C: what comes after half a frame would be read as its rest
            self._lost("sending was interrupted")
            raise

    def close(self) -> None:
        """End the process; requests in flight fail."""
        self._break(TransportError(f"the connection to {self.target} was closed"))

    def _leave_to_parent(self) -> None:
        """In a forked child, whose parent goes on with it: neither wait for, nor signal, nor hold on to the process."""
        self._process.returncode = 0
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            self._pipe(stream).close()
        self._broken = TransportError(f"the connection to {self.target} is the parent process's")

    def _start_agent(self) -> None:
        source = agent_text()
        self._nonce = secrets.token_hex(8)
        # A refused login closes the pipe under us; the reader says why, from ssh's own words. The
        # text is smaller than a pipe, so that nobody need read it before this goes on.
        with contextlib.suppress(OSError):
            self._writer.write(f"{len(source)} {self._nonce}\n".encode() + source)
        self._reader.start()

    def _read_answers(self) -> None:
        try:
            unbuffered = PipeReader(self._pipe(self._process.stdout), self._peer.heard)
            with io.BufferedReader(unbuffered, 1 << 16) as stdout:
                if self._skip_noise(stdout):
                    self.has_opened = True
                    self._opened.set()
                    while (frame := read_frame(stdout)) is not None:
                        self._deliver(*frame)
            self._lost("the connection was closed")
        except (OSError, ValueError, KeyError, TypeError, MemoryError, OverflowError) as error:
            # What is no frame of the agent's could be anything, and so could all that follows it.
            self._lost(f"the connection broke: {type(error).__name__}: {error}")
        finally:
            self._opened.set()

    def _skip_noise(self, stdout: IO[bytes]) -> bool:
        """Read past what login shells print; False when the stream ends before the agent speaks."""
        mark = f"slurm-tasks-agent {self._nonce}\n".encode()
        skipped = 0
        while line := stdout.readline(NOISE_LIMIT):
            if line == mark:
                self._stderr.clear()
                return True
            # A shell that lets nobody in may say so on stdout.
            self._stderr.append(line[:500].decode("utf-8", "replace").rstrip())
            skipped += len(line)
            if skipped > NOISE_LIMIT:
                return False
        return False

    def _deliver(self, reply: dict[str, Any], blob: bytes | None) -> None:
        with self._lock:
            answer = self._waiting.pop(reply["id"], None)
        if answer is None:
            return
        self.answered = True
        if "error" in reply:
            answer.set_exception(error_of(reply["error"]["kind"], reply["error"]["message"]))
        elif blob is None:
            answer.set_exception(MemoryError(f"an answer of {self.target} is too large"))
        else:
            answer.set_result((reply["result"], blob))

    def _read_stderr(self) -> None:
        with io.BufferedReader(
            PipeReader(self._pipe(self._process.stderr), lambda: None)
        ) as stderr:
            for line in stderr:
                self._stderr.append(line.decode("utf-8", "replace").rstrip())

    def _lost(self, what: str) -> TransportError:
        with self._lock:  # whoever sees the end of the process that is killed here knows no reason
            what = self._reason = self._reason or what
        ended = None if self.has_opened else self._how_it_ended()
        self._process.kill()
        self._process.wait()
        self._drain.join(0.3)
        return self._break(explain(self.target, what, list(self._stderr), self.login, ended))

    def _how_it_ended(self) -> int | None:
        """The exit status of the command at the other end; None for ssh's own, and where it goes on."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            status = self._process.wait(ENDING)
            return status if 0 <= status < SSH_FAILED else None
        return None

    @staticmethod
    def _pipe(stream: IO[bytes] | None) -> IO[bytes]:
        if stream is None:
            raise TransportError("the process was started without a pipe")
        return stream

    def _break(self, error: TransportError) -> TransportError:
        """Fail every request with the first `error`, and end the process."""
        with self._lock:
            if self._broken is None:
                self._broken = error
            error = self._broken
            waiting = list(self._waiting.values())
            self._waiting.clear()
        self._process.kill()
        self._process.wait()
        for answer in waiting:
            answer.set_exception(error)
        with contextlib.suppress(OSError):
            self._writer.close()
        # The reader closes its pipe as it ends. So does the drain, which is not waited for: an ssh
        # master that stays in the background keeps stderr open.
        if self._reader.is_alive() and self._reader is not threading.current_thread():
            self._reader.join(5)
        return error


def _start(
    argv: Sequence[str], target: str, environment: Mapping[str, str]
) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, **environment},
            bufsize=0,
            start_new_session=True,  # Ctrl-C in the terminal is ours to handle, not ssh's
        )
    except OSError as error:
        raise TransportError(
            f"{target}: cannot run {argv[0]}: {error.strerror}. Is it installed and on the PATH?"
        ) from error
