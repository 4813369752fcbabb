"""A ``job_base_dir`` in which many jobs have ended long ago, and what it costs to work beside them.

One job is run by the local backend, and what it has left is copied as often as wanted, under other ids and names. What is
then measured is this process's CPU time, that of its agent included; the scheduler knows no jobs, and gives ids away.
"""

from __future__ import annotations

import json
import os
import re
import resource
import shutil
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.clients.line_server import serve
from benchmarks.tasks import add
from slurm import Cluster, WorkflowContext
from slurm.agent.agent import Agent
from slurm.api.base import JobListing, JobRequest
from slurm.api.local import LocalBackend
from slurm.api.requests import Archive
from slurm.api.slurm_cli import InProcessBackend
from slurm.job_list import Filter, jobs_in
from slurm.job_list.table import table

DAY = 86400
AGE = 40 * DAY
FIRST_ID = 1_000_000
KINDS = {".receipts": "receipts", ".sdk": "SDK", ".events": "events"}


class NoJobs:
    """A scheduler in whose queue nothing is, and that takes everything. It is a fake."""

    latest_job = 0.0
    search_pauses = ()

    def __init__(self) -> None:
        self.submitted = 0
        self.accounts: list[dict[str, str]] = []

    def submit(self, **call: Any) -> str:
        self.submitted += 1
        return str(self.submitted)

    def find_submission(self, token: str, script: str, asked_at: float) -> str | None:
        return None

    def unended(self) -> list[dict[str, Any]]:
        return []

    def ended(self, jobs: dict[str, list[str]]) -> dict[str, float]:
        return {}

    def query(self, job_ids: list[str]) -> list[dict[str, Any]]:
        return []

    def limits(self) -> dict[str, int]:
        return {"max_array_size": 1001}

    def listed(self, since: float) -> dict[str, Any]:
        return {"queue": [], "accounts": self.accounts, "problem": ""}


class Client:
    """The base in `folder`, and the operations on it."""

    def __init__(self, folder: Path) -> None:
        self.base = folder / "jobs"
        self.count = 0
        self.runs = 0
        self.scheduler = NoJobs()
        self.backend = InProcessBackend(Agent(self.scheduler))

    def make(self, count: int) -> dict[str, dict[str, int]]:
        """Make as many jobs; the bytes on the disk and the inodes that all is, by kind."""
        self.count = count
        shutil.rmtree(self.base, ignore_errors=True)
        copied = self._run_one()
        folder = self.base / copied.task
        at = int(time.time()) - AGE
        paths = [copied.write(folder, number, at) for number in range(count)]
        self.scheduler.accounts = [_account(*one, at) for one in enumerate(paths, FIRST_ID)]
        for path in self.base.iterdir():
            if path.name != ".local":
                os.utime(path, (at, at))
        return self.sizes()

    def _run_one(self) -> Copied:
        packaging = {"type": "none", "pythonpath": [str(Path(__file__).parents[2])]}
        with Cluster("local", job_base_dir=self.base, packaging=packaging) as cluster:
            job = add(1, 2)
            job.get_result(60)
            while cluster.get_queue():
                time.sleep(0.01)
        cluster.close()
        LocalBackend(state_dir=str(self.base / ".local")).shutdown(kill_jobs=True)
        copied = Copied(Path(str(job.job_dir)), job.id)
        shutil.rmtree(job.job_dir)
        return copied

    def sizes(self) -> dict[str, dict[str, int]]:
        """Bytes on the disk, and inodes, by kind."""
        found: dict[str, Counter[str]] = {}
        for top in os.scandir(self.base):
            kind = KINDS.get(top.name, "" if top.name.startswith(".") else "jobs")
            for path in _below(top.path) if kind else ():
                sizes = found.setdefault(kind, Counter())
                sizes["inodes"] += 1
                sizes["bytes"] += os.lstat(path).st_blocks * 512
        return {kind: dict(sizes) for kind, sizes in found.items()}

    def list_packages(self) -> float:
        """CPU seconds of ``slurm packages list``."""
        return _cpu(lambda: self.backend.list_packages(str(self.base)))

    def list_jobs(self) -> float:
        """CPU seconds of ``slurm jobs list --all``, with the JSON that goes over the line, of as many accounts as jobs."""
        return _cpu(self._list_jobs)

    def _list_jobs(self) -> None:
        listing = self.backend.list_jobs(str(self.base), since=0.0)
        there = JobListing(**json.loads(json.dumps(listing._asdict())))
        rows = table(Filter().of(jobs_in(there)), there.now, 120)
        if len(rows) != self.count + 1 or "COMPLETED" not in rows[1]:
            raise ValueError(f"of {self.count} jobs it lists {len(rows)}: {rows[:2]}")

    def get_job(self, times: int) -> float:
        """CPU seconds of finding a job by its id, whose result is fetched."""
        cluster = Cluster(self.backend, job_base_dir=self.base)
        numbers = iter(range(0, self.count, max(1, self.count // times)))

        def find() -> None:
            if cluster.get_job(FIRST_ID + next(numbers)).get_result(60) != 3:
                raise ValueError("it has another result")

        find()
        return sum(_cpu(find) for _ in range(times - 1)) / (times - 1)

    def submit(self, times: int) -> float:
        """CPU seconds of the agent for one submission."""
        base = str(self.base)

        def submit() -> None:
            self.runs += 1
            request = JobRequest(
                job_dir=f"{base}/submitted/{self.runs}",
                files={"job.sh": b"#!/bin/bash\n", "metadata.json": b"{}", "payload.pkl": b"x"},
                options={},
                submit_options={},
                token=os.urandom(16).hex(),
            )
            [answer] = self.backend.submit_jobs(
                [request], base=base, events=f"{base}/.events/me", archive=Archive("")
            )
            if answer.error is not None:
                raise answer.error

        submit()
        taken = sum(_cpu(submit) for _ in range(times)) / times
        shutil.rmtree(self.base / "submitted")
        return taken

    def latest_result(self, times: int) -> float:
        """CPU seconds of `get_latest_task_result` in a workflow that has all the jobs."""
        flow = self.base.parent / "flow"
        (flow / "tasks").mkdir(parents=True, exist_ok=True)
        if not (flow / "tasks/add").exists():
            (flow / "tasks/add").symlink_to(self.base / "add")
        context = WorkflowContext(workflow_job_dir=flow)
        return (
            sum(_cpu(lambda: context.get_latest_task_result("add")) for _ in range(times)) / times
        )

    def clean_up(self, dry_run: bool) -> dict[str, float]:
        """CPU seconds of cleaning up all of it, and what it says that this has removed."""
        done = []

        def clean_up() -> None:
            done.append(self.backend.clean_up(str(self.base), older_than=30 * DAY, dry_run=dry_run))

        cpu = _cpu(clean_up)
        counted = {"removed": done[0].jobs.removed, "receipts": done[0].receipts.removed}
        return {"cpu": cpu, "freed": done[0].freed, **counted}

    def memory(self) -> float:
        """The most memory that this process has had, in MB."""
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


class Copied:
    """What a job has left in its directory and in its receipts, to be written again for other jobs."""

    def __init__(self, directory: Path, job_id: str) -> None:
        self.task = directory.parent.name
        self.name = directory.name
        self.id = job_id
        self.files = {path.name: path.read_bytes() for path in directory.iterdir()}
        receipts = directory.parents[1] / ".receipts"
        self.token = json.loads(self.files["metadata.json"])["token"]
        self.receipts = {
            name: (receipts / f"{name}.json").read_bytes() for name in (self.token, f"job-{job_id}")
        }
        for name in self.receipts:
            (receipts / f"{name}.json").unlink()

    def write(self, folder: Path, number: int, at: int) -> str:
        """Write all of it for the job with this number, as old as that; returns its directory."""
        name = time.strftime("%Y%m%d_%H%M%S", time.gmtime(at + number % DAY)) + f"_{number:08x}"
        job_id, token = str(FIRST_ID + number), f"{number:032x}"
        words = {
            self.name: name,
            self.token: token,
            f'"job_id": "{self.id}"': f'"job_id": "{job_id}"',
            f"slurm_{self.id}.": f"slurm_{job_id}.",
            f"job-{self.id}": f"job-{job_id}",
        }
        pattern = re.compile("|".join(map(re.escape, words)).encode())

        def other(data: bytes) -> bytes:
            return pattern.sub(lambda match: words[match[0].decode()].encode(), data)

        directory = str(folder / name)
        os.makedirs(directory, 0o700)
        for file, data in self.files.items():
            _write(f"{directory}/{os.fsdecode(other(os.fsencode(file)))}", other(data), at)
        os.utime(directory, (at, at))
        for file, data in self.receipts.items():
            place = folder.parent / ".receipts" / f"{os.fsdecode(other(file.encode()))}.json"
            _write(str(place), other(data), at)
        return directory


def _account(number: int, path: str, at: int) -> dict[str, str]:
    """What accounts say of the job with this number."""
    times = {name: str(at) for name in ("submitted", "start", "end")}
    about = {"job_id": str(number), "state": "COMPLETED", "exit_code": "0:0", "node": "c1"}
    origin = {"cwd": path, "comment": "", "script": f"sbatch --parsable {path}/job.sh"}
    return {**about, **times, **origin, "minutes": "10", "cpus": "1", "name": "add"}


def _write(path: str, data: bytes, at: int) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    os.write(handle, data)
    os.utime(handle, (at, at))
    os.close(handle)


def _below(path: str) -> Iterator[str]:
    yield path
    if os.path.isdir(path):
        for entry in os.scandir(path):
            yield from _below(entry.path) if entry.is_dir(follow_symlinks=False) else [entry.path]


def _cpu(run: Callable[[], object]) -> float:
    start = time.process_time()
    run()
    return time.process_time() - start


def main() -> None:
    """Serve a base in the folder that the argument names."""
    client = Client(Path(sys.argv[1]))
    ours = (
        *(client.make, client.sizes, client.list_packages, client.list_jobs),
        *(client.get_job, client.submit),
        *(client.latest_result, client.clean_up, client.memory),
    )
    serve({one.__name__: one for one in ours})


if __name__ == "__main__":
    main()
