"""Packs on the node: array tasks that run several items, as real processes, and what these leave."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
import warnings
from pathlib import Path
from typing import Any

import pytest
from tests.helpers.job_tasks import describe
from tests.unit.runner.conftest import MapOnDisk

from slurm import current_job_context, errors, task
from slurm.job_dir.paths import UNWRITTEN

PATIENCE = 120.0  # seconds after which an item gives up


@task
def square(number: int) -> int:
    print("item", number)
    if number == 13:
        raise ValueError("unlucky")
    return number * number


@task
def where(number: int) -> Any:
    names = ("JOB_DIR", "SLURM_SDK_ARRAY_INDEX")
    Path(f"own-{number}").write_text("")
    return os.getcwd(), *(os.environ[name] for name in names)


# --- what they leave -----------------------------------------------------------------------------


def test_items_leave_records_and_no_directories(map_on_disk: MapOnDisk) -> None:
    array = map_on_disk(square, range(5), pack=3)
    done = array.run(1)
    assert (done.returncode, done.stdout, done.stderr) == (0, "item 3\nitem 4\n", "")
    assert [array.record(item) for item in range(3)] == [None] * 3, "the other task's"
    assert [array.value(item) for item in (3, 4)] == [9, 16]
    record = array.record(4)
    assert record is not None
    metadata = record.metadata({"task_name": "square"}, "t")
    began, called, ended = record.frame.times
    assert 0 < began <= called <= ended <= time.time()
    assert metadata["completed_at"] > metadata["started_at"] > "2020"
    assert {key: metadata[key] for key in ("job_id", "attempt", "status", "array_index")} == {
        "job_id": "12_1",
        "attempt": 1,
        "status": "completed",
        "array_index": 4,
    }
    assert (metadata["token"], metadata["task_name"]) == ("t_4", "square")
    assert metadata["python_version"] == sys.version.split()[0]
    assert os.listdir(array.path / "records") == ["12_1.1"]
    assert array.file("12_1.1").stat().st_mode & 0o077 == 0
    assert not (array.path / "tasks").exists()


def test_a_pack_runs_on_after_a_failure_and_does_not_repeat_itself(map_on_disk: MapOnDisk) -> None:
    array = map_on_disk(square, [1, 13, 3, 4], pack=3)
    done = array.run(0)
    assert (done.returncode, done.stdout) == (1, "item 1\nitem 13\nitem 3\n")
    assert "in square" in done.stderr
    assert array.value(2) == 9
    with pytest.raises(ValueError, match="unlucky"):
        array.value(1)
    for again in (array.run(0), array.again(0)):
        assert (again.returncode, again.stdout) == (1, ""), "an item has failed before"
    assert [array.run(1).stdout for _ in range(2)] == ["item 4\n", ""]


def test_an_item_that_fails_has_a_directory_as_any_job_has(map_on_disk: MapOnDisk) -> None:
    array = map_on_disk(square, [1, 13, 3], pack=3)
    array.run(0)
    assert array.directories() == ["001"]
    with pytest.raises(ValueError, match="unlucky") as caught:
        array.result("001")
    assert "in square" in str(caught.value.__cause__)
    metadata, record = array.metadata("001"), array.record(1)
    assert record is not None
    assert metadata["error"] == "ValueError: unlucky"
    told = record.metadata({}, metadata["token"].rpartition("_")[0])
    assert {key: metadata[key] for key in told if told[key] is not None} == {
        key: value for key, value in told.items() if value is not None
    }


def test_the_first_of_a_pack_knows_when_its_script_began(map_on_disk: MapOnDisk) -> None:
    array = map_on_disk(square, [13, 13], pack=2)
    array.run(0)
    assert array.metadata("000")["launched_at"] > "2020"
    assert array.metadata("001")["launched_at"] is None
    records = [array.record(item) for item in range(2)]
    assert ["launched_at" in one.notes for one in records if one] == [True, False]


def test_what_cannot_be_pickled_is_an_error_of_its_item(map_on_disk: MapOnDisk) -> None:
    def maybe(number: int) -> Any:
        return threading.Lock() if number else 0

    array = map_on_disk(task(maybe), [0, 1], pack=2)
    assert array.run(0).returncode == 1
    assert array.value(0) == 0
    with pytest.raises(errors.ResultNotSerializable, match="lock"):
        array.value(1)
    with pytest.raises(errors.ResultNotSerializable, match="lock"):
        array.result("001")


def test_large_results_have_files_of_their_own(map_on_disk: MapOnDisk) -> None:
    def make(size: int) -> bytes:
        if size == 1_000_000:
            raise ValueError(bytes(size))
        return bytes(size)

    array = map_on_disk(task(make), [10, 300_000, 20, 1_000_000], pack=4)
    assert array.run(0).returncode == 1
    assert (array.value(0), array.value(2)) == (bytes(10), bytes(20))
    assert array.directories() == ["001", "003"]
    assert array.result("001") == bytes(300_000)
    with pytest.raises(ValueError, match=r"b'\\x00"):
        array.result("003")
    for item, success in ((1, True), (3, False)):
        record = array.record(item)
        assert record is not None
        assert (record.is_in_directory, record.successful) == (True, success)
    assert array.file().stat().st_size < 20_000
    assert array.again(0).stdout == ""


# --- where they run ------------------------------------------------------------------------------


def test_items_run_where_the_array_is(map_on_disk: MapOnDisk) -> None:
    array = map_on_disk(where, range(2), pack=2)
    assert array.run(0).returncode == 0
    folder = str(array.path)
    assert [array.value(n) for n in range(2)] == [
        (folder, f"{folder}/tasks/00{n}", str(n)) for n in range(2)
    ]
    assert {"own-0", "own-1"} <= set(os.listdir(folder))


def test_each_item_begins_there_whatever_the_one_before_did(map_on_disk: MapOnDisk) -> None:
    def leaves(number: int) -> str:
        before = os.getcwd()
        os.chdir("/")
        return before

    array = map_on_disk(task(leaves), range(2), pack=2)
    array.run(0)
    assert [array.value(n) for n in range(2)] == [str(array.path)] * 2


def test_with_item_dirs_each_has_what_other_jobs_have(map_on_disk: MapOnDisk) -> None:
    array = map_on_disk(where, range(2), pack=2, item_dirs=True)
    assert array.run(0).returncode == 0
    folder = f"{array.path}/tasks"
    assert array.directories() == ["000", "001"]
    for item in ("000", "001"):
        place = f"{folder}/{item}"
        assert array.result(item) == array.value(int(item)) == (place, place, str(int(item)))
        assert os.path.exists(f"{place}/own-{int(item)}")
        assert os.stat(place).st_mode & 0o077 == 0
        metadata = array.metadata(item)
        assert (metadata["status"], metadata["task_name"]) == ("completed", "where")
        assert metadata["called_at"]


@pytest.mark.parametrize("item_dirs", [False, True])
def test_where_sbatch_was_told_a_directory_items_run_there(
    item_dirs: bool, map_on_disk: MapOnDisk, tmp_path: Path
) -> None:
    array = map_on_disk(where, range(2), pack=2, item_dirs=item_dirs)
    assert array.run(0, cwd=tmp_path).returncode == 0
    assert [array.value(n)[0] for n in range(2)] == [str(tmp_path)] * 2
    assert array.directories() == (["000", "001"] if item_dirs else [])


def test_a_function_that_takes_its_job_runs_in_its_directory(map_on_disk: MapOnDisk) -> None:
    array = map_on_disk(describe, [5, 13, 6], pack=3)
    assert array.run(0).returncode == 1
    assert [array.value(n) for n in (0, 2)] == [(25, "12_0", "000"), (36, "12_0", "002")]
    own = array.path / "tasks"
    assert (own / "002" / "own").read_text() == "6"
    assert os.listdir(own / "002") == ["own"]
    assert {"own", "metadata.json", "result.pkl"} <= set(os.listdir(own / "001"))


def test_one_that_asks_for_it_later_as_well(map_on_disk: MapOnDisk) -> None:
    def asks(number: int) -> Any:
        job = current_job_context()
        (job.shared_dir / "note").write_text(str(number))
        return str(job.job_dir), job.array_index

    array = map_on_disk(task(asks), [5, 6], pack=2)
    assert array.run(0).returncode == 0
    assert array.value(1) == (f"{array.path}/tasks/001", 1)
    assert (array.path / "tasks" / "001" / "shared" / "note").read_text() == "6"
    assert (array.path / "tasks" / "001").stat().st_mode & 0o077 == 0


# --- what ends them early ------------------------------------------------------------------------


def stops_once(number: int) -> int:
    print("item", number, flush=True)
    if number == 2 and os.environ.get("SLURM_RESTART_COUNT", "0") == "0":
        os.kill(os.getpid(), signal.SIGKILL)
    return number * number


def test_what_had_ended_when_the_process_was_killed_is_not_run_again(
    map_on_disk: MapOnDisk,
) -> None:
    array = map_on_disk(task(stops_once), range(4), pack=4)
    assert array.run(0).returncode == -signal.SIGKILL
    assert [array.value(n) for n in (0, 1)] == [0, 1]
    assert array.record(2) is None
    assert array.again(0).stdout == "item 2\nitem 3\n"
    assert [array.value(n) for n in range(4)] == [0, 1, 4, 9]
    assert sorted(os.listdir(array.path / "records")) == ["12_0.1", "12_0.2"]
    late = array.again(0, attempt=5)
    assert (late.returncode, late.stdout) == (0, "")
    assert [array.value(n) for n in range(4)] == [0, 1, 4, 9]


@pytest.mark.parametrize("cut", [1, 40, 90])
def test_what_was_half_written_is_run_again(cut: int, map_on_disk: MapOnDisk) -> None:
    """By a machine that crashed; the part behind it does not count either."""
    array = map_on_disk(square, range(3), pack=3)
    array.run(0)
    content = array.file().read_bytes()
    array.file().write_bytes(content[:-cut])
    last = 2 if cut < 66 + 5 else 1
    assert array.again(0).stdout == "".join(f"item {n}\n" for n in range(last, 3))
    assert [array.value(n) for n in range(3)] == [0, 1, 4]


def test_a_result_that_was_altered_is_made_again(map_on_disk: MapOnDisk) -> None:
    array = map_on_disk(square, range(3), pack=3)
    array.run(0)
    record = array.record(1)
    assert record is not None
    content = bytearray(array.file().read_bytes())
    content[record.frame.end - 1] ^= 1
    array.file().write_bytes(bytes(content))
    with pytest.raises(errors.ResultCorrupted, match=r"item 1 in 12_0\.1"):
        array.value(1)
    assert array.again(0).stdout == "item 1\n"


def test_an_attempt_that_finds_its_successor_leaves_the_rest(map_on_disk: MapOnDisk) -> None:
    def meanwhile(number: int) -> int:
        print("item", number)
        if number == 1:
            Path("records/12_0.2").touch()  # as the next attempt does when it begins
            time.sleep(0.06)
        return number

    array = map_on_disk(task(meanwhile), range(4), pack=4)
    array.events.mkdir(parents=True)
    done = array.run(0)
    assert done.returncode == 1
    assert done.stdout == "item 0\nitem 1\n"
    assert "attempt 2 of this job has begun" in done.stderr
    assert {one.token.rpartition("_")[2] for one in array.told()} <= {"0"}


def test_attempts_that_never_began_are_no_gap(map_on_disk: MapOnDisk) -> None:
    """The first looks for the second alone: the third says to it that it is superseded."""
    array = map_on_disk(square, range(2), pack=2)
    array.run(0)
    array.again(0, attempt=3)
    assert sorted(os.listdir(array.path / "records")) == ["12_0.1", "12_0.2", "12_0.3"]
    assert [array.value(n) for n in range(2)] == [0, 1]


def test_a_child_that_comes_back_from_the_function_writes_nothing(map_on_disk: MapOnDisk) -> None:
    def forks(number: int) -> int:
        child = os.fork()
        if child:
            assert os.waitpid(child, 0)[1] >> 8 == 1
        return -1 if child == 0 else number

    array = map_on_disk(task(forks), range(3), pack=3)
    assert array.run(0).returncode == 0
    assert [array.value(n) for n in range(3)] == [0, 1, 2]
    assert len(list(array.path.glob("records/*"))) == 1


# --- a disk that is full -------------------------------------------------------------------------


def fills(size: int, room: int) -> bytes:
    import resource

    record = os.path.getsize("records/12_0.1")
    print("item", size)
    resource.setrlimit(resource.RLIMIT_FSIZE, (record + room, resource.RLIM_INFINITY))
    return os.urandom(size)


def test_a_record_for_which_there_is_no_room_says_so_if_that_fits(map_on_disk: MapOnDisk) -> None:
    array = map_on_disk(task(fills), [(20, 1000), (50_000, 20_000), (30, 1000)], pack=3)
    done = array.run(0)
    assert (done.returncode, done.stdout) == (1, "item 20\nitem 50000\nitem 30\n")
    assert "File too large" in done.stderr
    with pytest.raises(errors.ResultTooLarge, match=r"48.8K .*File too large.*records/12_0\.1"):
        array.value(1)
    assert [len(array.value(n)) for n in (0, 2)] == [20, 30]


def test_one_of_which_not_even_that_can_be_said_is_unwritten(map_on_disk: MapOnDisk) -> None:
    array = map_on_disk(task(fills), [(20, 1000), (500, 10), (30, 1000)], pack=3)
    done = array.run(0)
    assert (done.returncode, done.stdout) == (UNWRITTEN, "item 20\nitem 500\nitem 30\n")
    assert array.record(1) is None
    assert [len(array.value(n)) for n in (0, 2)] == [20, 30], "no part of it is left"
    assert array.file().read_bytes().count(b"slr\n") == 3


# --- what the client is told ---------------------------------------------------------------------


def test_each_item_is_told_of_with_its_result(map_on_disk: MapOnDisk) -> None:
    array = map_on_disk(square, [*range(12), 13, 14], pack=14)
    array.events.mkdir(parents=True)
    array.run(0)
    told = array.told()
    assert [one.success for one in told] == [*[True] * 12, False, True]
    results: list[Any] = [one.result for one in told]
    assert [one.frame for one in results] == [
        one.frame for one in map(array.record, range(14)) if one
    ]
    assert {one.token.rpartition("_")[0] for one in told} == {
        json.loads((array.path / "array_metadata.json").read_text())["token"]
    }


def test_results_that_are_too_large_for_news_are_left_out(map_on_disk: MapOnDisk) -> None:
    def make(size: int) -> bytes:
        return os.urandom(size)

    sizes = [10, 40_000, 100_000, *[30_000] * 12]
    array = map_on_disk(task(make), sizes, pack=len(sizes))
    array.events.mkdir(parents=True)
    array.run(0)
    told = array.told()
    assert [one.token.rpartition("_")[2] for one in told] == [str(n) for n in range(len(sizes))]
    assert [one.result is not None for one in told] == [True, False, False, *[True] * 12]
    assert max(path.stat().st_size for path in array.events.iterdir()) <= 256 << 10


def waits_for_news(number: int, events: str) -> int:
    """The last waits until somebody was told of the one before, and nobody else is in its process any more."""
    from slurm.job_dir.news import ends_in

    deadline, told = time.monotonic() + PATIENCE, False
    while number == 2 and not (told and alone()):
        assert time.monotonic() < deadline
        time.sleep(0.005)
        files = [path for path in Path(events).iterdir() if path.name[0] != "."]
        ends = [end for path in files for end in ends_in(path.name, path.read_bytes())]
        told = any(end.token.endswith("_1") for end in ends)
    return number


def alone() -> bool:
    return threading.active_count() == 1


def test_a_quick_item_before_a_long_one_is_told_of_at_once(
    map_on_disk: MapOnDisk, tmp_path: Path
) -> None:
    items = [
        (n, str(tmp_path / "told")) for n in range(3)
    ]  # the first takes as long as its imports
    array = map_on_disk(task(waits_for_news), items, pack=3)
    (tmp_path / "told").mkdir()
    array.events.parent.mkdir(parents=True)
    array.events.symlink_to(tmp_path / "told")
    done = array.run(0)
    assert done.returncode == 0, done.stderr
    assert len(array.told()) == 3


def test_no_other_thread_is_there_when_an_item_forks(map_on_disk: MapOnDisk) -> None:
    def forks(number: int) -> int:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # Python 3.12 warns where threads are
            child = os.fork()
        if child == 0:
            os._exit(threading.active_count() + len(os.listdir("/proc/self/task")))
        assert alone()
        return os.waitpid(child, 0)[1] >> 8

    array = map_on_disk(task(forks), range(4), pack=4)
    array.run(0)
    assert [array.value(n) for n in range(4)] == [2] * 4


def test_nobody_is_told_where_nobody_listens(map_on_disk: MapOnDisk) -> None:
    array = map_on_disk(square, range(2), pack=2)
    done = array.run(0)
    assert (done.returncode, done.stderr) == (0, "")
    assert not array.events.exists()


def test_records_that_cannot_be_begun_are_tried_again(map_on_disk: MapOnDisk) -> None:
    def mends(number: int) -> int:
        if number == 1:
            os.rename("records", "damaged")
            os.mkdir("records")
        return number

    array = map_on_disk(task(mends), range(2), pack=2)
    folder = array.path / "records"
    folder.rmdir()
    folder.write_text("in its way")
    done = array.run(0)
    assert "could not be noted" in done.stderr
    assert done.returncode == UNWRITTEN
    assert array.value(1) == 1
