"""The agent's work with files: whole or not at all, private, and errors that name the path."""

from __future__ import annotations

import json
import os
import pwd
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.helpers.damage import DAMAGE

from slurm.agent.agent import Agent
from slurm.agent.commands import squeue_argv
from slurm.agent.directories import make_private_directory, require_own_base
from slurm.agent.errors import AgentError
from slurm.agent.files import write_atomic
from slurm.agent.json_files import update_json
from slurm.api.slurm_cli import InProcessBackend
from slurm.config.checks import expand_home
from slurm.errors import ConfigError, RemoteFileError, RemoteFileMissing, SlurmError


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


# --- reading and writing -------------------------------------------------------------------------


def test_a_file_is_read_as_it_was_written(files: InProcessBackend, tmp_path: Path) -> None:
    path = tmp_path / "new" / "deep" / "file"
    assert files.write_file(str(path), b"\0\xffdata")
    assert files.read_file(str(path)) == b"\0\xffdata"
    assert files.read_tail(str(path), 4) == b"data"
    assert files.read_tail(str(path), 400) == b"\0\xffdata"
    assert files.file_exists(str(path))
    assert (mode(path), mode(path.parent), mode(path.parent.parent)) == (0o600, 0o700, 0o700)
    assert os.listdir(path.parent) == ["file"]


def test_a_write_that_fails_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_atomic(str(path), b"old")
    with pytest.raises(TypeError):
        write_atomic(str(path), "no bytes")  # type: ignore[arg-type]
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file"]


def test_a_long_file_name_can_be_written(tmp_path: Path) -> None:
    write_atomic(str(tmp_path / ("n" * 250)), b"x")
    assert os.listdir(tmp_path) == ["n" * 250]


def test_what_is_not_there_is_missing_and_named(files: InProcessBackend, tmp_path: Path) -> None:
    for read in (files.read_file, files.list_directory):
        with pytest.raises(RemoteFileMissing, match=str(tmp_path / "none")):
            read(str(tmp_path / "none"))
    assert not files.file_exists(str(tmp_path / "none"))
    assert issubclass(RemoteFileMissing, FileNotFoundError)


def test_a_path_that_cannot_be_used_is_named(files: InProcessBackend, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RemoteFileError, match="directory"):
        files.read_file(str(tmp_path))
    with pytest.raises(RemoteFileError, match=str(tmp_path / "file")):
        files.write_file(str(tmp_path / "file" / "below"), b"")
    with pytest.raises(RemoteFileError, match=str(tmp_path / "file")):
        files.make_directory(str(tmp_path / "file"))


def test_paths_may_start_at_home(
    files: InProcessBackend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    files.write_file("~/a/file", b"x")
    assert (tmp_path / "a" / "file").read_bytes() == b"x"
    assert files.list_directory("~/a") == ["file"]
    assert files.make_directory("~/b") == str(tmp_path / "b")
    files.remove("~/a")
    assert not (tmp_path / "a").exists()


def test_removing_takes_files_directories_links_and_nothing(
    files: InProcessBackend, tmp_path: Path
) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "file").touch()
    (tmp_path / "link").symlink_to(kept)
    files.remove(str(tmp_path / "link"))
    assert (kept / "file").exists()
    files.remove(str(kept))
    files.remove(str(kept))
    assert os.listdir(tmp_path) == []


def test_only_one_of_many_writes_a_file_exclusively(
    files: InProcessBackend, tmp_path: Path
) -> None:
    path = tmp_path / "claim"
    start = threading.Barrier(8)
    wrote: list[int] = []

    def work(number: int) -> None:
        start.wait()
        if files.write_file(str(path), f"writer {number}".encode(), exclusive=True):
            wrote.append(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    [winner] = wrote
    assert path.read_text() == f"writer {winner}"
    assert os.listdir(tmp_path) == ["claim"]
    assert not files.write_file(str(path), b"later", exclusive=True)
    assert files.write_file(str(path), b"later")


def test_directories_that_are_there_keep_their_mode(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    make_private_directory(str(tmp_path / "a" / "b"))
    assert (mode(tmp_path), mode(tmp_path / "a"), mode(tmp_path / "a" / "b")) == (
        0o755,
        0o700,
        0o700,
    )


def test_many_writers_of_one_json_file_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "metadata.json"
    threads = [
        threading.Thread(target=update_json, args=(str(path), {f"key{number}": number}))
        for number in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert json.loads(path.read_text()) == {f"key{n}": n for n in range(8)}
    update_json(str(path), {"key0": None, "key1": "new"})
    assert json.loads(path.read_text())["key0"] == 0
    assert json.loads(path.read_text())["key1"] == "new"


# --- programs ------------------------------------------------------------------------------------


def test_a_program_is_run_here_and_its_end_is_told(
    files: InProcessBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    script = 'cat; pwd; echo "job=$SLURM_JOB_ID"; echo "$1" >&2; exit 3'
    argv = ["sh", "-c", script, "sh", "$(touch pwned)"]
    status, output = files.run_program(argv, input=b"input\n", timeout=60)
    assert (status, output) == (3, b"input\n/\njob=\n$(touch pwned)\n")


def test_of_what_a_program_prints_the_end_is_kept(files: InProcessBackend) -> None:
    status, output = files.run_program(["sh", "-c", "seq 100000"], timeout=60)
    assert (status, len(output), output[-6:]) == (0, 64 << 10, b"00000\n")


def test_a_program_that_cannot_be_run_or_does_not_end_is_named(files: InProcessBackend) -> None:
    with pytest.raises(RemoteFileMissing, match="no-such-program"):
        files.run_program(["no-such-program"], timeout=60)
    with pytest.raises(SlurmError, match="sleep was not done after 0 s"):
        files.run_program(["sleep", "60"], timeout=0.01)


# --- what is no file -----------------------------------------------------------------------------

NO_FILES = ("directory", "pipe", "loop", "device")


@pytest.mark.parametrize("how", NO_FILES)
def test_what_is_no_file_is_refused_by_name_and_nobody_waits(
    files: InProcessBackend, tmp_path: Path, how: str
) -> None:
    path = tmp_path / "result.pkl"
    DAMAGE[how](path)
    reads: dict[str, Callable[[], object]] = {
        "read": lambda: files.read_file(str(path)),
        "many": lambda: files.agent.call(
            "read_many", {"paths": [str(path)], "most": 9, "largest": 9}
        ),
        "tail": lambda: files.read_tail(str(path), 4),
        "open": lambda: files.open_file(str(path)),
        "json": lambda: update_json(str(path), {"a": 1}),
    }
    for name, read in reads.items():
        with pytest.raises((RemoteFileError, AgentError, OSError), match=str(path)) as caught:
            read()
        assert "\n" not in str(caught.value), name


@pytest.mark.parametrize("how", sorted(DAMAGE.keys() - {*NO_FILES, "full directory", "to nowhere"}))
def test_metadata_that_is_not_whole_gives_way_to_what_is_noted_next(
    tmp_path: Path, how: str
) -> None:
    path = tmp_path / "metadata.json"
    path.write_text('{"status": "submitted"}')
    DAMAGE[how](path)
    update_json(str(path), {"status": "running"})
    assert json.loads(path.read_text())["status"] == "running"


# --- a user that nobody knows --------------------------------------------------------------------


@pytest.fixture
def unknown_user(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a container that runs with a user id of its own, or on a node whose directory service is away."""

    def unknown(user_id: int) -> None:
        raise KeyError(f"getpwuid(): uid not found: {user_id}")

    monkeypatch.setattr(pwd, "getpwuid", unknown)
    for name in ("USER", "LOGNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.usefixtures("unknown_user")
def test_a_user_without_a_name_is_a_number(
    agent: Agent, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    said, _ = agent.call("hello", {})
    assert (said["home"], said["user"]) == (str(tmp_path), str(os.getuid()))
    assert squeue_argv("%i")[3:5] == ["-u", str(os.getuid())]
    assert agent.call("mkdir", {"path": "~/jobs"})[0] == str(tmp_path / "jobs")
    (tmp_path / "jobs").chmod(0o775)
    with pytest.raises(AgentError, match=rf"choose a job_base_dir of your own, .*/{os.getuid()}$"):
        require_own_base(str(tmp_path / "jobs"))


@pytest.mark.usefixtures("unknown_user")
@pytest.mark.parametrize("op", ["read", "exists", "mkdir", "remove", "listdir"])
def test_without_a_home_directory_it_is_said_what_to_set(
    agent: Agent, monkeypatch: pytest.MonkeyPatch, op: str
) -> None:
    monkeypatch.delenv("HOME")
    message = rf"~/x: the user with the id {os.getuid()} has no home directory here: set HOME, or"
    with pytest.raises(AgentError, match=message):
        agent.call(op, {"path": "~/x"})
    with pytest.raises(AgentError, match="set HOME"):
        agent.call("hello", {})
    with pytest.raises(ConfigError, match="set HOME"):
        expand_home("state_dir", "~/x")
