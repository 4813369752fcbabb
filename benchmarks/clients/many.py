"""One client with many items, or with many jobs, of a scheduler in memory: what each step costs it. For one size each."""

from __future__ import annotations

import os
import pickle
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from benchmarks.clients.in_memory import RESULT, InMemory
from benchmarks.clients.line_server import serve
from benchmarks.tasks import add
from slurm import ArrayJob, Cluster, Job, as_completed, gather
from slurm.api.requests import Submitted
from slurm.states import JobState

R = TypeVar("R")

LOOKS = 5


class Client:
    """A cluster in memory whose scheduler is asked when this program says so."""

    def __init__(self) -> None:
        self.backend = InMemory()
        # Nobody asks by itself meanwhile.
        self.cluster = Cluster(
            self.backend, job_base_dir="/jobs", poll_interval_min=3600, poll_interval_max=3600
        )
        with self.cluster:
            add(1, 1)  # what is loaded and done once is done
        self._idle = memory()["VmRSS"]

    def array(self, count: int) -> dict[str, float]:
        """CPU seconds of each step with one array of so many items, each a job, and what it takes otherwise."""
        items = ((number, 1) for number in range(count))
        with self.cluster:
            submit, array = cpu_of(lambda: add.map(items).submit())
        held = self._held()
        self._look_first(array[0])
        token = self.backend.requests[0].token
        looks, _ = cpu_of(lambda: self._look(array[0]))

        def ends() -> None:
            self.backend.end(f"{token}_{number}" for number in range(count))
            array.wait()

        hear, _ = cpu_of(ends)
        give, given = cpu_of(lambda: sum(1 for _ in as_completed(array)))
        read, results = cpu_of(array.get_results)
        if given != count or results != [RESULT] * count:
            raise ValueError("the results are wrong")
        found = {"submit": submit, "look": looks / LOOKS, "hear": hear, "give": give, "read": read}
        return {**found, **held, "most_memory": self._above_idle("VmHWM")}

    def jobs(self, count: int) -> dict[str, float]:
        """The same with as many jobs by themselves, once they are submitted."""
        watch, jobs = cpu_of(lambda: list(self._watched(count)))
        held = self._held()
        self._look_first(jobs[0])
        looks, _ = cpu_of(lambda: self._look(jobs[0]))

        def hear() -> None:
            self.backend.end(str(number) for number in range(count))
            for job in jobs:
                job.wait()

        heard, _ = cpu_of(hear)
        give, given = cpu_of(lambda: sum(1 for _ in as_completed(jobs)))
        read, results = cpu_of(lambda: gather(*jobs))
        if given != count or results != [RESULT] * count:
            raise ValueError("the results are wrong")
        found = {"watch": watch, "look": looks / LOOKS, "hear": heard, "give": give, "read": read}
        return {**found, **held, "most_memory": self._above_idle("VmHWM")}

    def results(self, count: int, size: int) -> dict[str, float]:
        """CPU seconds for the results of an array that one job has run: all together, and one by one in either order."""
        ways: dict[str, Callable[[ArrayJob[Any]], list[Any]]] = {
            "read": lambda array: array.get_results(),
            "upwards": lambda array: [job.get_result() for job in array],
            "downwards": lambda array: [array[n].get_result() for n in range(len(array))[::-1]],
        }
        return {name: self._read(way, count, size) for name, way in ways.items()}

    def _read(self, way: Callable[[ArrayJob[Any]], list[Any]], count: int, size: int) -> float:
        self.backend.state = JobState.RUNNING
        with self.cluster:
            array = add.map([(number, 1) for number in range(count)], pack=count).submit()
        value = bytes(size)
        path = f"{array.job_dir}/records/{array.id}_0.1"
        self.backend.leave(path, pickle.dumps(value), range(count))
        self.backend.state = JobState.COMPLETED
        self._look_first(array[0])
        took, results = cpu_of(lambda: way(array))
        if results != [value] * count:
            raise ValueError("the results are wrong")
        return took

    def _watched(self, count: int) -> Iterator[Job[int]]:
        """Jobs as they are when the scheduler has taken them: packaging and sending is another benchmark's."""
        submitter = self.cluster.submitter
        for number in range(count):
            answer = Submitted(str(10 + number), f"/jobs/add/20260101_000000_{number:08x}")
            record = submitter.record(task_name="add", token=str(number), submission=answer)
            job: Job[int] = submitter.job_of(record)
            self.cluster.operations.watch(job.records)
            yield job

    def _look(self, job: Job[int]) -> None:
        """Have the scheduler asked about all jobs, who says again what it said before."""
        for _ in range(LOOKS):
            job.get_status()

    def _look_first(self, job: Job[int]) -> None:
        self.cluster.operations.tracker.interval_min = 0.0  # from now on, what it said last is old
        job.get_status()

    def _held(self) -> dict[str, float]:
        """What the client holds while all of it is live: memory in MB, threads, file descriptors."""
        descriptors = len(os.listdir("/proc/self/fd"))
        return {
            "memory": self._above_idle("VmRSS"),
            "threads": memory()["Threads"],
            "descriptors": descriptors,
        }

    def _above_idle(self, which: str) -> float:
        return (memory()[which] - self._idle) * 1024 / 1e6


def memory() -> dict[str, int]:
    """What Linux says of this process, in kB, and how many threads it has."""
    status = Path("/proc/self/status").read_text("utf-8")
    return {
        name: int(re.findall(rf"^{name}:\s+(\d+)", status, re.MULTILINE)[0])
        for name in ("VmRSS", "VmHWM", "Threads")
    }


def cpu_of(run: Callable[[], R]) -> tuple[float, R]:
    """The CPU seconds of all threads meanwhile, and what `run` returns."""
    start = time.process_time()
    result = run()
    return time.process_time() - start, result


def main() -> None:
    """Serve one client."""
    client = Client()
    serve({one.__name__: one for one in (client.array, client.jobs, client.results)})
    client.cluster.close()


if __name__ == "__main__":
    main()
