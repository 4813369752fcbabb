"""This SDK as a client: over ssh from here, or on the login node itself."""

from __future__ import annotations

import re
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.clients.line_server import seconds_of, serve
from benchmarks.tasks import add, end_time, noise
from slurm import Cluster, Job


class Client:
    """One cluster, and the operations on it."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.live: list[Job[int]] = []

    def script(self) -> dict[str, str]:
        """The job script of one submission, and its comment: what bare sbatch gets as well."""
        with self.cluster:
            request = self.cluster.dry_run(add, 1, 2)
        return {
            "text": request.files[request.script].decode(),
            "comment": request.submit_options["comment"],
        }

    def submit(self, count: int = 1) -> float:
        """Seconds for `count` calls of a task, one after the other."""
        with self.cluster:
            return seconds_of(lambda: [add(1, 2) for _ in range(count)])

    def submit_and_tell(self) -> list[float]:
        """When a task was called, its request sent and answered, and the call back, on the shared clock."""
        sent_and_answered = []
        ask = self.cluster.backend.submit_jobs

        def timed(*args: Any, **kwargs: Any) -> Any:
            sent_and_answered.append(time.monotonic())
            answers = ask(*args, **kwargs)
            sent_and_answered.append(time.monotonic())
            return answers

        setattr(self.cluster.backend, "submit_jobs", timed)  # noqa: B010 - a method to type checkers
        try:
            with self.cluster:
                called = time.monotonic()
                add(1, 2)
                returned = time.monotonic()
        finally:
            delattr(self.cluster.backend, "submit_jobs")
        return [called, *sent_and_answered, returned]

    def submit_batch(self, count: int) -> float:
        """Seconds for as many in a ``with cluster.batch():`` block."""

        def batch() -> None:
            with self.cluster.batch():
                for _ in range(count):
                    add(1, 2)

        return seconds_of(batch)

    def submit_array(self, count: int, pack: int = 1) -> float:
        """Seconds until a mapped task is submitted."""
        with self.cluster:
            items = [(number, 1) for number in range(count)]
            return seconds_of(lambda: add.map(items, pack=pack)[count - 1].id)

    def map_results(self, count: int, pack: int) -> float:
        """Seconds until all results of a mapped task are here."""
        with self.cluster:
            items = [(number, 1) for number in range(count)]
            start = time.perf_counter()
            results = add.map(items, pack=pack).get_results()
            took = time.perf_counter() - start
        if results != [number + 1 for number in range(count)]:
            raise ValueError("the results are wrong")
        return took

    def job_end(self) -> float:
        """Seconds from the end of a task until its result is here."""
        with self.cluster:
            job = end_time()
        ended = job.get_result(timeout=120)
        return time.time() - ended

    def hold(self, count: int) -> int:
        """Have `count` live jobs in all."""
        while len(self.live) < count:
            with self.cluster.batch():
                self.live += [add(1, 2) for _ in range(count - len(self.live))]
        return len(self.live)

    def ask_status(self) -> float:
        """Seconds for the state of a live job, asked of Slurm in any case."""
        return seconds_of(lambda: self.cluster.backend.get_job_status(self.live[0].id))

    def make_noise(self, size: int) -> dict[str, str]:
        """Have a job leave a result of `size` bytes, and do not look at it."""
        with self.cluster:
            job = noise(size)
        if not job.wait(timeout=300):
            raise ValueError(f"job {job.id} did not succeed")
        return {"id": job.id, "path": job.directory.result}

    def fetch(self, id: str, size: int) -> float:
        """Seconds for the result of a finished job."""
        job = self.cluster.get_job(id)
        job.wait(timeout=60)
        start = time.perf_counter()
        result = job.get_result()
        took = time.perf_counter() - start
        if len(result) != size:
            raise ValueError("the result is not whole")
        return took

    def usage(self) -> dict[str, float]:
        """CPU seconds of this process so far; its memory now, and the most it had, in MB."""
        used = resource.getrusage(resource.RUSAGE_SELF)
        # Not ru_maxrss, which begins with what the process had that started this one.
        status = Path("/proc/self/status").read_text("utf-8")
        now, most = (
            int(re.findall(rf"^{name}:\s+(\d+) kB", status, re.MULTILINE)[0]) * 1024 / 1e6
            for name in ("VmRSS", "VmHWM")
        )
        return {"cpu": used.ru_utime + used.ru_stime, "memory": now, "most_memory": most}

    def operations(self) -> dict[str, Callable[..., Any]]:
        ours = (
            self.script,
            self.submit,
            self.submit_and_tell,
            self.submit_batch,
            self.submit_array,
            self.map_results,
            self.job_end,
            self.hold,
            self.ask_status,
            self.make_noise,
            self.fetch,
            self.usage,
        )
        return {one.__name__: one for one in ours}


def main() -> None:
    """Serve the cluster that the arguments name: ``slurm FOLDER`` or ``ssh FOLDER SLURMFILE PYTHON``.

    FOLDER, on the cluster, holds this package; jobs go to a folder beside it. PYTHON runs the agent.
    """
    kind, shared, *where = sys.argv[1:]
    packaging = {"type": "none", "pythonpath": [shared]}
    base = f"{shared}/jobs-{kind}"
    if kind == "ssh":
        slurmfile, python = where
        overrides = {"packaging": packaging, "job_base_dir": base, "python": python}
        cluster = Cluster.from_env(slurmfile, overrides=overrides)
    else:
        cluster = Cluster("slurm", packaging=packaging, job_base_dir=base)
    try:
        serve(Client(cluster).operations())
    finally:
        cluster.close()


if __name__ == "__main__":
    main()
