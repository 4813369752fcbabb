"""A result of 300 MB: how long it takes to get it, and the client's memory, beside the tools that copy files."""

from __future__ import annotations

import tempfile
from pathlib import Path

from benchmarks.measure import Bar, Line, interleave
from benchmarks.session import Session

SIZE = 300_000_000
BAR = 1.3  # times the time of `cat`
MEMORY_BAR = 32e6  # bytes above the result
ROUNDS = 3
OURS, CAT, SCP = "get_result()", "ssh cat into a file", "scp"


def run(session: Session) -> None:
    """Have one job leave it, and fetch it in every way, in turn."""
    size = SIZE // 10 if session.quick else SIZE
    made = session.ours().ask("make_noise", size=size, timeout=400)
    memory: list[float] = []
    idle: list[float] = []
    with tempfile.TemporaryDirectory(prefix="slurm-bench-") as folder:
        target = Path(folder) / "copy"

        def fetch() -> float:
            client = session.ours()
            client.ask("script")  # it is connected
            idle.append(client.ask("usage")["memory"])
            took = client.seconds("fetch", id=made["id"], size=size)
            memory.append(client.ask("usage")["most_memory"])
            client.close()
            return took

        def cat() -> float:
            return session.login.run(session.login.ssh(f"cat {made['path']}"), into=target)[0]

        def scp() -> float:
            source = f"{session.cluster.project}:{made['path']}"
            config = str(session.cluster.ssh_config)
            return session.login.run(["scp", "-q", "-F", config, source, str(target)])[0]

        found = interleave({OURS: fetch, CAT: cat, SCP: scp}, session.rounds(ROUNDS), warm_up=0)
    session.release()
    session.login.run(session.login.ssh(f"rm {made['path']}"))
    series = {
        name: session.record(f"result of {size // 10**6} MB: {name}", "s", values)
        for name, values in found.items()
    }
    peak = session.record(f"result of {size // 10**6} MB: most memory", "MB", memory)
    before = session.record("client connected: memory", "MB", idle)
    what, mine = f"result of {size // 10**6} MB", series[OURS].median
    session.note(
        Line(what, "s", mine, CAT, series[CAT].median, Bar(BAR, of_ratio=True)),
        Line(what, "s", mine, SCP, series[SCP].median),
        Line(
            f"{what}, client memory above idle",
            "MB",
            peak.median - before.median,
            "the result",
            size / 1e6,
            Bar((size + MEMORY_BAR) / 1e6),
        ),
    )
