"""The CPU time of other processes, as Linux tells it."""

from __future__ import annotations

import os
from pathlib import Path


def cpu_of(words: str = "", parent: int | None = None) -> float:
    """The CPU seconds, so far, of all processes whose command line holds `words`, and that `parent` started."""
    ticks = 0
    for process in Path("/proc").iterdir():
        try:
            command = (process / "cmdline").read_bytes()
            fields = (process / "stat").read_text("utf-8").rpartition(")")[2].split()
        except OSError:  # not a process, or one that has ended
            continue
        asked = process.name == str(os.getpid())  # its own command line may hold the words
        if words.encode() in command and parent in (None, int(fields[1])) and not asked:
            ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")
