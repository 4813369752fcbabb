"""A client that sends and fetches much, whose connection is cut in the middle of both: a process by itself.

``python large_client.py SLURMFILE MEGABYTES`` prints what it saw, as JSON.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import signal
import sys
from pathlib import Path
from typing import Any

from large_tasks import MB, Peak, block, made, memory, most_memory, received
from slurm import BaseCallback, Cluster
from slurm.callbacks import TransferContext
from slurm.callbacks.contexts import utc_now

TIMEOUT = 300.0


class Cut(BaseCallback):
    """Kills the connection once in each direction, and asks for something else while the rest comes."""

    def __init__(self) -> None:
        self.cluster: Cluster | None = None
        self.seen: dict[str, Any] = {}

    def on_transfer_ctx(self, ctx: TransferContext) -> None:
        assert self.cluster is not None
        one = self.seen.setdefault(ctx.direction, {"cuts": [], "answered_at": None})
        if ctx.done >= ctx.total // 4 and not ctx.finished and not one["cuts"]:
            one["cuts"] = [kill(pid) for pid in connections()]
            # Which waits for nobody but the agent.
            self.cluster.backend.file_exists(self.cluster.job_base_dir)
            one["answered_at"] = utc_now().isoformat()
        one.update(done=ctx.done, total=ctx.total, ended_at=ctx.timestamp.isoformat())


def connections() -> list[int]:
    """The ssh processes that this one has started."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            name, _, fields = (folder / "stat").read_text().rpartition(")")
        except (FileNotFoundError, ProcessLookupError):
            continue
        state, parent = fields.split()[:2]
        if name.endswith("(ssh") and parent == str(os.getpid()) and state != "Z":
            found.append(int(folder.name))
    return found


def kill(pid: int) -> int:
    os.kill(pid, signal.SIGKILL)
    return pid


def forget_the_peak() -> int:
    """From here on the most memory is counted anew; returns what there is now."""
    Path("/proc/self/clear_refs").write_text("5")
    return memory()


def main(slurmfile: str, megabytes: int) -> None:
    cut = Cut()
    with Cluster.from_env(slurmfile, callbacks=[Peak(), cut]) as cluster:
        cut.cluster = cluster
        received(bytearray(1)).get_result(TIMEOUT)  # everything is imported and connected
        data = block(megabytes, seed=secrets.randbits(32))  # which nobody has sent before
        before = forget_the_peak()
        sent = received(data)
        told = {"sent": sent.get_result(TIMEOUT) == hashlib.sha256(data).hexdigest()}
        above = {"sending": most_memory() - before}
        del data
        fetched = made(megabytes, 2)
        fetched.wait(TIMEOUT)
        before = forget_the_peak()
        value = fetched.get_result(TIMEOUT)
        above["fetching"] = most_memory() - before - megabytes * MB
        told["fetched"] = value == block(megabytes, seed=2)
        for name, job in (("receiving", sent), ("making", fetched)):
            above[name] = int(job.get_stdout().rpartition("peak ")[2]) - megabytes * MB
        cluster.drain_callbacks(TIMEOUT)
    cluster.close()
    print(json.dumps({"arrived": told, "above": above, "transfers": cut.seen}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
