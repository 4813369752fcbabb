"""The local backend: jobs per second on two cores, each with a process of its own, and a large array's submission."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from benchmarks.measure import Bar, Line, beside, interleave
from benchmarks.session import Session, try_to_start

BAR = 15.0  # jobs per second
TASKS = 60
PEER_TASKS = 10
ROUNDS = 3
ITEMS = 1000
ITEMS_BAR = 0.5  # seconds
WAYS = {"one_by_one": "one by one", "as_array": "as an array"}
BARE = "bare subprocess, two at a time"
SUBMITIT, UNPAUSED = "submitit, local executor", "submitit, local executor, without its pause"


def run(session: Session) -> None:
    """Run the same little work in every way, in turn."""
    with tempfile.TemporaryDirectory(prefix="slurm-bench-") as folder:
        argv = [sys.executable, "-m", "benchmarks.clients.local", str(Path(folder) / "jobs")]
        ours = session.start("local-backend", argv)
        drivers, reasons = try_to_start(
            {SUBMITIT: lambda: session.submitit_here(Path(folder) / "submitit")}
        )
        for driver in (ours, *drivers.values()):
            driver.ask("keep_to_two_cores")
        ours.ask("one_by_one", count=4)  # starts the scheduler, installs the SDK's archive
        ways: dict[str, Callable[[], float]] = {
            name: partial(ours.seconds, op, count=TASKS) for op, name in WAYS.items()
        }
        ways[BARE] = partial(ours.seconds, "bare", count=TASKS)
        if SUBMITIT not in drivers:
            reasons[UNPAUSED] = reasons[SUBMITIT]
        else:
            peer = partial(drivers[SUBMITIT].seconds, "throughput", count=PEER_TASKS)
            ways[SUBMITIT] = peer
            ways[UNPAUSED] = partial(peer, pause=False)
        rounds, theirs = session.rounds(ROUNDS), (SUBMITIT, UNPAUSED)
        found = interleave(ways, rounds, warm_up=0, failures=reasons, peers=theirs)
        arrays = [ours.ask("submit_array", count=ITEMS) for _ in range(session.rounds(ROUNDS))]
        session.release()
    series = {
        name: session.record(f"local jobs: {name}", "jobs/s", values)
        for name, values in found.items()
    }
    for name in WAYS.values():
        what, mine = f"local backend, {name}", series[name].median
        session.note(
            Line(what, "jobs/s", mine, BARE, series[BARE].median, Bar(BAR, least=True), rate=True)
        )
    first = WAYS["one_by_one"]
    for name in (SUBMITIT, UNPAUSED):
        what = f"local backend, {first}"
        session.note(beside(what, first, name, series, reasons, rate=True))
    one = session.record("local backend, submit one job", "s", [array["one"] for array in arrays])
    many = session.record(
        f"local backend, map {ITEMS} items, submit", "s", [array["many"] for array in arrays]
    )
    session.note(
        Line(
            f"local backend, map {ITEMS} items, submit",
            "s",
            many.median,
            "one job",
            one.median,
            Bar(ITEMS_BAR),
        )
    )
