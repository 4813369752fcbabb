"""What programs of one user share: a lock that its holder's death gives back, and a few files of each owner."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from slurm.packaging.user_cache import Kept, alone, cache_directory

DEADLINE = 100
HOLDER = """\
import sys
from slurm.packaging.user_cache import alone
with alone("a wheel", "it is built"):
    print("inside", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "slurm-tasks"


def hold() -> subprocess.Popen[bytes]:
    """A program that is inside."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    process = subprocess.Popen([sys.executable, "-c", HOLDER], **pipes)  # type: ignore[call-overload]
    assert process.stdout.readline() == b"inside\n"
    return process  # type: ignore[no-any-return]


@pytest.mark.local
def test_who_waits_goes_on_when_the_holder_is_killed(
    cache: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    with hold() as holder:
        waiting = subprocess.Popen(
            [sys.executable, "-c", HOLDER], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE
        )
        with alone("another wheel", "it is built"):
            pass  # that is another matter
        assert waiting.poll() is None
        os.kill(holder.pid, signal.SIGKILL)
        holder.wait(DEADLINE)
        assert waiting.communicate(timeout=DEADLINE)[0] == b"inside\n"
    with alone("a wheel", "it is built"):
        pass
    assert caplog.messages == []
    assert (cache / "locks").stat().st_mode & 0o777 == 0o700


@pytest.mark.local
def test_what_a_holder_has_started_holds_the_lock_as_well(
    cache: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    with alone("a wheel", "it is built") as lock:
        assert lock is not None
        pipes = {"stdin": subprocess.PIPE}
        started = subprocess.Popen(["cat"], pass_fds=[lock], **pipes)  # type: ignore[call-overload]
    waiting = subprocess.Popen(
        [sys.executable, "-c", HOLDER], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE
    )
    assert waiting.poll() is None
    started.communicate(timeout=DEADLINE)
    assert waiting.communicate(timeout=DEADLINE)[0] == b"inside\n"


def test_the_least_recently_used_go(cache: Path) -> None:
    kept = Kept("wheels", of_each=2, owners=2)
    for state in ("first", "second"):
        kept.keep("mine", state, {"a.whl": state.encode()})
    assert kept.take("mine", "first") == {"a.whl": b"first"}
    kept.keep("mine", "third", {"a.whl": b"third"})
    found = [kept.take("mine", state) for state in ("first", "second", "third")]
    assert found == [{"a.whl": b"first"}, None, {"a.whl": b"third"}]
    for owner in ("yours", "theirs"):
        kept.keep(owner, "first", {"b.whl": b""})
    assert kept.take("mine", "third") is None
    assert [kept.take(one, "first") for one in ("yours", "theirs")] == [{"b.whl": b""}] * 2
    assert sorted(path.name for path in cache.iterdir()) == ["wheels"]


def test_a_cache_that_cannot_be_used_is_said_once_and_done_without(
    cache: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache.parent.mkdir()
    cache.write_text("a file")
    kept = Kept("wheels", of_each=2, owners=2)
    for _ in range(2):
        with alone("a wheel", "it is built") as lock:
            assert lock is None
        kept.keep("mine", "first", {"a.whl": b""})
        assert kept.take("mine", "first") is None
    assert len(caplog.messages) == 3  # the locks, the wheels, and those of one project
    for message in caplog.messages:
        assert str(cache) in message
        assert "set XDG_CACHE_HOME" in message
    cache.unlink()
    cache.mkdir(mode=0o777)
    cache.chmod(0o777)
    with alone("a wheel", "it is built") as lock:
        assert lock is None
    assert f"others can write to {cache}" in caplog.messages[-1]
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert cache_directory() == Path.home() / ".cache" / "slurm-tasks"
