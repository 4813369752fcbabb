"""The signal before a job's time limit, and how often the job may be requeued. Pure.

The client puts it into sbatch's options and into the job's environment, where the runner finds it.
"""

from __future__ import annotations

import signal
from collections.abc import Mapping
from typing import NamedTuple

# Seconds: the warning comes a quarter of the limit before it, and no earlier than this. Slurm looks at its
# jobs' limits every 30 s and warns early, never late. A --signal of the user's has a default of its own (`values`).
LONGEST_WARNING = 60
WARNING = "SLURM_SDK_WARNING"
REQUEUES = "SLURM_SDK_REQUEUE"


class SignalAndRequeue(NamedTuple):
    """How a job is warned, and how often it may ask to be requeued.

    `warning_seconds`: seconds before the time limit at which it gets SIGUSR1, None when it does not;
    `requeues`: how often at most, infinite for any number, 0 for a job that may not.
    """

    warning_seconds: float | None = None
    requeues: float = 0

    @classmethod
    def of_options(cls, options: Mapping[str, str | None]) -> SignalAndRequeue:
        """What sbatch's `options` say; ``requeue`` may have a number, which sbatch's has not.

        Where a time is left out the site has a limit of its own, that only it knows: a minute before that.

        >>> SignalAndRequeue.of_options({"time": "10", "requeue": "3"})
        SignalAndRequeue(warning_seconds=60, requeues=3.0)
        """
        from slurm.sbatch.options import parse_time_limit
        from slurm.sbatch.values import parse_signal  # which the runner does without

        may_requeue = options.get("requeue")
        requeues = 0 if may_requeue is None else float(may_requeue or "inf")
        if "signal" in options:
            if (signal_option := options["signal"]) is None:
                return cls(None, requeues)
            warning = parse_signal(signal_option)
            heard = warning.batch and warning.number == signal.SIGUSR1
            return cls(warning.seconds if heard else None, requeues)
        time_limit = options.get("time")
        if time_limit is None:
            return cls(LONGEST_WARNING, requeues)
        limit = parse_time_limit(time_limit)
        return cls(max(1, min(LONGEST_WARNING, limit // 4)) if limit else None, requeues)

    @classmethod
    def of_environment(cls, environ: Mapping[str, str]) -> SignalAndRequeue:
        """What the client wrote into the job's environment."""
        warning_seconds = environ.get(WARNING)
        return cls(
            None if warning_seconds is None else float(warning_seconds),
            float(environ.get(REQUEUES, 0)),
        )

    def options(self, given: Mapping[str, str | None]) -> dict[str, str | None]:
        """The options `given`, with what it takes to have the scheduler do that unless it is left out on purpose."""
        options = dict(given)
        if self.warning_seconds is not None:
            options.setdefault("signal", f"B:USR1@{self.warning_seconds:.0f}")
        if self.requeues:
            options["requeue"] = ""
            options.setdefault("open-mode", "append")  # what the attempts before have printed stays
        return options

    def environment(self) -> dict[str, str]:
        """What the runner reads back with `of_environment`."""
        exports = {}
        if self.warning_seconds is not None:
            exports[WARNING] = f"{self.warning_seconds:.0f}"
        if self.requeues:
            exports[REQUEUES] = f"{self.requeues:.0f}"
        return exports
