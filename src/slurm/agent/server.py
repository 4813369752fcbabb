"""The agent at the end of two pipes."""

import contextlib
import os
import sys
import threading
from typing import Any, Dict, Iterator, Optional, Tuple

from .agent import Agent
from .errors import AgentError
from .frames import Blob, read_frame, widen, write_frame

NO_MEMORY = {"kind": "file", "message": "there is not the memory on the login node"}
BEAT = 60.0  # seconds


class Server:
    """Serves an agent over two pipes; each request runs in a thread of its own, so none waits.

    Ends when the client has closed its side or is gone. Nobody may be told of that: a laptop that
    was shut keeps its connection open for ever, unless something is sent on it. Hence the beats.
    """

    def __init__(self, agent: Agent, requests: Any, answers: Any) -> None:
        self.agent = agent
        self.requests = requests
        self.answers = answers
        self.writing: threading.Lock = threading.Lock()
        self.over: threading.Event = threading.Event()
        self.unfinished: int = 0  # submissions that were answered, and are still being noted
        self.finished: threading.Condition = threading.Condition()

    def serve(self) -> None:
        threading.Thread(target=self._beat, daemon=True).start()
        try:
            for header, blob in self._frames():
                if blob is None:
                    self._reply({"id": header["id"], "error": NO_MEMORY}, b"")
                    continue
                # A submission is brought to its end also when nobody is there any more to hear of it.
                daemon = header["op"] != "submit"
                threading.Thread(target=self._answer, args=(header, blob), daemon=daemon).start()
        finally:
            self.over.set()
            self.agent.programs.end()

    def _beat(self) -> None:
        while not self.over.wait(BEAT):
            try:
                with self.writing:
                    write_frame(self.answers, {"id": -1, "result": None}, b"")
            except (OSError, ValueError):
                return

    def _frames(self) -> Iterator[Tuple[Any, Optional[bytes]]]:
        while True:
            frame = read_frame(self.requests)
            if frame is None:
                return
            yield frame

    def _answer(self, header: Any, blob: bytes) -> None:
        if header["op"] == "submit":
            self._submit(header, blob)
            return
        with self.finished:  # whoever asks after an answer finds what was noted for it
            self.finished.wait_for(lambda: not self.unfinished)
        self._reply(*self._called(header, blob))

    def _submit(self, header: Any, blob: bytes) -> None:
        """Answer as soon as there is a job; it is noted meanwhile, before any other request is answered."""
        with contextlib.ExitStack() as later:
            reply, out = self._called(header, blob, later)
            with self._finishing():
                self._reply(reply, out)
                later.close()

    @contextlib.contextmanager
    def _finishing(self) -> Iterator[None]:
        with self.finished:
            self.unfinished += 1
        try:
            yield
        finally:
            with self.finished:
                self.unfinished -= 1
                self.finished.notify_all()

    def _called(
        self, header: Any, blob: bytes, later: Optional[contextlib.ExitStack] = None
    ) -> Tuple[Dict[str, Any], Blob]:
        reply: Dict[str, Any] = {"id": header["id"]}
        out: Blob = b""
        try:
            reply["result"], out = self.agent.call(header["op"], header["params"], blob, later)
        except AgentError as error:
            reply["error"] = {"kind": error.kind, "message": str(error)}
        except Exception as error:  # noqa: BLE001 - a dead thread leaves the client waiting
            reply["error"] = {
                "kind": "unknown" if header["op"] == "submit" else "agent",
                "message": "{}: {}".format(type(error).__name__, error),
            }
        return reply, out

    def _reply(self, reply: Dict[str, Any], out: Blob) -> None:
        with self.writing:
            try:
                write_frame(self.answers, reply, out)
            except ValueError:  # half a frame: what came next would be read as its rest
                self.answers.close()


def serve_over_stdio(nonce: str) -> None:
    """Entry point over SSH: stray prints of anything imported later go to stderr, not the channel."""
    answers = os.fdopen(os.dup(1), "wb")
    widen(answers)
    os.dup2(2, 1)
    answers.write(b"\nslurm-tasks-agent " + nonce.encode("ascii") + b"\n")
    answers.flush()
    Server(Agent(), sys.stdin.buffer, answers).serve()
