"""Submission and questions where there are 1000 nodes and 10 000 jobs wait, beside two nodes and an empty queue.

The nodes are emulated. The jobs wait for a partition that is down, each a submission of its own: Slurm keeps an array that waits
as one record. What grows is Slurm's own time, so bare ``sbatch`` and ``squeue`` are asked on both clusters as well.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from functools import partial

from benchmarks.driver import Driver
from benchmarks.measure import Line, interleave
from benchmarks.session import PROJECT, SCRIPT, WORK, Session
from slurm.testing import DockerCluster

NODES, QUEUED = 1000, 10_000
# Of a quick run.
FEW_NODES, FEW_QUEUED = 50, 200
AT_ONCE = 200
ROUNDS = 15
SUBMIT, ASK = "one job submitted", "one job's state asked for"


def run(session: Session) -> None:
    """Submit to both clusters, and ask both, in turn: by the SDK and by Slurm's own commands."""
    nodes, queued = (FEW_NODES, FEW_QUEUED) if session.quick else (NODES, QUEUED)
    large, small = f"{nodes} nodes, {queued} jobs queued", "2 nodes, none queued"
    with _large_site(nodes, quick=session.quick) as site, session.queue_only(), site.queue_only():
        _fill(site, site.bare(), queued)
        ways: dict[str, Callable[[], float]] = {}
        for name, one in ((large, site), (small, session)):
            ways |= {f"{what}, {name}": way for what, way in _ways(one).items()}
        found = interleave(ways, session.rounds(ROUNDS), warm_up=1)
    medians = {name: session.record(name, "s", values).median for name, values in found.items()}
    for what, bare in ((SUBMIT, "bare sbatch"), (ASK, "bare squeue")):
        ours, theirs = f"{what}, this SDK", f"{what}, {bare}"
        session.note(
            Line(
                f"{ours}, {large}",
                "s",
                medians[f"{ours}, {large}"],
                small,
                medians[f"{ours}, {small}"],
            ),
            Line(
                f"{theirs}, {large}",
                "s",
                medians[f"{theirs}, {large}"],
                small,
                medians[f"{theirs}, {small}"],
            ),
            Line(
                f"{ours}, {large}, beside {bare}",
                "s",
                medians[f"{ours}, {large}"],
                bare,
                medians[f"{theirs}, {large}"],
            ),
        )


def _ways(session: Session) -> dict[str, Callable[[], float]]:
    ours, bare = session.ours(), session.bare()
    script = {"script": SCRIPT, "comment": session.comment}
    ours.ask("hold", count=1)
    return {
        f"{SUBMIT}, this SDK": partial(ours.seconds, "submit"),
        f"{SUBMIT}, bare sbatch": partial(bare.seconds, "submit", **script),
        f"{ASK}, this SDK": partial(ours.seconds, "ask_status"),
        f"{ASK}, bare squeue": partial(bare.seconds, "ask_status"),
    }


def _fill(session: Session, bare: Driver, count: int) -> None:
    """Have so many jobs wait."""
    for begin in range(0, count, AT_ONCE):
        some = min(AT_ONCE, count - begin)
        bare.ask("submit", script=SCRIPT, comment=session.comment, count=some)


@contextlib.contextmanager
def _large_site(nodes: int, *, quick: bool) -> Iterator[Session]:
    """A cluster of its own, with as many emulated nodes; gone afterwards."""
    folder = WORK / "large-cluster"
    with DockerCluster(f"{PROJECT}-large", state_dir=folder, emulated_nodes=nodes) as cluster:
        session = Session(cluster, quick=quick)
        try:
            session.prepare()
            yield session
        finally:
            session.release()
