"""No room on the shared file system: when a job is submitted, when it begins, and when it writes its result."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

import fault_tasks
from faults.site import TIMEOUT, Site
from slurm.errors import JobFailed, RemoteFileError, ResultTooLarge

pytestmark = pytest.mark.slurm

FILLER = "/shared/work/filler"
MIB = 1 << 20


@pytest.fixture
def room(site: Site) -> Iterator[Site]:
    """A site whose disk can be filled, and is emptied at the end."""
    kind = site.shell("stat", "--file-system", "--format=%T", "/shared").strip()
    assert kind == "tmpfs", "only a disk that is small and in memory may be filled"
    yield site
    give_room(site)


def leave(site: Site, kib: int) -> None:
    """Fill the shared file system up to so many KiB."""
    free = int(site.shell("df", "--output=avail", "-k", "/shared").splitlines()[-1])
    site.shell("fallocate", "--length", f"{free - kib}KiB", FILLER)


def give_room(site: Site) -> None:
    site.shell("rm", "-f", FILLER)


def files(site: Site) -> set[str]:
    found = site.shell("find", site.client.job_base_dir, "-not", "-path", "*/.sdk/*")
    return {path for path in found.splitlines() if "/.lock-" not in path}


def test_nothing_is_submitted_and_nothing_left_when_the_disk_is_full(room: Site) -> None:
    first = fault_tasks.double(1)
    assert first.get_result(TIMEOUT) == 2
    before = files(room)
    leave(room, 0)
    said = r"double: nothing was submitted: No space left on device: \S+/double/\S+"
    with pytest.raises(RemoteFileError, match=said):
        fault_tasks.double(2)
    assert files(room) == before
    give_room(room)
    second = fault_tasks.double(2)
    assert second.get_result(TIMEOUT) == 4
    room.assert_submitted_once([first, second], 2)


def test_a_result_for_which_there_is_no_room_says_so(room: Site) -> None:
    large = fault_tasks.bytes_of(room.gate, 4 * MIB)
    room.wait_for_runs(1)
    leave(room, 1024)
    room.open_gate()
    said = rf"No space left on device: {re.escape(large.directory.result)}"
    with pytest.raises(ResultTooLarge, match=said):
        large.get_result(TIMEOUT)
    give_room(room)
    again = fault_tasks.bytes_of(room.gate, 4 * MIB)
    assert len(again.get_result(TIMEOUT)) == 4 * MIB
    room.assert_submitted_once([large, again], 2)


def test_an_item_of_a_pack_for_which_there_is_no_room_says_so_and_the_others_go_on(
    room: Site,
) -> None:
    sizes = [10, 20_000, 30]
    array = fault_tasks.bytes_of.map([(room.gate, size) for size in sizes], pack=3).submit()
    room.wait_for_runs(1)
    leave(room, 0)
    room.open_gate()
    found: list[Any] = array.get_results(TIMEOUT, return_exceptions=True)
    first, second, third = found
    assert [len(first), len(third)] == [10, 30], "there is room in the last block of their file"
    assert isinstance(second, ResultTooLarge)
    assert re.search(r"No space left on device: \S+/records/\d+_0\.1$", str(second))
    assert [str(job.get_status()) for job in array] == ["COMPLETED", "FAILED", "COMPLETED"]
    give_room(room)
    room.assert_submitted_once([array[0]], 1)


def test_a_job_that_can_write_nothing_at_all_is_no_riddle(room: Site) -> None:
    job = fault_tasks.keep(room.gate, 1)
    room.wait_for_runs(1)
    leave(room, 0)
    room.open_gate()
    with pytest.raises(JobFailed, match=r"its result could not be written.* room"):
        job.get_result(TIMEOUT)
    room.assert_submitted_once([job], 1)


def test_a_job_that_begins_without_room_ends_well_when_there_is_some(room: Site) -> None:
    job = fault_tasks.keep.with_options(hold=True)(room.gate, 1)
    leave(room, 0)
    room.shell("scontrol", "release", job.id)
    room.wait_for_runs(1)
    give_room(room)
    room.open_gate()
    assert job.get_result(TIMEOUT) == 1
    room.assert_submitted_once([job], 1)
