"""`map` over 10 to 1000 items, and over 50 000 in packs: until it is submitted, and until all results are here."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial

from benchmarks.driver import Driver
from benchmarks.measure import Bar, Line, beside, interleave
from benchmarks.session import SCRIPT, Session, try_to_start

ROUNDS = 4
SIZES = (10, 100, 1000)
BAR = 0.5  # seconds, for the largest
# In four jobs: seconds until they are submitted; seconds until all results are here; MB that the client takes in all.
PACKED, JOBS = {1_000: None, 10_000: Bar(1.0), 50_000: Bar(4.0)}, 4
RESULTS_OF, RESULTS_BAR, MEMORY_BAR = 10_000, 6.0, 120.0
MORE_RESULTS = 50_000
OURS, BARE = "this SDK over ssh", "sbatch --array on the login node"
SUBMITIT, RELEASED = "submitit on the login node", "slurm-sdk 0.4.6 over ssh"


def run(session: Session) -> None:
    """Submit arrays in every way, in turn; then run some."""
    for (
        size
    ) in SIZES:  # of one size at a time: a controller takes so many jobs (MaxJobCount) and no more
        with session.queue_only():
            _submit(session, size)
    with session.queue_only():
        _count(session)
    with session.queue_only():
        _submit_packed(session)
    _results(session)


def _submit(session: Session, size: int) -> None:
    ours, bare = session.ours(), session.bare()
    drivers, reasons = try_to_start({SUBMITIT: session.submitit, RELEASED: session.released_sdk})
    ways: dict[str, Callable[[], float]] = {
        BARE: partial(bare.seconds, "submit_array", script=SCRIPT, count=size),
        OURS: partial(ours.seconds, "submit_array", count=size),
    }
    for name, driver in drivers.items():
        ways[name] = partial(driver.seconds, "submit_array", count=size)
    found = interleave(ways, session.rounds(ROUNDS), failures=reasons, peers=drivers)
    series = {
        name: session.record(f"map {size} items, submit: {name}", "s", values)
        for name, values in found.items()
    }
    what, mine = f"map {size} items, submit", series[OURS].median
    largest = size == SIZES[-1]
    session.note(Line(what, "s", mine, BARE, series[BARE].median, Bar(BAR) if largest else None))
    if largest:
        session.note(*(beside(what, OURS, name, series, reasons) for name in (SUBMITIT, RELEASED)))


def _submit_packed(session: Session) -> None:
    """Arrays that four jobs run, with one client whose memory is looked at in the end."""
    ours = session.ours()
    ours.ask("submit_array", count=JOBS)
    for size, bar in PACKED.items():
        pack = size // JOBS
        values = [
            ours.seconds("submit_array", count=size, pack=pack)
            for _ in range(session.rounds(ROUNDS))
        ]
        found = session.record(f"map {size} items in {JOBS} jobs, submit", "s", values)
        session.note(Line(f"map {size} items in {JOBS} jobs, submit", "s", found.median, bar=bar))
    sizes = " to ".join(map(str, PACKED))
    _note_memory(session, ours, f"client memory, arrays of {sizes} items live")


def _note_memory(session: Session, client: Driver, what: str) -> None:
    found = session.record(what, "MB", [client.ask("usage")["most_memory"]])
    session.note(Line(what, "MB", found.median, bar=Bar(MEMORY_BAR)))


def _count(session: Session) -> None:
    """How often the controller is asked for one array."""
    ours = session.ours()
    before = submissions(session)
    ours.ask("submit_array", count=SIZES[-1])
    name = f"map {SIZES[-1]} items, sbatch calls"
    used = session.record(name, "", [submissions(session) - before])
    session.note(Line(name, "", used.median, bar=Bar(1)))


def _results(session: Session) -> None:
    """Ten jobs each time, so that it is the client and not the cluster that is measured."""
    ours = session.ours()
    ours.ask("map_results", count=2, pack=1)
    for size in SIZES:
        pack = size // SIZES[0]
        values = [
            ours.seconds("map_results", count=size, pack=pack) for _ in range(session.rounds(2))
        ]
        found = session.record(f"map {size} items, all results, pack={pack}", "s", values)
        session.note(Line(f"map {size} items with pack={pack}, all results", "s", found.median))
    pack, name = RESULTS_OF // JOBS, f"map {RESULTS_OF} items in {JOBS} jobs, all results"
    values = [
        ours.seconds("map_results", count=RESULTS_OF, pack=pack) for _ in range(session.rounds(2))
    ]
    found = session.record(name, "s", values)
    session.note(Line(name, "s", found.median, bar=Bar(RESULTS_BAR)))
    _note_memory(session, ours, f"client memory, {RESULTS_OF} results here")
    _more_results(session, ours, found.median)


def _more_results(session: Session, ours: Driver, few: float) -> None:
    """They take no longer for each than a few do."""
    name = f"map {MORE_RESULTS} items in {JOBS} jobs, all results"
    values = [
        ours.seconds("map_results", count=MORE_RESULTS, pack=MORE_RESULTS // JOBS)
        for _ in range(session.rounds(2))
    ]
    found, bar = session.record(name, "s", values), Bar(MORE_RESULTS / RESULTS_OF, of_ratio=True)
    session.note(Line(name, "s", found.median, f"{RESULTS_OF}", few, bar))


def submissions(session: Session) -> int:
    """How many batch jobs the controller was asked for so far, by its own count."""
    said = session.cluster.exec("slurmctld", ["sdiag"]).stdout
    found = re.search(r"REQUEST_SUBMIT_BATCH_JOB\s.*count:(\d+)", said)
    return int(found.group(1)) if found else 0
