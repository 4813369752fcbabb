"""When a running job reaches its time limit, in Unix seconds; infinite where there is none."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping

# What Slurm adds to the start of a job without a limit, to have an end to tell.
UNLIMITED = 365 * 24 * 3600.0
NEVER = float("inf")
AGREES = 2.0  # seconds
SERVER_TIME = re.compile(r"^sdiag output at .*\((\d+)\)$", re.MULTILINE)


def end_time_of(environ: Mapping[str, str]) -> float | None:
    """The end of the job that runs in `environ`; None where Slurm does not say, as 22.05."""
    try:
        start, end = (float(environ[f"SLURM_JOB_{name}_TIME"]) for name in ("START", "END"))
    except (KeyError, ValueError):
        return None
    return NEVER if end - start == UNLIMITED else end


def ask_end_time(job_id: str) -> float:
    """The end of a job as the scheduler has it now; infinite also where it does not answer."""
    # "NONE" without a limit, nothing for a job it does not know
    answer = _output_of("squeue", "-h", "-j", job_id, "-o", "%e").strip()
    return float(answer) if answer.isdigit() else NEVER


def ask_time_left(job_id: str) -> float:
    """Seconds to the end of a job by the controller's own clock; infinite where it does not answer.

    A node whose clock is minutes ahead would see the end too soon. Of all that Slurm's commands print
    only ``sdiag`` tells the controller's time: those that count a job's time use the clock of where
    they run. It tells whole seconds: a node whose clock agrees has the fractions. Where nobody may ask,
    this node's clock has to do.
    """
    end = ask_end_time(job_id)
    if end == NEVER:
        return NEVER
    told = SERVER_TIME.search(_output_of("sdiag"))
    now = time.time()
    if told and abs(float(told.group(1)) + 0.5 - now) > AGREES:
        now = float(told.group(1)) + 1.0
    return end - now


def _output_of(*argv: str) -> str:
    """What a command of Slurm prints; nothing where it cannot."""
    from slurm.agent.commands import Commands
    from slurm.agent.errors import AgentError

    try:
        return Commands().run(list(argv))[1]
    except AgentError:
        return ""
