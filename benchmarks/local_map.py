"""How long it takes to submit a thousand items as one array to the local backend.

Beside it, in the same run: the submission of one job. The array waits for a job that never starts, so
that nothing runs while it is measured.

Exits with 1 when the bar is missed.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

from _table import Line
from _tasks import add

from slurm import Cluster, Job
from slurm.api.local import LocalBackend

BAR = 500.0  # milliseconds
ITEMS = 1000


def milliseconds(start: float) -> float:
    """Since `start`."""
    return (time.perf_counter() - start) * 1000


def measure(blocked: Job[int]) -> tuple[float, float]:
    """One job's submission and an array's, in milliseconds."""
    waiting = add.after(blocked)
    start = time.perf_counter()
    job = waiting(0, 1)
    one = milliseconds(start)
    start = time.perf_counter()
    array = waiting.map([(number, 1) for number in range(ITEMS)])
    last = array[ITEMS - 1].id
    many = milliseconds(start)
    array.cancel()
    job.cancel()
    if not last.endswith(f"_{ITEMS - 1}"):
        raise SystemExit(f"{last} is not the last element of one array")
    return one, many


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5, help="rounds, of which the median counts")
    parser.add_argument("--json", action="store_true", help="print JSON in place of a table line")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="slurm-bench-") as folder:
        base = Path(folder) / "jobs"
        try:
            with Cluster("local", job_base_dir=base) as cluster:
                first = add(0, 1)
                first.wait()
                blocked = add.afternotok(first)(0, 1)
                found = [measure(blocked) for _ in range(args.rounds)]
                blocked.cancel()
            cluster.close()
        finally:
            LocalBackend(state_dir=str(base / ".local")).shutdown(kill_jobs=True)
    one, many = (statistics.median(times) for times in zip(*found))
    line = Line(f"local backend, submit {ITEMS} items", "ms", many, one, BAR, more_is_better=False)
    line.show(as_json=args.json)
    return 0 if line.ok else 1


if __name__ == "__main__":
    sys.exit(main())
