"""A hundred jobs, submitted: in one block, and one by one."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from benchmarks.measure import Line, interleave
from benchmarks.session import SCRIPT, Session, try_to_start

ROUNDS = 3
JOBS = 100
PEER_JOBS = 20
BATCH, ONE_BY_ONE = "this SDK over ssh, cluster.batch()", "this SDK over ssh, one by one"
BARE, SUBMITIT = "sbatch on the login node", "submitit on the login node"


def run(session: Session) -> None:
    """Submit them all in every way, in turn."""
    with session.queue_only():
        ours, bare = session.ours(), session.bare()
        drivers, reasons = try_to_start({SUBMITIT: session.submitit})
        count = {"count": JOBS}
        ways: dict[str, Callable[[], float]] = {
            BARE: partial(bare.seconds, "submit", script=SCRIPT, comment=session.comment, **count),
            BATCH: partial(ours.seconds, "submit_batch", **count),
            ONE_BY_ONE: partial(ours.seconds, "submit", **count),
        }
        ours.ask("submit")
        found = interleave(ways, session.rounds(ROUNDS), warm_up=0)
        series = {
            name: session.record(f"submit {JOBS} jobs: {name}", "s", values)
            for name, values in found.items()
        }
        for name in (BATCH, ONE_BY_ONE):
            what = f"submit {JOBS} jobs, {name}"
            session.note(Line(what, "s", series[name].median, BARE, series[BARE].median))
        peer = None
        if SUBMITIT in drivers:
            took = drivers[SUBMITIT].seconds("submit", count=PEER_JOBS)
            rate = PEER_JOBS / took
            peer = session.record(f"jobs per second: {SUBMITIT}", "jobs/s", [rate]).median
        what, mine = "jobs submitted per second, cluster.batch()", JOBS / series[BATCH].median
        why = reasons.get(SUBMITIT, "")
        session.note(Line(what, "jobs/s", mine, SUBMITIT, peer, rate=True, note=why))
