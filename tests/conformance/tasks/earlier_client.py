"""A client that submits and is killed: ``earlier_client.py <how to connect, as JSON> <gate>``.

A script, whose own tasks and classes travel with it.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from dataclasses import dataclass
from typing import Any

from slurm import Cluster, task


@dataclass(frozen=True)
class Point:
    x: int


@task
def move(point: Point, by: int) -> Point:
    return Point(point.x + by)


@task
def x_of(point: Point) -> int:
    return point.x


@task
def refuse(reason: str) -> None:
    raise ValueError(reason)


@task
def wait_for(gate: str) -> str:
    deadline = time.monotonic() + 600
    while not os.path.exists(gate):
        if time.monotonic() > deadline:
            raise TimeoutError(gate)
        time.sleep(0.02)
    return "waited"


def connect(backend: str, arguments: dict[str, Any], slurmfile: str) -> Cluster:
    if slurmfile:
        return Cluster.from_env(slurmfile, env="default", overrides=arguments)
    return Cluster(backend, **arguments)


def main() -> None:
    with connect(**json.loads(sys.argv[1])):
        moved = move(Point(1), by=2)
        jobs: dict[str, Any] = {
            "finished": x_of(moved),
            "failed": refuse("not today"),
            "running": wait_for(sys.argv[2]),
        }
        assert moved.get_result(240) == Point(3)
        print(json.dumps({name: [job.id, job.job_dir] for name, job in jobs.items()}), flush=True)
        os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    main()
