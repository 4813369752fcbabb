"""Runs benchmarks on a cluster of their own, keeps what they find as they go, and leaves nothing behind."""

from __future__ import annotations

import contextlib
import fcntl
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from types import FrameType

from benchmarks import machine, page, peers
from benchmarks.driver import BenchmarkError, NotPossible, reason_of
from benchmarks.measure import Bar, Line, Series, table
from benchmarks.measured import CATALOGUE
from benchmarks.results import Results
from benchmarks.session import PROJECT, ROOT, WORK, Session
from slurm.testing import DockerCluster

RESULTS = WORK / "results.json"
UNIT_TIER, UNIT_TIER_BAR = "unit-tier", 30.0
UNIT_TIER_TIMEOUT = 900


def run(names: Sequence[str], *, quick: bool, keep: bool, unit_tier: bool) -> Results:
    """Run the benchmarks of these names; `keep` leaves the cluster for the next run, or takes it from the last."""
    WORK.mkdir(mode=0o700, parents=True, exist_ok=True)
    for log in WORK.glob("*.log"):
        log.unlink()
    found = Results(machine.facts("Slurm not started"))
    with the_only_one(), ended_by_signals():
        if unit_tier:
            measure_unit_tier(found)
        prepare_peers()
        with a_cluster(keep=keep) as (cluster, seconds):
            version = cluster.exec("login", ["sinfo", "--version"]).stdout.strip()
            found.machine = {**found.machine, "slurm": version}
            session = Session(cluster, quick=quick)
            session.start_seconds = seconds
            try:
                session.prepare()
                for name in names:
                    run_one(name, session, found)
            finally:
                session.release()
    whole = all(name in found.benchmarks for name in CATALOGUE) and not quick
    found.complete = whole and not any(one["failed"] for one in found.benchmarks.values())
    found.write(RESULTS)
    return found


def run_one(name: str, session: Session, found: Results) -> None:
    """Run one benchmark; what goes wrong in it does not stop the others."""
    say(f"{name} ...")
    session.series, session.lines = [], []
    start = time.monotonic()
    failed = None
    try:
        CATALOGUE[name](session)
    except Exception as error:  # noqa: BLE001 - it must not cost what the others find
        failed = reason_of(error)
        (WORK / f"{name}.traceback.log").write_text(traceback.format_exc(), "utf-8")
        say(f"{name} failed: {failed}")
    finally:
        session.release()
    seconds = time.monotonic() - start
    found.add(name, seconds, session.series, session.lines, failed)
    found.facts.update(session.facts)
    found.write(RESULTS)
    say(f"{name} took {seconds:.0f} s")


def measure_unit_tier(found: Results) -> None:
    """How long ``make test-unit`` takes: by itself, for it takes the whole machine."""
    say(f"{UNIT_TIER} ...")
    start, failed = time.monotonic(), None
    try:
        subprocess.run(
            ["make", "test-unit"],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=sys.stderr,
            timeout=UNIT_TIER_TIMEOUT,
            check=True,
        )
    except (OSError, subprocess.SubprocessError) as error:
        failed = reason_of(error)
    seconds = time.monotonic() - start
    line = Line("unit tier (make test-unit)", "s", seconds, bar=Bar(UNIT_TIER_BAR))
    found.add(UNIT_TIER, seconds, [Series("unit tier", "s", (seconds,))], [line], failed)


def prepare_peers() -> None:
    """Install the peers where that was not done before; a benchmark says what is missing."""
    parts: dict[str, Callable[[], object]] = {
        "submitit": lambda: peers.environment("submitit", WORK),
        "submitit, for the login node": lambda: peers.packages("submitit", WORK),
        "paramiko": lambda: peers.environment("paramiko", WORK),
        "slurm-sdk": lambda: peers.environment("slurm-sdk", WORK),
        "slurm-sdk, for the nodes": lambda: peers.packages("slurm-sdk", WORK, nodes=True),
    }
    for name, make in parts.items():
        say(f"environment of {name} ...")
        try:
            make()
        except NotPossible as error:
            say(f"{name}: {error}")


@contextlib.contextmanager
def a_cluster(*, keep: bool) -> Iterator[tuple[DockerCluster, float | None]]:
    """The benchmarks' cluster, with the seconds it took to come up; None for one that was up."""
    cluster = DockerCluster(PROJECT, state_dir=WORK / "cluster")
    seconds = None
    if not (keep and cluster.is_up()):
        cluster.down()  # of a run that was killed
        cluster.compose.prepare_docker()
        cluster.compose.image.build()
        say("cluster ...")
        start = time.monotonic()
        cluster.up()
        seconds = time.monotonic() - start
    try:
        yield cluster, seconds
    finally:
        if not keep:
            cluster.down()


@contextlib.contextmanager
def the_only_one() -> Iterator[None]:
    """Two runs at once would measure each other. Raises `BenchmarkError`."""
    with (WORK / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BenchmarkError("another run of the benchmarks is under way here") from None
        yield


@contextlib.contextmanager
def ended_by_signals() -> Iterator[None]:
    """SIGTERM and SIGHUP end the run as Ctrl-C does: with the cluster removed."""

    def end(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def show(found: Results) -> int:
    """Print the table, and bring the page up to date if all was measured; the exit status."""
    print(table(found.lines))
    problems = list(found.problems())
    for problem in problems:
        say(problem)
    if found.complete:
        page.write(found)
    shown = "was brought up to date" if found.complete else "stays as it is: not all was measured"
    say(f"{page.PAGE.relative_to(ROOT)} {shown}")
    return 1 if problems else 0


def say(text: str) -> None:
    """Progress, to stderr: the table alone goes to stdout."""
    print(f"bench: {text}", file=sys.stderr, flush=True)
