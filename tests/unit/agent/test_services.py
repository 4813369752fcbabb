"""The agent beside its files: installing the archive, events, and who it is."""

from __future__ import annotations

import io
import os
import sys
import threading
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from slurm.agent.agent import Agent
from slurm.agent.errors import AgentError
from slurm.agent.event_files import LARGEST_GROUP, LARGEST_NEWS, MOST_NEWS, write_news
from slurm.api.slurm_cli import InProcessBackend
from slurm.errors import SlurmError


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def zipped(**content: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, text in content.items():
            archive.writestr(f"{name}/file.py", text)
    return buffer.getvalue()


# --- the archive ---------------------------------------------------------------------------------


def install(agent: Agent, directory: Path, content: bytes) -> None:
    agent.call("install", {"directory": str(directory)}, content)


def test_an_archive_appears_whole_under_its_name_and_nothing_beside_it(
    agent: Agent, tmp_path: Path
) -> None:
    where = tmp_path / ".sdk" / "abc"
    install(agent, where, zipped(slurm="code"))
    assert (where / "slurm" / "file.py").read_text() == "code"
    assert os.listdir(where.parent) == ["abc"]
    assert (mode(where), mode(where.parent)) == (0o700, 0o700)


def test_an_archive_that_is_there_stays_as_it_is(agent: Agent, tmp_path: Path) -> None:
    where = tmp_path / "abc"
    install(agent, where, zipped(slurm="first"))
    install(agent, where, zipped(slurm="second"))
    assert (where / "slurm" / "file.py").read_text() == "first"
    assert os.listdir(tmp_path) == ["abc"]


def test_many_may_install_at_once(agent: Agent, tmp_path: Path) -> None:
    where = tmp_path / "abc"
    start = threading.Barrier(6)
    failed: list[BaseException] = []

    def work() -> None:
        start.wait()
        try:
            install(agent, where, zipped(slurm="code", cloudpickle="more"))
        except BaseException as error:  # noqa: BLE001 - told to the test
            failed.append(error)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert sorted(os.listdir(where)) == ["cloudpickle", "slurm"]
    assert os.listdir(tmp_path) == ["abc"]


def test_a_damaged_archive_is_not_installed(agent: Agent, tmp_path: Path) -> None:
    damaged = zipped(slurm="code" * 100)[:-40]
    with pytest.raises((AgentError, zipfile.BadZipFile)):
        install(agent, tmp_path / "abc", damaged)
    assert not (tmp_path / "abc").exists()


# --- events --------------------------------------------------------------------------------------


def events(files: InProcessBackend, folder: Path, seen: Sequence[str], timeout: float) -> list[str]:
    return list(files.wait_events(str(folder), seen, timeout, 0.01))


def test_an_event_stays_until_it_is_seen(files: InProcessBackend, tmp_path: Path) -> None:
    (tmp_path / "a.1.ok").touch()
    (tmp_path / "b.1.error").touch()
    names = ["a.1.ok", "b.1.error"]
    assert events(files, tmp_path, [], 0) == names
    assert events(files, tmp_path, [], 0) == names, "an answer that was lost loses nothing"
    assert events(files, tmp_path, ["a.1.ok"], 0) == ["b.1.error"]
    assert events(files, tmp_path, names, 0) == []
    assert os.listdir(tmp_path) == []


def test_an_event_ends_the_wait(files: InProcessBackend, tmp_path: Path) -> None:
    answers: list[list[str]] = []
    thread = threading.Thread(target=lambda: answers.append(events(files, tmp_path, [], 600)))
    thread.start()
    (tmp_path / "a.1.ok").touch()
    thread.join(60)
    assert answers == [["a.1.ok"]]


def test_news_bring_what_is_small_and_whole(files: InProcessBackend, tmp_path: Path) -> None:
    large = bytes(LARGEST_NEWS)
    for name, content in {"a": b"1", "b": large, "c": large + b"1", "d": b""}.items():
        write_news(str(tmp_path / name), content)
    (tmp_path / ".e").write_bytes(b"half writ")
    found = files.wait_events(str(tmp_path), [], 0, 0.01)
    assert found == {"a": b"1", "b": large, "c": b"", "d": b""}


def test_one_answer_brings_no_more_news_than_it_should(
    files: InProcessBackend, tmp_path: Path
) -> None:
    count = MOST_NEWS // LARGEST_NEWS + 3
    for number in range(count):
        (tmp_path / f"{number:04}").write_bytes(bytes(LARGEST_NEWS))
    found = files.wait_events(str(tmp_path), [], 0, 0.01)
    assert len(found) == count
    assert sum(map(len, found.values())) <= MOST_NEWS


def test_news_of_several_items_are_not_told_without_what_they_say(
    files: InProcessBackend, tmp_path: Path
) -> None:
    """The names of their files do not tell which: what does not fit comes with the next answer."""
    content = bytes(LARGEST_GROUP)
    count = MOST_NEWS // LARGEST_GROUP + 3
    for number in range(count):
        write_news(str(tmp_path / f"t.1.items-12_{number:03}-0"), content)
    first = files.wait_events(str(tmp_path), [], 0, 0.01)
    assert set(first.values()) == {content}
    assert len(first) < count
    second = files.wait_events(str(tmp_path), list(first), 0, 0.01)
    assert set(second.values()) == {content}
    assert len(first) + len(second) == count


def test_seen_names_stay_inside_the_event_directory(
    files: InProcessBackend, tmp_path: Path
) -> None:
    folder = tmp_path / "events"
    folder.mkdir()
    (tmp_path / "kept").touch()
    events(files, folder, ["../kept", str(tmp_path / "kept")], 0)
    assert (tmp_path / "kept").exists()


# --- who and what --------------------------------------------------------------------------------


def test_the_agent_says_whom_one_talks_to(files: InProcessBackend) -> None:
    host = files.host()
    assert host.python == sys.version_info[:3]
    assert host.executable == sys.executable
    assert host.home == str(Path.home())
    assert files.host() is host, "asked once"


def test_two_backends_talk_to_their_own_hosts(monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = InProcessBackend(Agent(object())), InProcessBackend(Agent(object()))
    monkeypatch.setenv("HOME", "/home/one")
    assert one.host().home == "/home/one"
    monkeypatch.setenv("HOME", "/home/two")
    assert two.host().home == "/home/two"
    assert one.host().home == "/home/one"


def test_a_request_nobody_knows_is_refused(files: InProcessBackend) -> None:
    with pytest.raises(SlurmError, match="fly"):
        files.request("fly", {})
