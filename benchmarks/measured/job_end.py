"""From a job's end on its node until the client has its result.

The job's own clock and the client's are one: all containers are on this machine. The job looks at it before
Python and Slurm have ended it, so that what is found is an upper bound.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from benchmarks.measure import Bar, Line, beside, interleave
from benchmarks.remote import SHARED
from benchmarks.session import Session, try_to_start

ROUNDS = 8
PEER_ROUNDS = 5
BAR = 0.5  # seconds
OURS, BARE = "this SDK over ssh", "sbatch --wait on the login node"
SUBMITIT = "submitit on the login node"
RELEASED = "slurm-sdk 0.4.6 over ssh"


def run(session: Session) -> None:
    """Run one job in every way, in turn."""
    ours, bare = session.ours(), session.bare()
    drivers, reasons = try_to_start(
        {SUBMITIT: session.submitit, RELEASED: session.released_with_nodes}
    )
    ways: dict[str, Callable[[], float]] = {
        OURS: partial(ours.seconds, "job_end"),
        BARE: partial(bare.seconds, "job_end", folder=f"{SHARED}/jobs-bare"),
    }
    found = interleave(ways, session.rounds(ROUNDS))
    slow = {name: partial(driver.seconds, "job_end") for name, driver in drivers.items()}
    if slow:
        rounds = session.rounds(PEER_ROUNDS)
        found.update(interleave(slow, rounds, warm_up=0, failures=reasons, peers=slow))
    series = {
        name: session.record(f"job's end to result: {name}", "s", values)
        for name, values in found.items()
    }
    what, mine = "job's end to result", series[OURS].median
    session.note(Line(what, "s", mine, BARE, series[BARE].median, Bar(BAR)))
    session.note(*(beside(what, OURS, name, series, reasons) for name in (SUBMITIT, RELEASED)))
