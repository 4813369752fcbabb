"""What a client makes of the record files of packed arrays. The backend is a fake."""

from __future__ import annotations

import io
import json
import pickle
import random
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, cast

import pytest
from tests.helpers.fakes import DEADLINE, FakeBackend
from tests.helpers.recorded import RecordFile

from slurm import ArrayJob, Cluster, errors, task
from slurm.api.requests import RecordPart
from slurm.api.slurm_cli import InProcessBackend
from slurm.callbacks import BaseCallback, CompletedContext
from slurm.job_dir.paths import ArrayDirectory, group_event_name
from slurm.job_dir.result import dump_envelope, value_envelope
from slurm.tracking.job_metadata import metadata_of


@task
def twice(number: int) -> int:
    return 2 * number


class Packed:
    """An array that the fake backend has taken; a test leaves what its tasks would."""

    def __init__(self, cluster: Cluster, backend: FakeBackend, count: int, pack: int) -> None:
        self.cluster = cluster
        self.backend = backend
        self.array: ArrayJob[Any] = cluster.map(twice, range(count), pack=pack).submit()
        for request in backend.requests:
            backend.files.update({f"{request.job_dir}/{k}": v for k, v in request.files.items()})
        self.files = [RecordFile(f"{self.array.id}_{n}") for n in range(self.array.layout.tasks)]
        self.folder = f"{self.array.job_dir}/records"

    def leave(self) -> None:
        """Write the record files as they are by now."""
        for file in self.files:
            self.backend.files[f"{self.folder}/{file.name}"] = file.content

    def end(self, state: str = "COMPLETED") -> None:
        """The scheduler says that all tasks have ended."""
        for number in range(len(self.files)):
            self.backend.say(f"{self.array.id}_{number}", state)

    def tell(self, *files: RecordFile) -> None:
        """The runner tells of these."""
        [request] = self.backend.requests
        for number, file in enumerate(files):
            name = group_event_name(request.token, 1, str(file.facts["job_id"]), number)
            self.backend.tell(name, file.content)

    def reads(self) -> int:
        """How often record files were read."""
        return sum(any(self.folder in path for path in paths) for paths in self.backend.reads)


Pack = Callable[[int, int], Packed]


@pytest.fixture
def packed(fake_cluster: Cluster, backend: FakeBackend) -> Pack:
    return lambda count, pack: Packed(fake_cluster, backend, count, pack)


@pytest.fixture
def patient(patient_cluster: Cluster, backend: FakeBackend) -> Pack:
    """Of a client that asks the scheduler once in ten minutes."""
    return lambda count, pack: Packed(patient_cluster, backend, count, pack)


# --- results -------------------------------------------------------------------------------------


def test_all_results_are_read_together(packed: Pack) -> None:
    pack = packed(300, 3)
    for index in range(300):
        pack.files[index // 3].value(index, 2 * index)
    pack.leave()
    pack.end()
    assert pack.array.get_results(DEADLINE) == [2 * n for n in range(300)]
    assert pack.reads() <= 3, "not once for each, nor for each task"


def test_an_item_that_failed_is_named_and_the_others_have_their_results(packed: Pack) -> None:
    pack = packed(3, 3)
    pack.files[0].value(0, "first").error(1, ValueError("unlucky")).value(2, "third")
    pack.leave()
    pack.end("FAILED")
    with pytest.raises(ValueError, match="unlucky") as caught:
        pack.array.get_results(DEADLINE)
    assert getattr(caught.value, "array_index", None) == 1
    found: list[Any] = pack.array.get_results(DEADLINE, return_exceptions=True)
    assert [found[0], found[2]] == ["first", "third"]
    assert [str(job.get_status()) for job in pack.array] == ["COMPLETED", "FAILED", "COMPLETED"]


def test_what_is_large_is_in_the_items_directory(packed: Pack, backend: FakeBackend) -> None:
    pack = packed(2, 2)
    pack.files[0].value(0, "small").elsewhere(1)
    large = dump_envelope(value_envelope("large", 1))
    backend.files[pack.array[1].directory.result] = large
    pack.leave()
    pack.end()
    assert pack.array.get_results(DEADLINE) == ["small", "large"]
    content = backend.files[f"{pack.array.job_dir}/results/aggregated.pkl"]
    assert pickle.loads(content) == ["small", "large"]  # noqa: S301 - made here


def test_an_item_that_was_not_reached_fails_as_its_job_did(packed: Pack) -> None:
    pack = packed(2, 2)
    pack.files[0].value(0, "first")
    pack.leave()
    pack.end("TIMEOUT")
    assert pack.array[0].get_result(DEADLINE) == "first"
    with pytest.raises(errors.JobTimeout):
        pack.array[1].get_result(DEADLINE)


def test_one_that_was_altered_is_the_only_one(packed: Pack, backend: FakeBackend) -> None:
    pack = packed(3, 3)
    for index in range(3):
        pack.files[0].value(index, f"item {index}")
    pack.leave()
    path = f"{pack.folder}/{pack.files[0].name}"
    backend.files[path] = backend.files[path].replace(b"item 1", b"item 7")
    pack.end()
    with pytest.raises(errors.ResultCorrupted, match=r"item 1 in .*_0\.1 was altered"):
        pack.array[1].get_result(DEADLINE)
    assert [pack.array[n].get_result(DEADLINE) for n in (0, 2)] == ["item 0", "item 2"]


def test_those_of_an_older_sdk_are_in_directories(packed: Pack, backend: FakeBackend) -> None:
    pack = packed(2, 2)
    for job in pack.array:
        backend.files[job.directory.result] = dump_envelope(value_envelope(job.id, 1))
    pack.end()
    assert pack.array.get_results(DEADLINE) == [f"{pack.array.id}_0"] * 2


def test_records_that_become_visible_late_are_waited_for(
    packed: Pack, monkeypatch: pytest.MonkeyPatch
) -> None:
    pack = packed(2, 2)
    pack.files[0].value(0, "first")
    pack.leave()
    pack.files[0].value(1, "late")
    pack.end()
    assert pack.array.wait(DEADLINE)
    waited: list[float] = []
    sleep = time.sleep

    def until_it_is_there(seconds: float) -> None:
        waited.append(seconds)
        pack.leave()
        sleep(0)

    monkeypatch.setattr("slurm.results.outcome.time.sleep", until_it_is_there)
    assert pack.array[1].get_result(DEADLINE) == "late"
    assert len(waited) == 1


def test_those_that_are_asked_for_one_by_one_are_read_together(packed: Pack) -> None:
    pack = packed(200, 100)
    for index in range(200):
        pack.files[index // 100].value(index, 2 * index)
    pack.leave()
    pack.end()
    assert pack.array.wait(DEADLINE)
    before = pack.reads()
    assert [job.get_result(DEADLINE) for job in pack.array] == [2 * n for n in range(200)]
    assert pack.reads() - before == 2, "for each task"


class OnDisk(FakeBackend):
    """Record files are on the disk, and an agent reads them."""

    def __init__(self, files: InProcessBackend) -> None:
        super().__init__()
        self.disk = files
        self.questions = self.bytes_read = 0

    def read_records(self, folder: str, **asked: Any) -> Iterator[RecordPart]:
        self.questions += 1
        return self.disk.read_records(folder, **asked)

    def open(self, path: str) -> BinaryIO:
        backend = self

        class Counted(io.FileIO):
            def read(self, size: int | None = -1) -> bytes:
                data = super().read(size) or b""
                backend.bytes_read += len(data)
                return data

        return cast("BinaryIO", Counted(path))


@pytest.fixture
def on_disk(files: InProcessBackend, monkeypatch: pytest.MonkeyPatch) -> OnDisk:
    backend = OnDisk(files)
    monkeypatch.setattr("slurm.agent.record_files.open_regular", backend.open)
    return backend


ORDERS: dict[str, Callable[[int], Sequence[int]]] = {
    "upwards": range,
    "downwards": lambda count: range(count)[::-1],
    "every second one, twice": lambda count: [*range(0, count, 2), *range(1, count, 2)],
    "in no order": lambda count: random.Random(7).sample(range(count), count),
}


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize(
    ("count", "size", "questions", "times"), [(40, 200_000, 60, 3), (1000, 10, 10, 8)]
)
def test_single_results_read_a_file_a_few_times_in_whatever_order(
    order: str,
    count: int,
    size: int,
    questions: int,
    times: int,
    on_disk: OnDisk,
    tmp_path: Path,
) -> None:
    cluster = Cluster(on_disk, job_base_dir=tmp_path / "jobs", poll_interval_min=0.01)
    pack = Packed(cluster, on_disk, count, count)
    for index in range(count):
        pack.files[0].value(index, bytes([index % 256]) * size)
    Path(pack.folder).mkdir(parents=True)
    (Path(pack.folder) / pack.files[0].name).write_bytes(pack.files[0].content)
    pack.end()
    assert pack.array.wait(DEADLINE)
    for index in ORDERS[order](count):
        assert pack.array[index].get_result(DEADLINE) == bytes([index % 256]) * size
    assert on_disk.questions <= questions
    assert on_disk.bytes_read < times * len(pack.files[0].content)
    cluster.close()


def test_what_items_share_takes_no_room_from_the_one_that_is_asked_for(
    packed: Pack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("slurm.tracking.task_records.MOST", 1000)
    pack = packed(12, 12)
    for index in range(12):
        pack.files[0].share(step=index).value(index, str(index) * 100)
    pack.leave()
    pack.end()
    assert pack.array.wait(DEADLINE)
    before = pack.reads()
    for index in reversed(range(12)):
        assert pack.array[index].get_result(DEADLINE) == str(index) * 100
    assert pack.reads() - before <= 8


def test_what_a_later_attempt_leaves_out_is_not_taken_for_a_result(packed: Pack) -> None:
    """An earlier one wrote it when nobody heard of that any more; where it is was known before the later one began."""
    pack = packed(3, 3)
    first = pack.files[0]
    counted = len(first.content)
    for index in range(3):
        first.value(index, f"first {index}")
    pack.leave()
    pack.end()
    assert pack.array[2].get_result(DEADLINE) == "first 2"
    assert metadata_of(pack.array[0].records[0])["attempt"] == 1, "and with it, where it is"
    second = RecordFile(f"{pack.array.id}_0", 2, before={first.name: counted})
    pack.files.append(second.value(0, "second 0").value(1, "second 1"))
    pack.leave()
    assert [pack.array[n].get_result(DEADLINE) for n in (1, 0)] == ["second 1", "second 0"]


def test_one_behind_much_else_is_found(
    packed: Pack, backend: FakeBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second attempt runs what the first did not come to, which may be an earlier item."""
    monkeypatch.setattr("slurm.tracking.task_records.MOST", 100)
    pack = packed(3, 3)
    first = pack.files[0].value(1, "x" * 1000).value(2, "y" * 1000)
    second = RecordFile(f"{pack.array.id}_0", 2, before={first.name: len(first.content)})
    pack.files.append(second.value(0, "the one"))
    pack.leave()
    pack.backend.say(f"{pack.array.id}_0", "COMPLETED")
    assert pack.array[0].get_result(DEADLINE) == "the one"


# --- how it is known that they have ended --------------------------------------------------------


def test_the_ends_of_items_are_read_together_when_their_job_has_ended(patient: Pack) -> None:
    pack = patient(300, 100)
    for index in range(0, 300, 2):
        pack.files[index // 100].value(index, index)
    pack.leave()
    pack.end("TIMEOUT")
    assert str(pack.array[0].get_status()) == "COMPLETED"
    assert [str(job.status.state) for job in pack.array] == ["COMPLETED", "TIMEOUT"] * 150
    assert pack.reads() == 1


def test_news_of_several_items_end_them_and_bring_results(patient: Pack) -> None:
    pack = patient(4, 2)
    for file in pack.files:
        pack.backend.say(str(file.facts["job_id"]), "RUNNING")
    pack.files[0].value(0, "first").error(1, ValueError("second"))
    pack.files[1].value(2, "third")
    pack.tell(*pack.files)
    assert pack.array[2].get_result(DEADLINE) == "third"
    assert pack.array[0].get_result(DEADLINE) == "first"
    with pytest.raises(ValueError, match="second"):
        pack.array[1].get_result(DEADLINE)
    assert not pack.array[3].is_completed()
    assert pack.reads() == 0
    pack.tell(RecordFile(f"{pack.array.id}_1").value(3, "fourth"), RecordFile("77_0").value(9, 9))
    pack.leave()
    pack.files[1].value(3, "fourth")
    pack.leave()
    assert pack.array.get_results(DEADLINE, return_exceptions=True)[3] == "fourth"


def test_those_that_are_found_again_are_known_by_their_records(
    packed: Pack, fake_cluster: Cluster, backend: FakeBackend
) -> None:
    pack = packed(4, 4)
    path = ArrayDirectory(pack.array.job_dir).metadata
    noted = {**json.loads(backend.files[path]), "job_id": pack.array.id}
    pack.files[0].value(0, "first").error(1, ValueError("second"))
    pack.leave()
    ended = [{"items": "2", "status": "timeout", "ended_at": "2999-01-01T00:00:00+00:00"}]
    backend.files[path] = json.dumps({**noted, "ended": ended}).encode()
    backend.say(f"{pack.array.id}_0", "RUNNING")
    again = ArrayJob.from_dir(pack.array.job_dir, fake_cluster)
    assert [str(job.get_status()) for job in again] == [
        *("COMPLETED", "FAILED", "TIMEOUT", "RUNNING")
    ]
    del ended[0]
    pack.files[0].share(attempt=2)  # at noon of a later day
    pack.leave()
    backend.files[path] = json.dumps({**noted, "ended": ended}).encode()
    early = {"items": "2", "status": "timeout", "ended_at": "2025-01-01T00:00:00+00:00"}
    backend.files[f"{pack.array.job_dir}/ended.jsonl"] = json.dumps(early).encode()
    later = ArrayJob.from_dir(pack.array.job_dir, fake_cluster)
    assert str(later[2].get_status()) == "RUNNING", "it was started again since"


# --- what they have noted ------------------------------------------------------------------------


def test_an_item_has_the_metadata_of_any_job(packed: Pack) -> None:
    pack = packed(3, 3)
    jobs = [record for job in pack.array for record in job.records]
    with pytest.raises(errors.RemoteFileMissing):
        metadata_of(jobs[0])
    pack.files[0].share(stdout="/logs/12.out").value(0, 0, launched_at="2025-03-01T11:59:59+00:00")
    pack.files[0].error(1, ValueError("unlucky"))
    pack.leave()
    first, second, third = map(metadata_of, jobs)
    assert (first["task_name"], first["job_id"]) == ("twice", f"{pack.array.id}_0")
    assert (first["status"], second["status"]) == ("completed", "failed")
    assert (first["launched_at"], second["error"]) == (
        *("2025-03-01T11:59:59+00:00", "ValueError: unlucky"),
    )
    assert [one["array_index"] for one in (first, second, third)] == [0, 1, 2]
    assert [one["token"].rpartition("_")[2] for one in (first, second, third)] == ["0", "1", "2"]
    assert second["started_at"] == "2025-03-01T12:00:01.000000+00:00"
    assert (third["status"], third["stdout"]) == ("running", "/logs/12.out"), "its job has begun"
    pack.files[0].value(2, 2)
    pack.leave()
    assert metadata_of(jobs[2])["status"] == "completed"


def test_what_many_items_have_noted_is_read_once(packed: Pack) -> None:
    pack = packed(100, 50)
    for index in range(100):
        pack.files[index // 50].value(index, index)
    pack.leave()
    noted = [metadata_of(record)["array_index"] for job in pack.array for record in job.records]
    assert noted == list(range(100))
    assert pack.reads() == 2


class Hears(BaseCallback):
    def __init__(self) -> None:
        self.heard: list[CompletedContext] = []

    def on_completed_ctx(self, ctx: CompletedContext) -> None:
        self.heard.append(ctx)


def test_callbacks_hear_of_each_item_with_its_times(
    backend: FakeBackend, tmp_path_factory: pytest.TempPathFactory
) -> None:
    hears = Hears()
    cluster = Cluster(
        backend,
        job_base_dir=tmp_path_factory.mktemp("jobs"),
        poll_interval_min=600.0,
        poll_interval_max=600.0,
        callbacks=[hears],
    )
    pack = Packed(cluster, backend, 2, 2)
    pack.files[0].value(0, "first").error(1, ValueError("second"))
    pack.leave()
    pack.tell(pack.files[0])
    assert pack.array.wait(DEADLINE)
    cluster.drain_callbacks()
    told = {one.array_index: one for one in hears.heard}
    cluster.close()
    assert [str(told[n].state) for n in range(2)] == ["COMPLETED", "FAILED"]
    assert [told[n].duration for n in range(2)] == [0.25, 0.25]
    assert str(told[1].error) == "second"
    assert told[0].node == "c1"


def test_a_name_that_only_the_job_knew_is_taken_from_its_record(
    fake_cluster: Cluster, backend: FakeBackend
) -> None:
    with fake_cluster:
        array = twice.with_options(output="/logs/%N.out").map([1, 2], pack=2).submit()
    for request in backend.requests:
        backend.files.update({f"{request.job_dir}/{k}": v for k, v in request.files.items()})
    assert array[1].stdout_path == "/logs/%N.out"
    file = RecordFile(f"{array.id}_0", stdout="/logs/c1.out")
    backend.files[f"{array.job_dir}/records/{file.name}"] = file.content
    assert array[1].stdout_path == "/logs/c1.out"
