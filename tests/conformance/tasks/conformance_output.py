"""Tasks that print, and say into which files that went."""

from __future__ import annotations

import os
import signal
import sys

from slurm import task


@task
def say(word: str) -> tuple[str, str]:
    print(word)
    print(word.upper(), file=sys.stderr)
    return os.readlink("/proc/self/fd/1"), os.readlink("/proc/self/fd/2")


@task
def die(word: str) -> None:
    print(word, file=sys.stderr, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
