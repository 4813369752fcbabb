"""Runs on the login node in place of the agent's Python: it is killed at one step of a submission.

``killed_at_step.py STEP -u -c CODE`` runs CODE. STEP is a file with the number of the step at which
this process gets SIGKILL; steps are the system calls of the threads that submit, which are those that
are not daemons, and the start and the answer of a program.
"""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import threading
from typing import Any

with open(sys.argv[1]) as file:
    number = int(file.read())
struck_note = os.path.join(os.path.dirname(sys.argv[1]), "struck")
taken = itertools.count()


def step(name: str, call: Any) -> Any:
    def counted(*args: Any, **kwargs: Any) -> Any:
        thread = threading.current_thread()
        submits = not thread.daemon and thread is not threading.main_thread()
        if submits and next(taken) == number:
            with open(struck_note, "w") as struck:
                struck.write(name)
            os.kill(os.getpid(), signal.SIGKILL)
        return call(*args, **kwargs)

    return counted


for name in ("open", "fsync", "replace", "link", "unlink", "mkdir", "fchmod", "rename"):
    setattr(os, name, step(name, getattr(os, name)))
for name in ("_execute_child", "communicate"):
    setattr(subprocess.Popen, name, step(name, getattr(subprocess.Popen, name)))
code = sys.argv[4]
sys.argv = ["-c"]
exec(compile(code, "<string>", "exec"), {"__name__": "__main__"})  # noqa: S102 - as python -c does
