"""One job, submitted: over ssh with all its files, beside everything else that submits one.

The partition is down meanwhile, so that jobs are queued and none runs. All but the peers submit the very
script that this SDK makes; the bare ways find it on the cluster already.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from functools import partial
from typing import Any

from benchmarks.measure import Bar, Line, Series, interleave
from benchmarks.session import SCRIPT, Session, try_to_start

ROUNDS = 25
BAR = 2.0
OURS, BARE = "this SDK over ssh", "sbatch on the login node"
ON_LOGIN = "this SDK on the login node"
NEW, SHARED = "ssh, a connection per call", "ssh, a process per call (ControlMaster)"
PEERS = {
    "paramiko": "paramiko, exec_command",
    "submitit": "submitit on the login node, without its pause",
    "slurm-sdk": "slurm-sdk 0.4.6 over ssh",
}


def run(session: Session) -> None:
    """Submit one job in every way, in turn."""
    with session.queue_only(), tempfile.TemporaryDirectory(prefix="slurm-bench-") as folder:
        ours, on_login, bare = session.ours(), session.ours_on_login(), session.bare()
        drivers, reasons = try_to_start(
            {
                "paramiko": session.paramiko,
                "submitit": session.submitit,
                "slurm-sdk": session.released_sdk,
            }
        )
        arguments = {"script": SCRIPT, "comment": session.comment}
        ways: dict[str, Callable[[], float]] = {
            BARE: partial(bare.seconds, "submit", **arguments),
            OURS: partial(ours.seconds, "submit"),
            ON_LOGIN: partial(on_login.seconds, "submit"),
        }
        more: dict[str, dict[str, Any]] = {
            "paramiko": arguments,
            "submitit": {"pause": False},
            "slurm-sdk": {},
        }
        for name, driver in drivers.items():
            ways[PEERS[name]] = partial(driver.seconds, "submit", **more[name])
        sbatch = f"sbatch --parsable '--comment={session.comment}' {SCRIPT}"
        master = [
            "-o",
            f"ControlPath={folder}/c",
            "-o",
            "ControlMaster=auto",
            "-o",
            "ControlPersist=60",
        ]
        ways[NEW] = lambda: session.run(session.ssh(sbatch))[0]
        ways[SHARED] = lambda: session.run(session.ssh(sbatch, *master))[0]
        try:
            found = interleave(ways, session.rounds(ROUNDS), warm_up=2)
        finally:
            session.end_master(f"{folder}/c")
        if "slurm-sdk" in drivers:
            session.facts["round_trips"] = drivers["slurm-sdk"].ask("round_trips")
        _note(session, found, reasons)


def _note(session: Session, found: dict[str, tuple[float, ...]], reasons: dict[str, str]) -> None:
    series: dict[str, Series] = {
        name: session.record(f"submit one job: {name}", "ms", [1000 * value for value in values])
        for name, values in found.items()
    }
    what = f"submit one job, {OURS}"
    ours = series[OURS].median
    session.note(
        Line(what, "ms", ours, BARE, series[BARE].median, Bar(BAR, of_ratio=True)),
        *(Line(what, "ms", ours, name, series[name].median) for name in (SHARED, NEW)),
    )
    for peer in ("paramiko", "slurm-sdk"):
        name = PEERS[peer]
        other = series[name].median if name in series else None
        session.note(Line(what, "ms", ours, name, other, note=reasons.get(peer, "")))
    login = f"submit one job, {ON_LOGIN}"
    mine, name = series[ON_LOGIN].median, PEERS["submitit"]
    other = series[name].median if name in series else None
    session.note(
        Line(login, "ms", mine, BARE, series[BARE].median),
        Line(login, "ms", mine, name, other, note=reasons.get("submitit", "")),
    )
