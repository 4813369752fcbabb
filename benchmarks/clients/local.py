"""The local backend as a client, and bare ``subprocess`` for the same work."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.clients.line_server import CORES, seconds_of, serve
from benchmarks.tasks import add
from slurm import Cluster, gather
from slurm.api.local import LocalBackend


class Client:
    """One local cluster on two cores, and the operations on it."""

    def __init__(self, base: Path) -> None:
        packaging = {"type": "none", "pythonpath": [str(Path(__file__).parents[2])]}
        self.cluster = Cluster("local", job_base_dir=base, packaging=packaging, max_cpus=CORES)

    def one_by_one(self, count: int) -> float:
        """Jobs per second, from the first submission to the last result."""
        return self._rate(count, lambda: gather(*[add(number, 1) for number in range(count)]))

    def as_array(self, count: int) -> float:
        """The same with one array."""
        items = [(number, 1) for number in range(count)]
        return self._rate(count, lambda: add.map(items).get_results())

    def small_calls(self, count: int) -> float:
        """Calls per second, with one job for each core."""
        items = [(number, 1) for number in range(count)]
        pack = -(-count // CORES)
        return self._rate(count, lambda: add.map(items, pack=pack).get_results())

    def bare(self, count: int) -> float:
        """The same with bare processes, as many at once as there are cores."""

        def run(number: int) -> int:
            command = [sys.executable, "-c", f"print({number} + 1)"]
            return int(subprocess.run(command, capture_output=True, check=True).stdout)

        with ThreadPoolExecutor(CORES) as pool:
            return self._rate(count, lambda: pool.map(run, range(count)))

    def submit_array(self, count: int) -> dict[str, float]:
        """Seconds to submit an array that waits for a job that never starts; and a job beside it."""
        with self.cluster:
            first = add(0, 1)
            first.wait()
            waiting = add.afternotok(first)
            jobs = []
            one = seconds_of(lambda: jobs.append(waiting(0, 1)))
            array = waiting.map([(number, 1) for number in range(count)])
            many = seconds_of(lambda: array[count - 1].id)
            array.cancel()
            jobs[0].cancel()
        return {"one": one, "many": many}

    def _rate(self, count: int, run: Callable[[], object]) -> float:
        with self.cluster:
            start = time.perf_counter()
            results = list(run())  # type: ignore[call-overload]
            took = time.perf_counter() - start
        if results != [number + 1 for number in range(count)]:
            raise ValueError("the jobs gave wrong results")
        return count / took


def main() -> None:
    """Serve a local cluster with its files in the folder that the argument names."""
    base = Path(sys.argv[1])
    client = Client(base)
    ours = (
        *(client.one_by_one, client.as_array, client.small_calls),
        *(client.bare, client.submit_array),
    )
    try:
        serve({one.__name__: one for one in ours})
    finally:
        client.cluster.close()
        LocalBackend(state_dir=str(base / ".local")).shutdown(kill_jobs=True)


if __name__ == "__main__":
    main()
