"""The folder that the commands share with the test: the state of the cluster, the calls so far, the faults to come."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

State = dict[str, Any]
Job = dict[str, Any]
OURS = ("SLURM_", "SBATCH_", "SQUEUE_", "SACCT_", "SCANCEL_", "SCONTROL_", "SINFO_")


class Call(NamedTuple):
    """One call of a command: its name, its arguments, the directory it was called in, and Slurm's variables around it."""

    command: str
    arguments: list[str]
    cwd: str
    variables: dict[str, str]


def empty_state() -> State:
    """A cluster like the dockerised one: two nodes in the partitions ``cpu`` and ``gpu``, and no jobs."""
    nodes = [{"name": name, "cpus": 8, "memory": 16000, "state": ""} for name in ("c1", "c2")]
    partition = {"nodes": ["c1", "c2"], "gres": "gpu:2", "limit": "infinite", "available": "up"}
    return {
        "cluster": "fake",
        "next_id": 1,
        "jobs": [],
        "faults": [],
        "plan": [],
        "runs": False,
        "accounting": True,
        "min_job_age": 300.0,
        "requeue_delay": 1.0,
        "kill_wait": 5.0,
        "nodes": nodes,
        "partitions": [
            {"name": "cpu", "default": True, **partition},
            {"name": "gpu", "default": False, **partition},
        ],
        "config": {"ClusterName": "fake", "MaxArraySize": "10001", "MinJobAge": "300 sec"},
    }


class Store:
    """The state, for one process at a time.

    Raises FileNotFoundError where the test that made it has ended.
    """

    def __init__(self, folder: str) -> None:
        self.folder: str = folder

    def path(self, *names: str) -> str:
        """A file of the folder."""
        return os.path.join(self.folder, *names)

    @contextmanager
    def opened(self) -> Iterator[State]:
        """The state, which is written down afterwards where it was changed and nothing was raised."""
        with self._locked():
            text = _read(self.path("state.json"))
            state: State = json.loads(text) if text else empty_state()
            yield state
            changed = json.dumps(state)
            if changed != text:
                _write(self.path("state.json"), changed)

    def note(self, call: Call) -> None:
        """Add a call to those so far."""
        with self._locked(), open(self.path("calls"), "a", encoding="utf-8") as calls:
            calls.write(json.dumps(call) + "\n")

    def calls(self) -> list[Call]:
        """The calls so far, in the order in which they began."""
        with self._locked():
            return [Call(*json.loads(line)) for line in _read(self.path("calls")).splitlines()]

    @contextmanager
    def _locked(self) -> Iterator[None]:
        # The folder is there as long as the test is: nobody makes it again.
        descriptor = os.open(self.folder, os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def slurms_variables() -> dict[str, str]:
    """What of the environment is addressed to Slurm's commands."""
    return {name: value for name, value in os.environ.items() if name.startswith(OURS)}


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except FileNotFoundError:
        return ""


def _write(path: str, text: str) -> None:
    # Arguments and comments may be no text: they are kept as JSON has them, which is ASCII.
    with open(f"{path}.new", "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(f"{path}.new", path)
