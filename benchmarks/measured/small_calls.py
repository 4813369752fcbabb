"""Many small calls on this machine: a packed array of the local backend, beside others' workers that stay.

What starts with the first call is there already: the peers' workers, our scheduler. Our jobs start anew each time.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from benchmarks.measure import Bar, Line, beside, interleave
from benchmarks.session import Session, try_to_start

CALLS = 10_000
PEER_CALLS = 1_000
SUBMITIT_CALLS = 10
ROUNDS = 3
BAR = 3_000.0  # calls a second
OURS = "this SDK, local, in two jobs"
EXECUTORLIB = "executorlib, block allocation"
PARSL = "parsl, HighThroughputExecutor"
SUBMITIT = "submitit, local executor, without its pause"


def run(session: Session) -> None:
    """Make many calls in every way, in turn."""
    with tempfile.TemporaryDirectory(prefix="slurm-bench-") as name:
        folder = Path(name)
        argv = [sys.executable, "-m", "benchmarks.clients.local", str(folder / "jobs")]
        ours = session.start("local-backend", argv)
        drivers, reasons = try_to_start(
            {
                EXECUTORLIB: lambda: session.peer_here("executorlib"),
                PARSL: lambda: session.peer_here("parsl", str(folder / "parsl")),
                SUBMITIT: lambda: session.submitit_here(folder / "submitit"),
            }
        )
        for driver in (ours, *drivers.values()):
            driver.ask("keep_to_two_cores")
        count = CALLS // 10 if session.quick else CALLS
        ways: dict[str, Callable[[], float]] = {
            OURS: partial(ours.seconds, "small_calls", count=count)
        }
        for peer, driver in drivers.items():
            ways[peer] = partial(driver.seconds, "small_calls", count=PEER_CALLS)
        if SUBMITIT in drivers:
            calls = {"count": SUBMITIT_CALLS, "pause": False}
            ways[SUBMITIT] = partial(drivers[SUBMITIT].seconds, "throughput", **calls)
        found = interleave(ways, session.rounds(ROUNDS), failures=reasons, peers=drivers)
        session.release()
    series = {
        name: session.record(f"small calls: {name}", "calls/s", values)
        for name, values in found.items()
    }
    what = f"{count} small calls, {OURS}"
    mine = series[OURS].median
    session.note(Line(what, "calls/s", mine, bar=Bar(BAR, least=True), rate=True))
    for name in (EXECUTORLIB, PARSL, SUBMITIT):
        session.note(beside(what, OURS, name, series, reasons, rate=True))
