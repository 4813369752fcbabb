"""How many one-process-per-task jobs the local backend runs per second on two cores.

Once submitted one by one, once as an array. Beside them, in the same run: bare ``subprocess`` starts the
same interpreter as often, two at a time, for the same work. What is compared is the cost of being a job:
a directory with its files, a submission, a supervisor, bash, the runner, a result, and the client that
waits for it.

Exits with 1 when the bar is missed.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from _table import Line
from _tasks import add

from slurm import Cluster, gather
from slurm.api.local import LocalBackend

BAR = 15.0  # tasks per second
CORES = 2


def one_by_one(count: int) -> list[int]:
    """Submit `count` jobs, and wait for all results."""
    return list(gather(*[add(number, 1) for number in range(count)]))


def as_array(count: int) -> list[int]:
    """Submit an array of `count` jobs, and wait for all results."""
    return add.map([(number, 1) for number in range(count)]).get_results()


def jobs_per_second(base: Path, run: Callable[[int], list[int]], count: int) -> float:
    """How many of `count` jobs end in a second, as their client sees it."""
    tasks = {"type": "none", "pythonpath": [str(Path(__file__).parent)]}
    with Cluster("local", job_base_dir=base, packaging=tasks, max_cpus=CORES) as cluster:
        start = time.perf_counter()
        results = run(count)
        took = time.perf_counter() - start
    cluster.close()
    if results != [number + 1 for number in range(count)]:
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


def keep_to_two_cores() -> None:
    """Keep this process, and so all it starts, to two cores, where the system can do that."""
    if os.getloadavg()[0] > CORES:
        print(f"note: the machine is busy, its load is {os.getloadavg()[0]:.1f}", file=sys.stderr)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tasks", type=int, default=60, help="tasks in a round")
    parser.add_argument("--rounds", type=int, default=3, help="rounds, of which the median counts")
    parser.add_argument("--json", action="store_true", help="print JSON in place of a table line")
    args = parser.parse_args()
    keep_to_two_cores()
    ways = {"one by one": one_by_one, "as an array": as_array}
    found: dict[str, list[float]] = {way: [] for way in ways}
    bare = []
    with tempfile.TemporaryDirectory(prefix="slurm-bench-") as folder:
        base = Path(folder) / "jobs"
        try:
            jobs_per_second(base, one_by_one, 4)  # starts the scheduler, installs the SDK's archive
            for _ in range(args.rounds):
                bare.append(processes_per_second(args.tasks))
                for way, run in ways.items():
                    found[way].append(jobs_per_second(base, run, args.tasks))
        finally:
            LocalBackend(state_dir=str(base / ".local")).shutdown(kill_jobs=True)
    reference = statistics.median(bare)
    lines = [
        Line(
            f"local backend, one process per task, {way}",
            "tasks/s",
            statistics.median(found[way]),
            reference,
            BAR,
        )
        for way in ways
    ]
    for line in lines:
        line.show(as_json=args.json)
    return 0 if all(line.ok for line in lines) else 1


if __name__ == "__main__":
    sys.exit(main())
