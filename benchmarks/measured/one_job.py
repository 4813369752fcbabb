"""One job, submitted: over ssh with all its files, beside everything else that submits one.

The partition is down meanwhile, so that jobs are queued and none runs. All but the peers submit the very
script that this SDK makes; the bare ways find it on the cluster already.
"""

from __future__ import annotations

import shlex
import tempfile
from collections.abc import Callable
from functools import partial
from typing import Any

from benchmarks.measure import Bar, Line, Series, beside, interleave
from benchmarks.session import SCRIPT, Session, try_to_start

ROUNDS = 25
BAR = 1.6
OURS, BARE = "this SDK over ssh", "sbatch on the login node"
ON_LOGIN = "this SDK on the login node"
NEW, SHARED = "ssh, a connection per call", "ssh, a process per call (ControlMaster)"
PARAMIKO = "paramiko, exec_command"
SUBMITIT = "submitit on the login node, without its pause"
RELEASED = "slurm-sdk 0.4.6 over ssh"


def run(session: Session) -> None:
    """Submit one job in every way, in turn."""
    with session.queue_only(), tempfile.TemporaryDirectory(prefix="slurm-bench-") as folder:
        ours, on_login, bare = session.ours(), session.ours_on_login(), session.bare()
        drivers, reasons = try_to_start(
            {
                PARAMIKO: session.paramiko,
                SUBMITIT: session.submitit,
                RELEASED: session.released_sdk,
            }
        )
        script = {"script": SCRIPT, "comment": session.comment}
        arguments: dict[str, dict[str, Any]] = {PARAMIKO: script, SUBMITIT: {"pause": False}}
        ways: dict[str, Callable[[], float]] = {
            BARE: partial(bare.seconds, "submit", **script),
            OURS: partial(ours.seconds, "submit"),
            ON_LOGIN: partial(on_login.seconds, "submit"),
            **_ssh(session, folder),
        }
        for name, driver in drivers.items():
            ways[name] = partial(driver.seconds, "submit", **arguments.get(name, {}))
        rounds = session.rounds(ROUNDS)
        try:
            found = interleave(ways, rounds, warm_up=2, failures=reasons, peers=drivers)
        finally:
            session.login.end_master(_socket(folder))
        if RELEASED in found:
            session.facts["round_trips"] = drivers[RELEASED].ask("round_trips")
    _note(session, found, reasons)


def _ssh(session: Session, folder: str) -> dict[str, Callable[[], float]]:
    """The command as a shell script would send it, over a connection of its own or one that is open."""
    login = session.login
    sbatch = shlex.join(["sbatch", "--parsable", f"--comment={session.comment}", SCRIPT])
    master = [f"ControlPath={_socket(folder)}", "ControlMaster=auto", "ControlPersist=60"]
    options = [word for option in master for word in ("-o", option)]
    return {
        NEW: lambda: login.run(login.ssh(sbatch))[0],
        SHARED: lambda: login.run(login.ssh(sbatch, *options))[0],
    }


def _socket(folder: str) -> str:
    return f"{folder}/master"


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
    for name in (PARAMIKO, RELEASED):
        session.note(beside(what, OURS, name, series, reasons))
    login = f"submit one job, {ON_LOGIN}"
    session.note(
        beside(login, ON_LOGIN, BARE, series, reasons),
        beside(login, ON_LOGIN, SUBMITIT, series, reasons),
    )
