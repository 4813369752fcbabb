"""How long the dockerised cluster takes to come up, its image built, and what of that the daemons take, which wait for each other."""

from __future__ import annotations

from benchmarks.measure import Bar, Line
from benchmarks.session import Session

BAR = 5.0  # seconds
# Each begins when the one before it is ready; the first one with its container.
CHAIN = ("db", "slurmdbd", "slurmctld", "c1")
BEGUN, READY = "/proc/1", "/run/cluster-ready"


def run(session: Session) -> None:
    """Note what the runner saw when it started the cluster."""
    if session.start_seconds is None:  # it ran before
        return
    found = session.record("cluster up", "s", [session.start_seconds])
    session.note(Line("cluster up, image built", "s", found.median, bar=Bar(BAR)))
    before = changed(session, CHAIN[0], BEGUN)
    for service in CHAIN:
        ready = changed(session, service, READY)
        taken = session.record(f"cluster up: {service}", "s", [max(0.0, ready - before)])
        session.note(Line(f"of which {service}", "s", taken.median))
        before = max(before, ready)


def changed(session: Session, service: str, path: str) -> float:
    """When a file of a service was changed: of its first process, when that began; of the mark of readiness, when it was ready."""
    return float(session.cluster.exec(service, ["stat", "--format", "%.Y", path]).stdout)
