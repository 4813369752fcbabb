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

WATCHED = ((json, "loads"), (os, "mkdir"), (os, "fsync"), (os, "replace"), (os, "rename"))


class Notes:
    """The file of events."""

    def __init__(self, path: str) -> None:
        self.file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def add(self, what: str, start: float) -> None:
        """Something that this thread did, and has done now."""
        line = f"{what} {threading.get_ident()} {start:.7f} {time.monotonic():.7f}\n"
        os.write(self.file, line.encode())

    def of_function(self, owner: Any, name: str) -> None:
        """Note each call of a function."""
        original = getattr(owner, name)

        @functools.wraps(original)
        def watched(*args: Any, **kwargs: Any) -> Any:
            start = time.monotonic()
            try:
                return original(*args, **kwargs)
            finally:
                self.add(name, start)

        setattr(owner, name, watched)

    def of_programs(self) -> None:
        """Note each program, from its start until its end was seen."""
        begin, started = subprocess.Popen.__init__, "probe_started"

        def begun(process: Any, argv: Any, *args: Any, **kwargs: Any) -> None:
            setattr(process, started, time.monotonic())
            begin(process, argv, *args, **kwargs)

        def seen(name: str) -> Any:
            original = getattr(subprocess.Popen, name)

            def watched(process: Any, *args: Any, **kwargs: Any) -> Any:
                result = original(process, *args, **kwargs)
                start = vars(process).pop(started, None)
                if start is not None:
                    self.add(process.args[0], start)
                return result

            return watched

        changed: Any = subprocess.Popen
        changed.__init__ = begun
        for name in ("communicate", "wait"):
            setattr(changed, name, seen(name))


if "PROBE_EVENTS" in os.environ:
    notes = Notes(os.environ["PROBE_EVENTS"])
    notes.of_programs()
    for module, function in WATCHED:
        notes.of_function(module, function)
