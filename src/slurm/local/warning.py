"""The signal before the time limit: when it is due, and to whom it goes.

A job whose limit is shorter than the time it wants to be warned before is due from its start on, and
then a signal would kill a process that has not installed its handler yet. Starting the job with the
signal ignored or blocked would save it, but lose the warning: neither bash nor Python undoes what it
inherits by itself, and bash cannot even be told to. So the supervisor looks which process has a
handler, and warns it as soon as it has one; who installs none is not warned early.
Where nobody can say who has one (macOS), half of the limit is left for that.
"""

from __future__ import annotations

import contextlib
import os

from slurm.local.ps import catches, descendants
from slurm.sbatch.values import WarningSignal

FIRST_LOOK = 0.02  # seconds; every next one comes half as much later
LONGEST_LOOK = 1.0


class Warner:
    """Warns the job whose batch process is `job`; times are those of ``time.monotonic()``.

    `due` is when to call `warn` next, None when there is no more to do.
    """

    def __init__(self, warning: WarningSignal, time_limit: int, start: float) -> None:
        self._warning = warning
        self._early = time_limit <= warning.seconds
        self._pause = FIRST_LOOK
        self._blind = start + time_limit / 2
        moment = start + (FIRST_LOOK if self._early else time_limit - warning.seconds)
        self.due: float | None = moment

    def warn(self, job: int, now: float) -> None:
        """Send the signal to whom it is for, or find that it is too early."""
        targets = [job] if self._warning.batch else [one.pid for one in descendants(job)]
        if self._early:
            targets = [pid for pid in targets if self._may_have(pid, now)]
            if not targets:
                self._pause = min(self._pause * 1.5, LONGEST_LOOK)
                self.due = now + self._pause
                return
        self.due = None
        for pid in targets:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, self._warning.number)

    def _may_have(self, pid: int, now: float) -> bool:
        caught = catches(pid, self._warning.number)
        return now >= self._blind if caught is None else caught
