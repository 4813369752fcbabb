"""When records go to the disk and when they are told of, and what becomes of those that cannot be kept."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from slurm.job_dir.news import ends_in
from slurm.job_dir.paths import UNWRITTEN, ArrayDirectory, JobDirectory
from slurm.job_dir.result import value_envelope
from slurm.runner import record_writer
from slurm.runner.item_log import ItemLog
from slurm.runner.record_writer import TOGETHER, RecordFile

ITEMS = 20


class Clock:
    """Stands still unless it is told."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


class Log:
    """A log of an array task whose client listens. `synced` counts how often something was brought to the disk."""

    def __init__(self, folder: Path, clock: Clock, safe: bool) -> None:
        self.events = folder / "events"
        self.clock = clock
        self.log = ItemLog(ArrayDirectory(str(folder)), {"job_id": "12_0", "attempt": 1}, safe=safe)
        self.log.begin(1.0)

    def item(self, number: int, took: float = 0.0) -> None:
        directory = JobDirectory(f"/tasks/{number}")
        put = self.log.put(number, directory, value_envelope(number, 1), (1.0, 2.0, 3.0), {})
        assert put is not None
        self.clock.now += took
        self.log.tell(put.record, took)

    def told(self) -> list[list[int]]:
        """The items of each event."""
        files = sorted(self.events.iterdir(), key=lambda path: int(path.name.rpartition("-")[2]))
        return [
            [int(end.token.rpartition("_")[2]) for end in ends_in(path.name, path.read_bytes())]
            for path in files
        ]


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How long the record file was each time that it was brought to the disk."""
    found: list[int] = []
    monkeypatch.setattr(RecordFile, "sync", lambda self: found.append(self.size))
    return found


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(record_writer, "time", made)
    return made


@pytest.fixture
def log(tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Any:
    (tmp_path / "events").mkdir()
    monkeypatch.setenv("SLURM_SDK_EVENT_DIR", str(tmp_path / "events"))
    monkeypatch.setenv("SLURM_SDK_TOKEN", "t")
    return lambda *, safe=False: Log(tmp_path, clock, safe)


def test_quick_items_go_to_the_disk_together(log: Any, synced: list[int]) -> None:
    made = log()
    for number in range(ITEMS):
        made.item(number)
    made.log.close()
    assert made.told() == [list(range(ITEMS))]
    assert len(synced) == 1


def test_where_the_job_may_come_back_each_does_before_the_next(log: Any, synced: list[int]) -> None:
    made = log(safe=True)
    for number in range(ITEMS):
        made.item(number)
        assert len(synced) == number + 1
    made.log.close()
    assert synced == sorted(set(synced)), "each with its record"
    assert made.told() == [list(range(ITEMS))], "and its client is told of all together"


def test_a_group_ends_when_it_is_old_and_after_an_item_that_took_long(
    log: Any, synced: list[int]
) -> None:
    made, short = log(), 0.6 * TOGETHER
    for number, took in enumerate((0.0, short, short, 0.0, TOGETHER, 0.0)):
        made.item(number, took)
    assert made.told() == [[0, 1, 2], [3, 4]]
    made.log.close()
    assert made.told() == [[0, 1, 2], [3, 4], [5]]
    assert len(synced) == 3


def test_records_that_cannot_be_kept_are_no_success_and_no_news(
    log: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file server may say so late."""

    def full(self: RecordFile) -> None:
        raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))

    monkeypatch.setattr(RecordFile, "sync", full)
    made = log()
    made.item(0)
    made.log.close()
    assert made.log.status == UNWRITTEN
    assert made.told() == []
    assert "results could not be kept: Disk quota exceeded" in capsys.readouterr().err


def test_a_client_that_went_away_is_told_nothing(
    log: Any, synced: list[int], capsys: pytest.CaptureFixture[str]
) -> None:
    made = log()
    made.item(0)
    made.events.rmdir()
    made.log.close()
    assert len(synced) == 1
    assert capsys.readouterr().err == ""
