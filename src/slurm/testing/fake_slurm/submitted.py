"""A job as its options describe it."""

from __future__ import annotations

import os
import re
from typing import Any

from .dependencies import check
from .options import Refused
from .store import State
from .values import megabytes, minutes_of, numbers_of, time_of

FAILED = "Batch job submission failed: "
UNAVAILABLE = FAILED + "Requested node configuration is not available"
COUNTS = ("cpus-per-task", "ntasks", "ntasks-per-node", "ntasks-per-socket")


def refused(*lines: str, status: int = 1) -> Refused:
    """sbatch's words where it submits nothing."""
    return Refused("".join(f"sbatch: error: {line}\n" for line in lines), status)


def fields_of(state: State, options: dict[str, str], now: float) -> dict[str, Any]:
    """What the options say of a job. Raises `Refused` for what sbatch or the controller would not take."""
    for name in COUNTS:
        if not options.get(name, "1").isdigit():
            raise refused(f'Invalid numeric value "{options[name]}" for --{name}.')
    limit, memory = _limit(options), _memory(options)
    begin = _begin(options, now)
    partition = _partition(state, options.get("partition"))
    tasks = int(options.get("ntasks") or 1)
    nodes = int(options.get("nodes", "1").partition("-")[0] or 1)
    each = int(options.get("cpus-per-task") or 1)
    _check_room(state, partition, nodes=nodes, cpus=each, memory=memory)
    depends = options.get("dependency", "")
    if depends:
        try:
            check(state["jobs"], depends)
        except ValueError:
            raise refused(FAILED + "Job dependency problem") from None
    return {
        "name": options.get("job-name", ""),
        "partition": partition["name"],
        "limit": limit,
        "begin": begin,
        "held": "hold" in options,
        "depends": depends,
        "dependency": depends,
        "kill_invalid": options.get("kill-on-invalid-dep") == "yes",
        "requeue": "no-requeue" not in options,
        "comment": options.get("comment", ""),
        "cpus": max(tasks, nodes) * each,
        "nodes": nodes,
        "memory": memory,
        "gres": _gres(options),
        "account": options.get("account", ""),
        "qos": options.get("qos", "normal"),
        "workdir": os.path.abspath(options.get("chdir", ".")),
        "stdout": options.get("output", ""),
        "stderr": options.get("error", ""),
        "options": options,
    }


def indexes_of(state: State, text: str) -> tuple[list[int], int | None]:
    """The tasks that ``--array`` names, and how many of them may run at once. Raises `Refused`."""
    words, percent, throttle = text.partition("%")
    try:
        found = numbers_of(words)
        if percent and not throttle.isdigit():
            raise ValueError(text)
    except ValueError:
        raise refused(FAILED + "Invalid job array specification") from None
    if found[-1] >= int(state["config"]["MaxArraySize"]):
        raise refused(FAILED + "Invalid job array specification")
    return found, int(throttle) if percent and int(throttle) else None


def _limit(options: dict[str, str]) -> int:
    try:
        return minutes_of(options.get("time", "60"))
    except ValueError:
        raise refused("Invalid --time specification", status=255) from None


def _memory(options: dict[str, str]) -> int:
    name = "mem" if "mem" in options else "mem-per-cpu"
    try:
        return megabytes(options.get(name, "64"))
    except ValueError:
        raise refused(f"Invalid --{name} specification", status=255) from None


def _begin(options: dict[str, str], now: float) -> float | None:
    if "begin" not in options:
        return None
    try:
        return time_of(options["begin"], now)
    except ValueError:
        said = f"Invalid time specification (pos=0): {options['begin']}\n"
        raise Refused(said + "sbatch: error: Invalid --begin specification\n", 255) from None


def _partition(state: State, name: str | None) -> dict[str, Any]:
    partitions: list[dict[str, Any]] = state["partitions"]
    for partition in partitions:
        if partition["name"] == name or (name is None and partition["default"]):
            return partition
    raise refused(
        f"invalid partition specified: {name}", FAILED + "Invalid partition name specified"
    )


def _check_room(
    state: State, partition: dict[str, Any], *, nodes: int, cpus: int, memory: int
) -> None:
    mine = [node for node in state["nodes"] if node["name"] in partition["nodes"]]
    if cpus > max(node["cpus"] for node in mine):
        raise refused("CPU count per node can not be satisfied", UNAVAILABLE)
    if memory > max(node["memory"] for node in mine):
        raise refused("Memory specification can not be satisfied", UNAVAILABLE)
    if nodes > len(mine):
        raise refused(UNAVAILABLE)


def _gres(options: dict[str, str]) -> str:
    if "gres" in options:
        if not options["gres"].startswith("gpu"):
            raise refused("Invalid generic resource (gres) specification")
        return options["gres"]
    return f"gpu:{options['gpus']}" if "gpus" in options else ""


def output_path(job: dict[str, Any], pattern: str) -> str:
    """The file that a job's output goes to.

    >>> job = dict(id=9, array=8, task=3, name="a", user="me", node="c1", workdir="/w")
    >>> output_path(job, ""), output_path(job, "%x-%A_%4a.%j"), output_path(job, "/tmp/%u%%")
    ('/w/slurm-8_3.out', '/w/a-8_0003.9', '/tmp/me%')
    """
    usual = "slurm-%j.out" if job["array"] is None else "slurm-%A_%a.out"
    words = {
        "j": job["id"],
        "J": job["id"],
        "A": job["array"] or job["id"],
        "a": 4294967294 if job["task"] is None else job["task"],
        "x": job["name"],
        "u": job["user"],
        "N": job["node"],
        "n": 0,
        "t": 0,
        "s": "batch",
    }

    def word(match: re.Match[str]) -> str:
        width, letter = match.groups()
        return "%" if letter == "%" else str(words[letter]).zfill(int(width or 0))

    name = re.sub(r"%(\d*)([jJAaxuNnts%])", word, pattern or usual)
    return os.path.join(job["workdir"], name)
