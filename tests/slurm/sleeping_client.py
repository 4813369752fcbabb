"""A program that is put to sleep between its submissions and its results: ``SLURMFILE FOLDER``.

It says what it knows in lines of JSON, and waits for jobs at the gates ``evening`` and ``morning``.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import fault_tasks
from slurm import Cluster, Job

TIMEOUT = 240.0


def say(**news: Any) -> None:
    print(json.dumps(news), flush=True)


def outcome(job: Job[int]) -> Any:
    error = job.exception(TIMEOUT)
    return repr(error) if error else job.get_result()


if __name__ == "__main__":
    slurmfile, folder = sys.argv[1:]
    with Cluster.from_env(slurmfile, env="default") as cluster:
        evening = fault_tasks.keep(f"{folder}/evening", 1)
        even, odd = fault_tasks.refuse.map([(f"{folder}/evening", 2), (f"{folder}/evening", 3)])
        after = fault_tasks.double(evening)
        morning = fault_tasks.keep(f"{folder}/morning", 4)
        _, agent = cluster.backend.run_program(["sh", "-c", "echo $PPID"], timeout=TIMEOUT)
        jobs = [evening, even, odd, after, morning]
        say(agent=int(agent), tokens=[job.records[0].token.partition("_")[0] for job in jobs])
        say(ended=[outcome(job) for job in (evening, even, odd, after)], waits=not morning.done())
        say(new=fault_tasks.double(5).get_result(TIMEOUT), late=outcome(morning))
