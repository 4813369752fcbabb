"""Processes that are forked beside an open connection, through a fake `ssh` that runs things here."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from tests.conformance.forking import forked, forks, in_child
from tests.helpers.fakes import DEADLINE, Programs

from slurm.agent.agent import Agent
from slurm.api.requests import Archive, JobRequest
from slurm.api.slurm_cli import InProcessBackend
from slurm.api.ssh import SSHCommandBackend
from slurm.api.transport import Channel
from slurm.errors import SubmissionUnknown, TransportError

pytestmark = [forks, pytest.mark.local]

# What sshd does, and one note of each connection.
SSH = 'echo $$ >> $HERE/pids; for last; do :; done; exec sh -c "$last"'
READS = 40


@pytest.fixture
def backend(
    programs: Programs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[SSHCommandBackend]:
    """A backend whose connection is open."""
    monkeypatch.setenv("HOME", str(tmp_path))
    programs.add("ssh", SSH)
    made = SSHCommandBackend(hostname="login", python=sys.executable)
    made.host()
    yield made
    made.close()


def connections(programs: Programs) -> int:
    return len((programs.folder / "pids").read_text().split())


def read_many(backend: SSHCommandBackend, folder: Path, name: str) -> None:
    """Each answer is that to its own question, of any length."""

    def read(number: int) -> None:
        path, content = folder / f"{name}{number}", f"{name}{number}".encode() * 9_000
        path.write_bytes(content)
        assert backend.read_file(str(path)) == content

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(read, range(READS)))


def test_parent_children_and_their_children_have_a_connection_each(
    backend: SSHCommandBackend, programs: Programs, tmp_path: Path
) -> None:
    """Those who ask at the same time, each with threads of its own, get their own answers."""

    def child(name: str) -> None:
        read_many(backend, tmp_path, name)
        in_child(lambda: read_many(backend, tmp_path, f"child of {name}"))
        backend.close()

    with forked(lambda: child("first"), lambda: child("second")) as children:
        read_many(backend, tmp_path, "parent")
        for one in children:
            one.result()
    read_many(backend, tmp_path, "afterwards")
    assert connections(programs) == 5


def test_a_child_keeps_nothing_of_its_parents_connection(
    backend: SSHCommandBackend, programs: Programs
) -> None:
    """Else it would stay open when the parent is killed; a child that uses none makes none."""

    def pipes() -> list[str]:
        handles = (f"/proc/self/fd/{handle}" for handle in os.listdir("/proc/self/fd"))
        return sorted({os.readlink(one) for one in handles if os.path.exists(one)} & own)

    own: set[str] = set()
    process = Path(f"/proc/{(programs.folder / 'pids').read_text().strip()}/fd")
    own.update(link for one in process.iterdir() if (link := os.readlink(one))[:5] == "pipe:")
    assert len(pipes()) == len(own) == 3
    assert in_child(pipes) == []
    assert backend.host().user
    assert connections(programs) == 1


def test_a_child_may_be_forked_while_requests_are_under_way(
    backend: SSHCommandBackend, programs: Programs, tmp_path: Path
) -> None:
    """The threads that wait for them are not in it, and neither are the answers."""
    (tmp_path / "events").mkdir()
    waiting = threading.Thread(
        target=backend.wait_events, args=(str(tmp_path / "events"), [], DEADLINE, 0.01)
    )
    waiting.start()
    with forked(lambda: read_many(backend, tmp_path, "child")) as [child]:
        child.result()
    (tmp_path / "events" / "news").touch()
    waiting.join(DEADLINE)
    assert not waiting.is_alive()
    assert connections(programs) == 2


def test_a_child_that_ends_in_any_way_ends_no_connection(
    backend: SSHCommandBackend, programs: Programs
) -> None:
    def ends() -> None:
        backend.close()
        with pytest.raises(TransportError, match="was closed"):
            backend.read_file("/etc/hostname")

    in_child(ends)
    subprocess.run(["true"], preexec_fn=lambda: None, check=True)
    assert backend.file_exists("/")
    assert connections(programs) == 1


def test_a_child_of_a_closed_backend_connects_no_more(
    backend: SSHCommandBackend, programs: Programs
) -> None:
    backend.close()

    def ask() -> str:
        with pytest.raises(TransportError) as caught:
            backend.read_file("/etc/hostname")
        return str(caught.value)

    assert in_child(ask) == "this connection to login was closed"
    assert connections(programs) == 1


def test_no_answer_is_taken_for_that_to_another_question() -> None:
    """Where two processes write into one pipe all the same, as below Python, the names of questions differ."""
    names: list[str] = []
    opened = Channel.opened(
        [sys.executable, "-u", "-c", ECHO], target="login", connect_timeout=DEADLINE
    )
    for _ in range(2):
        names.append(opened.request("name", {}, b"", DEADLINE)[0])
    opened.close()
    assert len(set(names)) == 2
    assert all(len(name) == 16 for name in names)


def test_an_answer_to_another_submission_says_nothing_of_this_one() -> None:
    """It is looked for by its token then, as one without an answer is."""
    request = JobRequest("/jobs/train/8", {"job.sh": b""}, {}, {}, token="mine")

    class Mixed(InProcessBackend):
        def request(self, op: str, params: Any, blob: bytes = b"") -> tuple[Any, bytes]:
            job = {"job_id": "7", "job_dir": "/jobs/7", "reattached": False, "token": "another's"}
            return {"jobs": [job]}, b""

    [answer] = Mixed(Agent()).submit_jobs(
        [request], base="/jobs", events="/jobs/.events/me", archive=Archive("")
    )
    assert answer.job_id == ""
    assert isinstance(answer.error, SubmissionUnknown)


ECHO = f"""
import sys
sys.path[:] = {sys.path!r}
from slurm.agent.frames import read_frame, write_frame
i, o = sys.stdin.buffer, sys.stdout.buffer
n, k = i.readline().split(); i.read(int(n))
o.write(b'slurm-tasks-agent ' + k + b'\\n')
while (frame := read_frame(i)) is not None:
    # First what another process asked, numbered as our own might be.
    for other in (0, 1, "0", "1", "0123456789abcdef"):
        write_frame(o, {{"id": other, "result": "another's"}}, b"")
    write_frame(o, {{"id": frame[0]["id"], "result": frame[0]["id"]}}, b"")
"""
