"""The queue of the local scheduler without processes: jobs start and end when a test says so."""

from __future__ import annotations

from typing import Any

from slurm.local.jobs import LocalJob
from slurm.local.queue import Queue
from slurm.local.records import Records
from slurm.local.requests import Resources, read_submission


def request(token: str = "t", *, orchestrator: bool = False, **options: Any) -> dict[str, Any]:
    """What a client sends to submit ``/work/job.sh``."""
    return {
        "script": "/work/job.sh",
        "cwd": "/work",
        "options": {name.replace("_", "-"): value for name, value in options.items()},
        "submit_options": {},
        "token": token,
        "orchestrator": orchestrator,
    }


class Machine:
    """A queue in front of a machine whose jobs run until they are ended; `now` is its clock."""

    def __init__(self, cpus: int = 2, mem: int = 8192, records: Records | None = None) -> None:
        self.room = Resources(cpus, mem)
        self.queue = Queue(records or Records({}, {}))
        self.now = 1000.0
        self.count = 0

    def submit(self, *, orchestrator: bool = False, **options: Any) -> str:
        self.count += 1
        wanted = request(f"token {self.count}", orchestrator=orchestrator, **options)
        records = self.queue.records
        submission = read_submission(records.next_id, wanted, self.now, self.room)
        records.check_dependency(submission)
        self.queue.add(submission)
        return str(submission.job_id)

    def start(self) -> list[str]:
        """Start what may start, and cancel what asked for that; the ids of what was started."""
        plan = self.queue.plan(self.room, self.now)
        for job in plan.cancel:
            self.queue.put(job._replace(state="CANCELLED", end=self.now))
        for job in plan.start:
            self.queue.put(job._replace(state="RUNNING", start=self.now))
        return [job.shown for job in plan.start]

    def end(self, *shown: str, state: str = "COMPLETED") -> list[str]:
        """End running jobs; the ids of what is started in their place."""
        for one in shown:
            self.queue.put(self.job(one)._replace(state=state, end=self.now))
        return self.start()

    def cancel(self, shown: str) -> list[str]:
        """Cancel what has not started of a job or array; the ids of what is started then."""
        for job in self.queue.records.find(shown):
            if job.state == "PENDING":
                self.queue.put(job._replace(state="CANCELLED", end=self.now))
        return self.start()

    def job(self, shown: str) -> LocalJob:
        (job,) = self.queue.records.find(shown)
        return job

    def row(self, shown: str) -> dict[str, Any]:
        row = self.queue.row(shown)
        assert row is not None
        return row

    def reasons(self, *shown: str) -> list[str]:
        return [self.row(one)["reason"] for one in shown]
