"""Notes when the agent reads a request, forces files to the disk and runs commands.

`profile_submission` has the agent's interpreter import this at its start, so that the agent itself is the
one that ships. A line of the file PROBE_EVENTS: what, thread, start and end on the clock that all processes
of the machine share.
"""

from __future__ import annotations

import functools
import json
import os
import subprocess
import threading
import time
from typing import Any

WATCHED = (
    (json, "loads"),
    (os, "mkdir"),
    (os, "fsync"),
    (os, "replace"),
    (os, "rename"),
    (subprocess, "run"),
)


def watch(owner: Any, name: str, events: int) -> None:
    """Have each call of a function noted."""
    original = getattr(owner, name)

    @functools.wraps(original)
    def watched(*args: Any, **kwargs: Any) -> Any:
        start = time.monotonic()
        try:
            return original(*args, **kwargs)
        finally:
            what = args[0][0] if owner is subprocess else name
            line = f"{what} {threading.get_ident()} {start:.7f} {time.monotonic():.7f}\n"
            os.write(events, line.encode())

    setattr(owner, name, watched)


if "PROBE_EVENTS" in os.environ:
    file = os.open(os.environ["PROBE_EVENTS"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for module, function in WATCHED:
        watch(module, function, file)
