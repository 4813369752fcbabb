"""What many jobs that have ended long ago cost: on the disk, whoever works beside them, and who removes them.

All times are CPU time, of one process with an agent in it, for their growth is what counts. Where a cost grows faster than the
number of jobs, or where one that has nothing to do with them grows at all, the bar is missed.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from benchmarks.driver import Driver
from benchmarks.growth import FASTEST, power_of
from benchmarks.measure import Bar, Line
from benchmarks.session import Session

SIZES, FEW = (1000, 10_000, 100_000), (100, 1000)
STEADY = 0.25  # the power of what does not grow, and of the caches of a machine
TIMEOUT = 3600.0
TIMES = 50
LATEST = 3
MEMORY_BAR = 1.5  # times what it takes beside the fewest
# On a disk, how long the kernel works depends on what others do there.
IN_MEMORY, ROOM = Path("/dev/shm"), 8 << 30  # noqa: S108 - nothing there is trusted
REMOVING, SAYING = "clean_up(dry_run=False)", "clean_up()"
LISTING, LISTED, LISTING_BAR = "slurm jobs list", 10_000, 1.0
WITH_ALL = (SAYING, REMOVING, "slurm packages list", LISTING, "get_latest_task_result()")
WITH_ONE = ("get_job(id), its result", "one submission, the agent")


def run(session: Session) -> None:
    """Make bases of several sizes, one after the other, and measure each."""
    sizes = FEW if session.quick else SIZES
    costs: dict[str, dict[int, float]] = {name: {} for name in (*WITH_ALL, *WITH_ONE)}
    memory: dict[str, dict[int, float]] = {SAYING: {}, LISTING: {}}
    made: Mapping[str, Mapping[str, int]] = {}
    for count in sizes:
        with tempfile.TemporaryDirectory(prefix="slurm-bench-", dir=_place()) as folder:
            argv = [sys.executable, "-m", "benchmarks.clients.old_jobs", folder]
            client = session.start(f"old-jobs-{count}", argv)
            made = client.ask("make", count=count, timeout=TIMEOUT)
            _measure(client, count, costs, memory)
            session.release()
    for name, found in costs.items():
        for count, seconds in found.items():
            session.record(f"{count} old jobs: {name}, CPU", "s", [seconds])
    few, many = sizes[0], sizes[-1]
    for kind, unit in (("jobs", "directory of a job"), ("receipts", "receipts of a job")):
        about = made[kind]
        session.note(
            Line(f"{unit}, on the disk", "KB", about["bytes"] / 1024 / many),
            Line(f"{unit}, inodes", "", about["inodes"] / many),
        )
    for names, bar in ((WITH_ALL, FASTEST), (WITH_ONE, STEADY)):
        for name in names:
            found = costs[name]
            what = f"{name}, CPU beside {many} old jobs"
            session.note(
                Line(what, "s", found[many], f"{few}", found[few]),
                Line(f"{name}, grows with the power", "", power_of(found), bar=Bar(bar)),
            )
    if LISTED in sizes:
        what, found = f"{LISTING} of {LISTED} jobs, CPU", costs[LISTING]
        session.note(Line(what, "s", found[LISTED], bar=Bar(LISTING_BAR)))
    for name, bar_of_memory in ((SAYING, Bar(MEMORY_BAR, of_ratio=True)), (LISTING, None)):
        what, most = f"most memory of {name}, {many} old jobs", memory[name]
        session.note(Line(what, "MB", most[many], f"{few}", most[few], bar_of_memory))


def _place() -> str | None:
    """Where there is room in memory, else the usual place."""
    there = IN_MEMORY.is_dir() and shutil.disk_usage(IN_MEMORY).free > ROOM
    return str(IN_MEMORY) if there else None


def _measure(
    client: Driver,
    count: int,
    costs: Mapping[str, dict[int, float]],
    memory: Mapping[str, dict[int, float]],
) -> None:
    """Fill in the costs beside so many jobs, all of which are removed in the end, and the most memory so far after two steps."""
    costs["slurm packages list"][count] = client.seconds("list_packages", timeout=TIMEOUT)
    costs[SAYING][count] = _cleaned(client, count, dry_run=True)
    memory[SAYING][count] = client.seconds("memory")
    costs[LISTING][count] = client.seconds("list_jobs", timeout=TIMEOUT)
    memory[LISTING][count] = client.seconds("memory")
    costs[WITH_ONE[0]][count] = client.seconds("get_job", times=TIMES)
    costs[WITH_ONE[1]][count] = client.seconds("submit", times=TIMES)
    costs["get_latest_task_result()"][count] = client.seconds(
        "latest_result", times=LATEST, timeout=TIMEOUT
    )
    costs[REMOVING][count] = _cleaned(client, count, dry_run=False)


def _cleaned(client: Driver, count: int, *, dry_run: bool) -> float:
    done = client.ask("clean_up", dry_run=dry_run, timeout=TIMEOUT)
    if (done["removed"], done["receipts"]) != (count, 2 * count):
        raise AssertionError(f"of {count} jobs, it removed {done}")
    return float(done["cpu"])
