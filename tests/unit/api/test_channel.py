"""The channel to an agent, over a real child process: framing, noise, and every way to break it."""

from __future__ import annotations

import errno
import io
import os
import shlex
import signal
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from tests.conformance.waiting import wait_until
from tests.helpers.channels import AGENT, Open, shell

from slurm.agent.agent import Agent
from slurm.agent.frames import FilePart, read_frame, write_frame
from slurm.agent.server import Server
from slurm.api.transport import Channel
from slurm.errors import (
    RemoteFileMissing,
    SlurmError,
    TransportError,
)

DEADLINE = 60.0


class Slow:
    """Events that come when a test says: the request for them is in flight until then."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir()
        (path / "seen").touch()

    def ask(self, channel: Channel, timeout: float = DEADLINE) -> bytes:
        folder = {"directory": str(self.path), "seen": ["seen"]}
        return channel.request(
            "events", {**folder, "timeout": DEADLINE, "every": 0.01}, b"", timeout
        )[1]

    def await_request(self) -> None:
        """Wait until the agent has begun with one."""
        wait_until(lambda: not (self.path / "seen").exists(), "the agent waits for events")

    def answer(self, content: bytes) -> None:
        (self.path / ".event").write_bytes(content)
        (self.path / ".event").rename(self.path / "event")


@pytest.fixture
def slow(tmp_path: Path) -> Slow:
    return Slow(tmp_path / "slow")


@pytest.fixture(scope="module")
def channel() -> Iterator[Channel]:
    """A channel that nobody breaks."""
    made = Channel.opened(AGENT, target="login", connect_timeout=DEADLINE)
    yield made
    made.close()


def read(channel: Channel, path: Path) -> bytes:
    return channel.request("read", {"path": str(path)}, b"", DEADLINE)[1]


def said(channel: Channel) -> Any:
    return channel.request("hello", {}, b"", DEADLINE)[0]


# --- answers -------------------------------------------------------------------------------------


@pytest.mark.local
def test_the_agent_answers_from_the_other_process(channel: Channel) -> None:
    assert said(channel)["python"] == list(sys.version_info[:3])
    assert channel.alive


@pytest.mark.local
@pytest.mark.parametrize(
    "noise",
    [
        "echo 'Welcome to login1!'; echo; echo 'slurm-tasks-agent of another'; echo 'on stderr' >&2; "
        r"printf '\000\377\n\r\n'; head -c 500000 /dev/zero | tr '\000' '\n'",
        "printf 'no newline at the end'",
    ],
)
def test_what_login_shells_print_is_skipped(noise: str, channel_to: Open) -> None:
    assert said(channel_to(shell(f"{noise}; exec $AGENT")))["protocol"] == 1


def test_requests_in_flight_are_answered_out_of_order(
    channel: Channel, slow: Slow, tmp_path: Path
) -> None:
    (tmp_path / "quick").write_bytes(b"quick")
    with ThreadPoolExecutor() as pool:
        first = pool.submit(slow.ask, channel)
        slow.await_request()
        assert read(channel, tmp_path / "quick") == b"quick"
        assert not first.done()
        slow.answer(b"slow")
        assert first.result(DEADLINE) == b"slow"


def test_many_threads_get_their_own_answers(channel: Channel, tmp_path: Path) -> None:
    def there_and_back(number: int) -> bool:
        content = bytes([number]) * (1000 * number)
        params = {"path": str(tmp_path / str(number)), "exclusive": False}
        channel.request("write", params, content, DEADLINE)
        return read(channel, tmp_path / str(number)) == content

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(there_and_back, range(40)))


def test_large_blobs_go_both_ways(channel: Channel, tmp_path: Path) -> None:
    blob = os.urandom(1 << 20) * 12
    channel.request("write", {"path": str(tmp_path / "b"), "exclusive": False}, blob, DEADLINE)
    assert read(channel, tmp_path / "b") == blob


def test_errors_of_the_agent_arrive_as_what_they_are(channel: Channel, tmp_path: Path) -> None:
    with pytest.raises(RemoteFileMissing, match="nothing"):
        read(channel, tmp_path / "nothing")
    with pytest.raises(SlurmError, match="fly"):
        channel.request("fly", {}, b"", DEADLINE)
    with pytest.raises(SlurmError, match="TypeError"):
        channel.request("read", {"no": "path"}, b"", DEADLINE)
    assert said(channel)["protocol"] == 1, "the connection is as good as before"


# --- no answer -----------------------------------------------------------------------------------


def test_a_request_that_takes_too_long_fails_and_the_others_do_not(
    channel: Channel, slow: Slow
) -> None:
    with pytest.raises(TransportError, match=r"login did not answer 'events'"):
        slow.ask(channel, 0.05)
    assert said(channel)["protocol"] == 1
    slow.await_request()
    slow.answer(b"late")
    assert said(channel)["protocol"] == 1, "its late answer is for nobody"


@pytest.mark.local
def test_a_killed_process_fails_everybody_who_waits(
    channel_to: Open, slow: Slow, tmp_path: Path
) -> None:
    pid_file = tmp_path / "pid"
    channel = channel_to(shell(f"echo $$ > {shlex.quote(str(pid_file))}; exec $AGENT"))
    with ThreadPoolExecutor() as pool:
        waiting = [pool.submit(slow.ask, channel) for _ in range(3)]
        slow.await_request()
        os.kill(int(pid_file.read_text()), signal.SIGKILL)
        errors = [future.exception(DEADLINE) for future in waiting]
    assert [type(error) for error in errors] == [TransportError] * 3
    assert not channel.alive
    with pytest.raises(TransportError):
        said(channel)


@pytest.mark.local
def test_closing_does_not_wait_for_whoever_else_holds_stderr(
    channel_to: Open, tmp_path: Path
) -> None:
    """As a connection master does that older ssh leaves in the background (ControlPersist)."""
    pid_file = tmp_path / "pid"
    master = f"sleep 600 <&- >&- & echo $! > {shlex.quote(str(pid_file))}"
    channel = channel_to(shell(f"{master}; exec $AGENT"))
    assert said(channel)["protocol"] == 1
    closing = threading.Thread(target=channel.close)
    closing.start()
    closing.join(DEADLINE / 2)
    closed = not closing.is_alive()
    os.kill(int(pid_file.read_text()), signal.SIGKILL)
    closing.join(DEADLINE)
    assert closed


@pytest.mark.local
def test_closing_fails_everybody_who_waits(channel_to: Open, slow: Slow) -> None:
    channel = channel_to()
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(slow.ask, channel)
        slow.await_request()
        channel.close()
        error = waiting.exception(DEADLINE)
    assert isinstance(error, TransportError)
    assert "closed" in str(error)
    channel.close()


# --- memory --------------------------------------------------------------------------------------


class Tight:
    """A stream in a process with little memory: what is to be read at a time must be small."""

    def __init__(self, content: bytes) -> None:
        self.stream = io.BytesIO(content)

    def read(self, count: int) -> bytes:
        if count > 1 << 16:
            raise MemoryError
        return self.stream.read(count)


def test_a_blob_for_which_there_is_no_memory_is_passed_over() -> None:
    frames = io.BytesIO()
    write_frame(frames, {"id": 1}, bytes(300_000))
    write_frame(frames, {"id": 2}, b"small")
    tight = Tight(frames.getvalue())
    assert read_frame(tight) == ({"id": 1}, None)
    assert read_frame(tight) == ({"id": 2}, b"small")


# --- files that are not read to be sent, nor kept to be received ----------------------------------


def test_a_part_of_a_file_is_sent_as_its_bytes_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kernel_copies: bool
) -> None:
    if not kernel_copies:
        monkeypatch.setattr(os, "sendfile", _refuse)
    content = os.urandom(300_000)
    (tmp_path / "file").write_bytes(content)
    with (tmp_path / "frames").open("w+b") as frames:
        part = FilePart((tmp_path / "file").open("rb"), 1000, 200_000)
        write_frame(frames, {"id": 1}, part)
        write_frame(frames, {"id": 2}, b"small")
        frames.seek(0)
        assert read_frame(frames) == ({"id": 1}, content[1000:201_000])
        assert read_frame(frames) == ({"id": 2}, b"small")
    assert part.file.closed


@pytest.fixture(params=[True, False])
def kernel_copies(request: pytest.FixtureRequest) -> bool:
    """Whether the system copies from a file to a stream by itself."""
    return bool(request.param)


def _refuse(*arguments: object) -> int:
    raise OSError(errno.EINVAL, "Invalid argument")


def test_a_file_that_becomes_shorter_while_it_is_sent_ends_the_connection(tmp_path: Path) -> None:
    """Half a frame can be no answer: what is asked again is asked over the next connection."""
    (tmp_path / "file").write_bytes(b"short")

    class Promising(Agent):
        def op_read(self, blob: bytes, **params: Any) -> Any:  # type: ignore[override]
            return None, FilePart((tmp_path / "file").open("rb"), 0, 100_000)

    requests, answers = os.pipe(), os.pipe()
    with os.fdopen(requests[1], "wb") as asking, os.fdopen(answers[0], "rb") as heard:
        server = Server(Promising(), os.fdopen(requests[0], "rb"), os.fdopen(answers[1], "wb"))
        serving = threading.Thread(target=server.serve)
        serving.start()
        write_frame(asking, {"id": 1, "op": "read", "params": {}}, b"")
        assert read_frame(heard) is None
        asking.close()
        serving.join(DEADLINE)
        server.requests.close()


def test_what_a_sink_raises_is_raised_where_it_is_asked_and_the_connection_goes_on(
    channel: Channel, tmp_path: Path
) -> None:
    (tmp_path / "file").write_bytes(bytes(1 << 20))

    def full(offset: int, data: memoryview) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    params = {"path": str(tmp_path / "file")}
    with pytest.raises(OSError, match="No space left on device"):
        channel.request("read", params, b"", DEADLINE, sink=full)
    received = bytearray(1 << 20)

    def keep(offset: int, data: memoryview) -> None:
        received[offset : offset + len(data)] = data

    (tmp_path / "file").write_bytes(b"\1" * (1 << 20))
    assert channel.request("read", params, b"", DEADLINE, sink=keep)[1] == b""
    assert received == b"\1" * (1 << 20)


def test_a_request_for_which_the_agent_has_no_memory_is_answered() -> None:
    frames, answers = io.BytesIO(), io.BytesIO()
    write_frame(frames, {"id": 1, "op": "write", "params": {}}, bytes(300_000))
    Server(Agent(object()), Tight(frames.getvalue()), answers).serve()
    answers.seek(0)
    answer = read_frame(answers)
    assert answer is not None
    assert (answer[0]["id"], answer[0]["error"]["kind"]) == (1, "file")
