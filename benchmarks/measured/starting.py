"""How long the dockerised cluster takes to come up, its image built."""

from __future__ import annotations

from benchmarks.measure import Bar, Line
from benchmarks.session import Session

BAR = 15.0  # seconds


def run(session: Session) -> None:
    """Note what the runner saw when it started the cluster."""
    if session.start_seconds is None:  # it ran before
        return
    found = session.record("cluster up", "s", [session.start_seconds])
    session.note(Line("cluster up, image built", "s", found.median, bar=Bar(BAR)))
