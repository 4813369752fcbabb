"""When a running job reaches its time limit, in Unix seconds; infinite where there is none."""

from __future__ import annotations

from collections.abc import Mapping

# What Slurm adds to the start of a job without a limit, to have an end to tell.
UNLIMITED = 365 * 24 * 3600.0
NEVER = float("inf")


def end_time_of(environ: Mapping[str, str]) -> float | None:
    """The end of the job that runs in `environ`; None where Slurm does not say, as 22.05."""
    try:
        start, end = (float(environ[f"SLURM_JOB_{name}_TIME"]) for name in ("START", "END"))
    except (KeyError, ValueError):
        return None
    return NEVER if end - start == UNLIMITED else end


def ask_end_time(job_id: str) -> float:
    """The end of a job as the scheduler has it now; infinite also where it does not answer."""
    from slurm.api.agent import AgentError, SlurmCommands

    try:
        _, out, _ = SlurmCommands().run(["squeue", "-h", "-j", job_id, "-o", "%e"])
    except AgentError:
        return NEVER
    answer = out.strip()  # "NONE" without a limit, nothing for a job it does not know
    return float(answer) if answer.isdigit() else NEVER
