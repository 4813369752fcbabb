"""How many one-process-per-task jobs the local backend runs per second on two cores.

Beside it, in the same run: the same interpreter started as often by bare ``subprocess``, two at a time,
for the same work. What is compared is therefore the cost of being a job: a directory with its files,
a submission, a supervisor, bash, the runner, a result, and the client that waits for it.

Exits with 1 when the bar is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from slurm import Cluster, gather, task
from slurm.api.local import LocalBackend

BAR = 15.0  # tasks per second; DESIGN: "local backend, one process per task, on 2 cores"
CORES = 2


@task(time="00:05:00", mem="100M")
def add(left: int, right: int) -> int:
    """The work: next to none."""
    return left + right


def jobs_per_second(base: Path, count: int) -> float:
    """Submit `count` jobs one by one and wait for all results."""
    with Cluster("local", job_base_dir=base, max_cpus=CORES) as cluster:
        start = time.perf_counter()
        results = gather(*[add(number, 1) for number in range(count)])
        took = time.perf_counter() - start
    cluster.close()
    if list(results) != [number + 1 for number in range(count)]:
        raise SystemExit("the jobs gave wrong results")
    return count / took


def processes_per_second(count: int) -> float:
    """Run as many bare processes, as many at once as there are cores."""

    def run(number: int) -> int:
        command = [sys.executable, "-c", f"print({number} + 1)"]
        return int(subprocess.run(command, capture_output=True, check=True).stdout)

    start = time.perf_counter()
    with ThreadPoolExecutor(CORES) as pool:
        list(pool.map(run, range(count)))
    return count / (time.perf_counter() - start)


def use_two_cores() -> bool:
    """Keep this process and all it starts to two cores, where the system can do that."""
    if not hasattr(os, "sched_setaffinity"):
        return False
    mine = sorted(os.sched_getaffinity(0))[:CORES]
    os.sched_setaffinity(0, mine)
    return len(mine) == CORES


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tasks", type=int, default=60, help="tasks per round")
    parser.add_argument("--rounds", type=int, default=3, help="rounds; the median counts")
    parser.add_argument("--json", action="store_true", help="print JSON in place of a table line")
    args = parser.parse_args()
    pinned = use_two_cores()
    jobs, bare = [], []
    with tempfile.TemporaryDirectory(prefix="slurm-bench-") as folder:
        base = Path(folder) / "jobs"
        try:
            jobs_per_second(base, 4)  # starts the daemon and installs the SDK's archive
            for _ in range(args.rounds):
                bare.append(processes_per_second(args.tasks))
                jobs.append(jobs_per_second(base, args.tasks))
        finally:
            LocalBackend(state_dir=str(base / ".local")).shutdown(kill_jobs=True)
    found, reference = statistics.median(jobs), statistics.median(bare)
    answer = {
        "benchmark": "local_throughput",
        "tasks_per_second": round(found, 1),
        "bare_processes_per_second": round(reference, 1),
        "ratio": round(reference / found, 2),
        "bar": BAR,
        "ok": found >= BAR,
        "two_cores": pinned,
    }
    if args.json:
        print(json.dumps(answer))
    else:
        print(
            f"| local backend, one process per task | {found:.1f} tasks/s | "
            f"bare subprocess {reference:.1f}/s | {reference / found:.2f}x | "
            f">= {BAR:.0f} tasks/s | {'ok' if answer['ok'] else 'MISSED'} |"
        )
    return 0 if answer["ok"] else 1


if __name__ == "__main__":
    sys.exit(main())
