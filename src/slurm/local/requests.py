"""What a client asks for, checked and turned into a submission. Pure."""

from __future__ import annotations

import posixpath
import signal
from collections.abc import Mapping
from typing import Any, NamedTuple

from slurm.local.arrays import MAX_ARRAY_SIZE, Array, MalformedArray, parse_array
from slurm.local.jobs import JobSpec, Refused
from slurm.sbatch.options import InvalidOption, normalise, parse_time_limit
from slurm.sbatch.overlay import given as present
from slurm.sbatch.values import parse_memory, parse_signal

UNSUPPORTED = ("begin", "hold", "deadline", "export-file")
# A task's default asks for this much: where there is less, it stands for all there is.
MODEST = 1024  # megabytes


class Resources(NamedTuple):
    """Cpus and memory in megabytes: what the machine has for jobs, what is free, what one takes."""

    cpus: int
    mem: int

    def holds(self, other: Resources) -> bool:
        """Whether `other` fits in."""
        return other.cpus <= self.cpus and other.mem <= self.mem

    def without(self, other: Resources) -> Resources:
        """What is left beside `other`."""
        return Resources(self.cpus - other.cpus, self.mem - other.mem)


def cost_of(submission: JobSpec, machine: Resources) -> Resources:
    """What one job of a submission takes while it runs.

    One that is larger than the machine takes all of it. An orchestrator waits for others, so it takes
    nothing from them.
    """
    if submission.orchestrator:
        return Resources(0, 0)
    mem = machine.mem if submission.mem is None else min(submission.mem, machine.mem)
    return Resources(min(submission.cpus, machine.cpus), mem)


def read_submission(
    job_id: int, request: Mapping[str, Any], now: float, machine: Resources
) -> JobSpec:
    """The submission a client asks for, as the next `job_id`. Raises `Refused`."""
    given = {**request["options"], **request["submit_options"]}
    for name in UNSUPPORTED:
        if name in given:
            raise Refused(f"--{name}: the local scheduler cannot do this, leave the option out")
    wanted_array = given.pop("array", None)
    try:
        options = present(normalise(given))
        time_limit = parse_time_limit(options.get("time", "UNLIMITED"))
        array = _array(wanted_array, request)
    except (InvalidOption, MalformedArray) as error:
        raise Refused(str(error)) from None
    if array is not None:
        options["array"] = wanted_array
    _check_signal(options)
    tasks = int(options.get("ntasks", options.get("ntasks-per-node", "1")))
    cpus = tasks * int(options.get("cpus-per-task", "1"))
    return JobSpec(
        job_id=job_id,
        token=request["token"],
        name=options.get("job-name", posixpath.basename(request["script"])),
        script=request["script"],
        cwd=posixpath.join(request["cwd"], options.get("chdir", request["cwd"])),
        options=options,
        submitted=now,
        orchestrator=bool(request["orchestrator"]),
        cpus=cpus,
        mem=_memory(options, min(cpus, machine.cpus), machine.mem),
        time_limit=time_limit,
        array=array,
    )


def _array(text: str | None, request: Mapping[str, Any]) -> Array | None:
    if text is None:
        return None
    return parse_array(text, request.get("max_array_size") or MAX_ARRAY_SIZE)


def _check_signal(options: Mapping[str, str]) -> None:
    text = options.get("signal")
    if text is not None and parse_signal(text).number >= signal.NSIG:
        raise Refused(f"--signal={text}: this machine has no such signal")


def _memory(options: Mapping[str, str], cpus: int, most: int) -> int | None:
    """Megabytes for one job; as in Slurm, ``--mem=0`` asks for all there is."""
    for name, factor in (("mem", 1), ("mem-per-cpu", cpus)):
        if name not in options:
            continue
        wanted = parse_memory(options[name]) * factor
        if wanted > max(most, MODEST):
            raise Refused(
                f"--{name}={options[name]}: Requested node configuration is not available: {wanted} MB "
                f"are more than the {most} MB for jobs; ask for less, or raise max_mem of the backend"
            )
        return wanted or (None if name == "mem" else 0)
    return 0
