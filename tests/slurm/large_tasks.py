"""Tasks with large arguments and results, and how much memory their process had."""

from __future__ import annotations

import hashlib
from pathlib import Path

from slurm import BaseCallback, task
from slurm.callbacks import ExecutionLocus, RunEndContext

MB = 1 << 20


def block(megabytes: int, seed: int) -> bytearray:
    """Bytes that are not alike, and that can be made again anywhere."""
    made = bytearray(megabytes * MB)
    for number in range(megabytes):
        piece = hashlib.sha256(b"%d %d" % (seed, number)).digest()
        made[number * MB : (number + 1) * MB] = piece * (MB // len(piece))
    return made


def most_memory() -> int:
    """The most bytes of memory that this process has had."""
    return _status("VmHWM")


def memory() -> int:
    """The bytes of memory that this process has."""
    return _status("VmRSS")


def _status(name: str) -> int:
    text = Path("/proc/self/status").read_text()
    return int(text.partition(f"{name}:")[2].split()[0]) * 1024


class Peak(BaseCallback):
    """Has the job print how much memory it had in the end, when its result is written."""

    locus = ExecutionLocus.RUNNER

    def on_end_run_job_ctx(self, ctx: RunEndContext) -> None:
        print("peak", most_memory())


@task(mem="1000M")
def received(data: bytearray) -> str:
    """The checksum of what arrived."""
    return hashlib.sha256(data).hexdigest()


@task(mem="1000M")
def made(megabytes: int, seed: int) -> bytearray:
    """So many megabytes."""
    return block(megabytes, seed)
