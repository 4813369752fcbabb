"""No room on the shared file system: when a job is submitted, and when it writes its result."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import fault_tasks
from faults.site import TIMEOUT, Site
from slurm.errors import SlurmError

pytestmark = pytest.mark.slurm

FILLER = "/shared/work/filler"


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


def directories(site: Site) -> list[str]:
    base = site.client.job_base_dir
    return site.shell(
        "find", base, "-not", "-path", "*/.sdk/*", "-not", "-name", ".lock*"
    ).splitlines()


def test_nothing_is_submitted_and_nothing_left_when_the_disk_is_full(room: Site) -> None:
    first = fault_tasks.double(1)
    assert first.get_result(TIMEOUT) == 2
    before = directories(room)
    leave(room, 0)
    with pytest.raises(SlurmError) as full:
        fault_tasks.double(2)
    print(repr(full.value))
    print(set(directories(room)) ^ set(before))
    give_room(room)
    second = fault_tasks.double(2)
    assert second.get_result(TIMEOUT) == 4
    room.assert_submitted_once([first, second], 2)


def test_a_result_for_which_there_is_no_room_says_so(room: Site) -> None:
    little, nothing = (fault_tasks.bytes_of(room.gate, 4 << 20) for _ in range(2))
    room.wait_for_runs(2)
    leave(room, 1024)
    room.open_gate()
    print(repr(little.exception(TIMEOUT)))
    print(repr(nothing.exception(TIMEOUT)))
    give_room(room)
    assert fault_tasks.double(2).get_result(TIMEOUT) == 4


def test_a_job_that_can_write_nothing_at_all_is_no_riddle(room: Site) -> None:
    job = fault_tasks.keep(room.gate, 1)
    room.wait_for_runs(1)
    room.shell("touch", room.gate + "x")
    leave(room, 0)
    room.open_gate()
    print(repr(job.exception(TIMEOUT)), job.status)
