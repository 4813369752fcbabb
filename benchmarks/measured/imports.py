"""What every program writes, over bare Python, in CPU time; and what the peers' imports take."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from benchmarks import peers
from benchmarks.driver import BenchmarkError, NotPossible, reason_of
from benchmarks.measure import Bar, Line, interleave
from benchmarks.session import WORK, Session

ROUNDS = 15
BAR = 45.0  # milliseconds
OURS = "from slurm import Cluster, task"
# The first cluster loads most of the SDK: what a program that goes on pays.
WITH_A_CLUSTER = f'{OURS}; Cluster("local")'
PEERS = {"submitit": "import submitit", "slurm-sdk": "import slurm"}


def cpu_ms(python: str, statement: str, environment: dict[str, str]) -> float:
    """The CPU time of an interpreter that executes `statement` and ends."""
    process = subprocess.Popen([python, "-c", statement], env=environment, cwd=os.sep)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise BenchmarkError(f"{python} could not {statement!r}")
    return 1000 * (used.ru_utime + used.ru_stime)


def run(session: Session) -> None:
    """Import each in its own environment, in turn with bare Python in the same one."""
    clean = peers.clean_environment()
    clean.pop("PYTHONDONTWRITEBYTECODE", None)
    source = {**clean, "PYTHONPATH": str(Path(__file__).parents[2] / "src")}
    ways: dict[str, Callable[[], float]] = {
        f"bare Python, for {OURS}": lambda: cpu_ms(sys.executable, "pass", source),
        OURS: lambda: cpu_ms(sys.executable, OURS, source),
        WITH_A_CLUSTER: lambda: cpu_ms(sys.executable, WITH_A_CLUSTER, source),
    }
    reasons: dict[str, str] = {}
    for peer, statement in PEERS.items():
        try:
            python = str(peers.environment(peer, WORK))
        except NotPossible as error:
            reasons[peer] = reason_of(error)
            continue
        ways[f"bare Python, for {peer}"] = _once(python, "pass", clean)
        ways[f"{peer}, {statement}"] = _once(python, statement, clean)
    found = interleave(ways, session.rounds(ROUNDS), warm_up=2)
    series = {name: session.record(f"CPU: {name}", "ms", values) for name, values in found.items()}
    bare = series[f"bare Python, for {OURS}"].median
    mine, more = series[OURS].median - bare, series[WITH_A_CLUSTER].median - bare
    session.note(
        Line(f"{OURS}, CPU over bare Python", "ms", mine, bar=Bar(BAR)),
        Line(f"{WITH_A_CLUSTER}, CPU over bare Python", "ms", more),
    )
    for peer, statement in PEERS.items():
        name = f"{peer}, {statement}"
        other = None
        if name in series:
            other = series[name].median - series[f"bare Python, for {peer}"].median
        shown = f"{peer} {peers.versions(peer)[peer]}, {statement}"
        session.note(
            Line(
                f"{OURS}, CPU over bare Python",
                "ms",
                mine,
                shown,
                other,
                note=reasons.get(peer, ""),
            )
        )


def _once(python: str, statement: str, environment: dict[str, str]) -> Callable[[], float]:
    return lambda: cpu_ms(python, statement, environment)
