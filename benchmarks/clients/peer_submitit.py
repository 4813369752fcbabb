"""submitit: on the login node its Slurm executor, anywhere its local one."""

from __future__ import annotations

import sys
import time
from typing import Any

import submitit

from benchmarks.clients.line_server import seconds_of, serve


def add(left: int, right: int) -> int:
    """Next to no work."""
    return left + right


def executor(folder: str, cluster: str) -> Any:
    """An executor as its manual makes it."""
    made = submitit.AutoExecutor(folder=folder, cluster=cluster)
    if cluster == "slurm":
        made.update_parameters(timeout_min=5, mem_gb=0.1)
    return made


class Client:
    """The operations, on one executor."""

    def __init__(self, made: Any) -> None:
        self.made = made

    def submit(self, count: int = 1, pause: bool = True) -> float:
        """Seconds for `count` submissions; `pause`: with its own pause of 0.2 s between two."""
        inner = self.made._executor
        patient, inner._throttling = inner._throttling, inner._throttling if pause else 0.0
        try:
            return seconds_of(lambda: [self.made.submit(add, 1, 2) for _ in range(count)])
        finally:
            inner._throttling = patient

    def submit_array(self, count: int) -> float:
        """Seconds for one array."""
        numbers = list(range(count))
        self.made._executor._last_job_submitted = 0.0  # its pause is a matter of many submissions
        return seconds_of(lambda: self.made.map_array(add, numbers, numbers))

    def job_end(self) -> float:
        """Seconds from the end of a function until its result is here."""
        job = self.made.submit(time.time)
        ended = job.result()
        return time.time() - float(ended)

    def throughput(self, count: int, pause: bool = True) -> float:
        """Jobs a second, from the first submission to the last result."""
        inner = self.made._executor
        patient, inner._throttling = inner._throttling, inner._throttling if pause else 0.0
        try:
            took = seconds_of(self._all_of(count))
        finally:
            inner._throttling = patient
        return count / took

    def _all_of(self, count: int) -> Any:
        def run() -> None:
            jobs = [self.made.submit(add, number, 1) for number in range(count)]
            if [job.result() for job in jobs] != [number + 1 for number in range(count)]:
                raise ValueError("the jobs gave wrong results")

        return run


def main() -> None:
    """Serve an executor: its cluster (slurm or local), and the folder for its files."""
    cluster, folder = sys.argv[1:]
    client = Client(executor(folder, cluster))
    ours = (client.submit, client.submit_array, client.job_end, client.throughput)
    serve({one.__name__: one for one in ours})


if __name__ == "__main__":
    main()
