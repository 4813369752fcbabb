"""What jobs print, as it is written. The backend is a fake that has files, and can only be asked for whole ones."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest
from tests.helpers.fakes import DEADLINE, FakeBackend

from slurm import Cluster, Job, task
from slurm.api.requests import Added
from slurm.errors import RemoteFileMissing, SlurmError
from slurm.results import following, logs
from slurm.results.following import Printed


@task
def train(value: int = 0) -> int:
    return value


def running(cluster: Cluster, backend: FakeBackend, **options: Any) -> Job[int]:
    backend.say(str(len(backend.requests) + 1), "RUNNING", node="c1")
    job = cluster.submit(train, **options)(1)
    job.get_status()
    return job


def printed(job: Job[int], lines: int | None = None) -> list[str]:
    streams = [logs.STDOUT, logs.STDERR]
    pieces = following.printed(job.records, streams, follow=False, lines=lines)
    return [f"{piece.stream.name}: {piece.text}" for piece in pieces]


def test_both_streams_are_read_to_their_ends(fake_cluster: Cluster, backend: FakeBackend) -> None:
    job = running(fake_cluster, backend)
    backend.files[job.stdout_path] = b"one\ntwo"
    assert printed(job) == ["stdout: one\ntwo"]
    backend.files[job.stderr_path] = b"bad"
    assert printed(job) == ["stdout: one\ntwo", "stderr: bad"]
    assert list(job.logs()) == ["one\ntwo"]
    assert list(job.logs(stderr=True)) == ["bad"]


def test_streams_that_go_to_one_file_are_read_once(
    fake_cluster: Cluster, backend: FakeBackend
) -> None:
    job = running(fake_cluster, backend, output="/logs/%j", error="/logs/%j")
    backend.files["/logs/1"] = b"both\n"
    assert printed(job) == ["stdout: both\n"]


def test_the_last_lines_are_read_from_the_end(fake_cluster: Cluster, backend: FakeBackend) -> None:
    job = running(fake_cluster, backend)
    backend.files[job.stdout_path] = b"".join(b"%d %s\n" % (n, b"x" * 3000) for n in range(9))
    [text] = [
        piece.text for piece in following.printed(job.records, [logs.STDOUT], follow=False, lines=2)
    ]
    assert [line[:2] for line in text.splitlines()] == ["7 ", "8 "]
    backend.files[job.stdout_path] = b"one"
    assert printed(job, lines=5) == ["stdout: one"]


def test_a_letter_that_is_written_in_two_pieces_is_one(
    fake_cluster: Cluster, backend: FakeBackend
) -> None:
    job = running(fake_cluster, backend)
    letters = "é".encode()
    backend.files[job.stdout_path] = b"a" + letters[:1]
    pieces = job.logs(follow=True)
    text = next(pieces)
    backend.files[job.stdout_path] = b"a" + letters
    assert text + next(pieces) == "aé"


def test_a_job_that_has_not_begun_is_waited_for_and_followed_to_its_end(
    fake_cluster: Cluster, backend: FakeBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "LOOK", 0.01)
    backend.say("1", "PENDING", reason="Priority")
    job = fake_cluster.submit(train, output="/logs/out")(1)
    backend.files["/logs/out"] = b"of another job that had this name\n"
    pieces = job.logs(follow=True)
    asked: list[int] = []
    has_begun = logs.has_begun

    def begins(*args: object, **how: object) -> bool:
        """It waits for two looks; then it begins, and has ended."""
        asked.append(1)
        if len(asked) == 3:
            backend.files["/logs/out"] = b"its own\n"
            backend.say("1", "RUNNING", node="c1")
            backend.finish(job, 1)
        return has_begun(*args, **how)  # type: ignore[arg-type]

    monkeypatch.setattr(logs, "has_begun", begins)
    assert "".join(pieces) == "its own\n"
    assert job.done()


def test_whoever_follows_is_done_when_the_job_is_whatever_is_asked_still(
    fake_cluster: Cluster, backend: FakeBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The question for what is added waits until nobody follows any more."""
    job = running(fake_cluster, backend)
    asked, followed = threading.Event(), threading.Event()
    wait_added = backend.wait_added

    def slow(files: Any, *, timeout: float, every: float = 0.1) -> list[Added]:
        if timeout == 0:
            return wait_added(files, timeout=0)
        asked.set()
        assert followed.wait(DEADLINE)
        return []

    monkeypatch.setattr(backend, "wait_added", slow)
    pieces = job.logs(follow=True)
    told: list[str] = []
    follower = threading.Thread(target=lambda: told.extend(pieces))
    follower.start()
    assert asked.wait(DEADLINE)
    backend.files[job.stdout_path] = b"the last words"
    backend.finish(job, 1)
    follower.join(DEADLINE)
    is_done = not follower.is_alive()
    followed.set()
    assert (is_done, told) == (True, ["the last words"])


def test_whoever_follows_is_told_that_the_directory_was_removed(
    fake_cluster: Cluster, backend: FakeBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "LOOK", 0.01)
    job = running(fake_cluster, backend)
    backend.files[job.stdout_path] = b"so far\n"
    pieces = job.logs(follow=True)
    assert next(pieces) == "so far\n"
    backend.removed.add(job.job_dir)
    del backend.files[job.stdout_path]
    with pytest.raises(RemoteFileMissing, match=f"of job 1 .train. was removed.*{job.job_dir}"):
        list(pieces)
    with pytest.raises(RemoteFileMissing, match="was removed"):
        list(job.logs())


@pytest.mark.parametrize("has_printed", [True, False])
def test_whoever_follows_is_told_that_the_cluster_was_closed(
    has_printed: bool, fake_cluster: Cluster, backend: FakeBackend
) -> None:
    job = running(fake_cluster, backend)
    backend.files[job.stdout_path] = b"so far\n"
    pieces = job.logs(follow=True)
    if has_printed:
        assert next(pieces) == "so far\n"
    fake_cluster.close()
    with pytest.raises(SlurmError, match="closed"):
        "".join(pieces)


def test_a_file_on_a_disk_of_the_node_is_one_line(
    fake_cluster: Cluster, backend: FakeBackend
) -> None:
    job = running(fake_cluster, backend, output="/tmp/out")
    with pytest.raises(
        RemoteFileMissing, match=r"sends its stdout to /tmp/out on c1, which is not there"
    ):
        list(job.logs())
    nowhere = running(fake_cluster, backend, output="none")
    with pytest.raises(RemoteFileMissing, match="keeps no stdout"):
        list(nowhere.logs())


def test_lines_of_elements_stand_behind_their_indices(
    fake_cluster: Cluster, backend: FakeBackend
) -> None:
    first, second = fake_cluster.map(train, [1, 2]).submit().records
    pieces = [
        Printed(first, logs.STDOUT, "begin"),
        Printed(second, logs.STDOUT, "a\nb\nand "),
        Printed(first, logs.STDOUT, "ning\n"),
        Printed(second, logs.STDOUT, "no end"),
    ]
    told = "".join(piece.text for piece in following.with_prefixes(pieces))
    assert told == "1| a\n1| b\n0| beginning\n1| and no end\n"


def test_what_is_written_over_the_begin_of_a_line_has_the_index_on_a_terminal(
    fake_cluster: Cluster,
) -> None:
    [record] = fake_cluster.map(train, [1]).submit().records
    pieces = [
        Printed(record, logs.STDOUT, "10 %\r20 %\r\n"),
        Printed(record, logs.STDOUT, "\r3\r\r4"),
    ]
    told = "".join(one.text for one in following.with_prefixes(pieces, overwriting=True))
    assert told == "0| 10 %\r0| 20 %\r\n0| \r0| 3\r0| 4\n"


def test_a_bar_of_progress_is_one_line(fake_cluster: Cluster, backend: FakeBackend) -> None:
    job = running(fake_cluster, backend)
    backend.files[job.stdout_path] = b"first\n10 %\r20 %\r30 %"
    assert printed(job, lines=1) == ["stdout: 10 %\r20 %\r30 %"]


def test_items_of_a_pack_share_their_output(fake_cluster: Cluster, backend: FakeBackend) -> None:
    array = fake_cluster.map(train, [1, 2, 3], pack=2).submit()
    records = following.lone(array.records)
    assert [record.id for record in records] == [f"{array.id}_0", f"{array.id}_1"]
    assert [following.prefix_of(record) for record in records] == ["0| ", "1| "]
    backend.say(f"{array.id}_0", "RUNNING", node="c1")
    backend.files[array[0].stdout_path] = b"word\n"
    assert json.dumps(list(array.logs())) == '["0| word\\n"]'
