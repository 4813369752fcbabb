"""What clients may ask of the local scheduler, and what they are told."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

from slurm.local.jobs import ACTIVE, Refused
from slurm.local.service import Service
from slurm.local.state import PROTOCOL


class Operations:
    """Answers the requests for a `Service`, which makes durable what they promise."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._queue = service.queue
        self._records = service.queue.records

    def handle(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """The answer to a request: ``{"ok": result}``, or ``{"error": line, "kind": word}``."""
        operations: Mapping[str, Callable[[Mapping[str, Any]], Any]] = {
            "submit": self._service.submit,
            "query": self._op_query,
            "cancel": self._op_cancel,
            "requeue": self._op_requeue,
            "release": self._op_release,
            "find_by_token": self._op_find_by_token,
            "queue": self._op_queue,
            "listed": self._op_listed,
            "usage": self._op_usage,
            "info": self._op_info,
            "shutdown": self._op_shutdown,
        }
        if request.get("protocol") != PROTOCOL:
            message = f"the local scheduler (pid {os.getpid()}) is of another version of the SDK"
            return {"error": f"{message}; end it with: kill {os.getpid()}", "kind": "scheduler"}
        try:
            return {"ok": operations[request["op"]](request)}
        except Refused as error:
            return {"error": str(error), "kind": "refused"}
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            return {"error": f"malformed request: {error!r}", "kind": "scheduler"}

    def _op_query(self, request: Mapping[str, Any]) -> list[dict[str, Any]]:
        rows = map(self._queue.row, request["job_ids"])
        return [row for row in rows if row is not None]

    def _op_cancel(self, request: Mapping[str, Any]) -> None:
        for shown in request["job_ids"]:
            for job in self._records.find(shown):
                self._service.cancel(job)

    def _op_requeue(self, request: Mapping[str, Any]) -> None:
        shown = request["job_id"]
        jobs = self._records.find(shown)
        active = [job for job in jobs if job.state in ACTIVE and not job.cancelled]
        if not jobs:
            raise Refused(f"job {shown}: Invalid job id specified")
        if "no-requeue" in jobs[0].options:
            raise Refused(f"job {shown}: Requested operation is presently disabled (--no-requeue)")
        if not active:
            waits = any(job.state == "PENDING" for job in jobs)
            why = "pending execution" if waits else "already completing or completed"
            raise Refused(f"job {shown} cannot be requeued: Job is {why}")
        for job in active:
            self._service.requeue(job)

    def _op_release(self, request: Mapping[str, Any]) -> None:
        shown = request["job_id"]
        jobs = self._records.find(shown)
        if not jobs:
            raise Refused(f"job {shown}: Invalid job id specified")
        lost = [job for job in jobs if job.state == "PENDING" and job.crashes]
        if not lost:
            raise Refused(f"job {shown} is not held")
        for job in lost:
            self._service.release(job)

    def _op_find_by_token(self, request: Mapping[str, Any]) -> str | None:
        known = self._records.find_by_token(request["token"], request.get("script", ""))
        return None if known is None else str(known)

    def _op_queue(self, request: Mapping[str, Any]) -> list[dict[str, Any]]:
        live = self._records.live()
        return [{**job.queue_row(), "reason": self._queue.reason(job)} for job in live]

    def _op_listed(self, request: Mapping[str, Any]) -> list[dict[str, Any]]:
        known = (self._records.jobs[one] for one in sorted(self._records.jobs))
        since = request["since"]
        recent = (job for job in known if job.end is None or job.end >= since)
        return [{**job.queue_row(), "reason": self._queue.reason(job)} for job in recent]

    def _op_usage(self, request: Mapping[str, Any]) -> list[dict[str, Any]]:
        found = ((one, self._records.find(one)) for one in request["job_ids"])
        return [{**jobs[0].queue_row(), "job_id": one} for one, jobs in found if len(jobs) == 1]

    def _op_info(self, request: Mapping[str, Any]) -> dict[str, int]:
        live = sum(self._records.progress[job_id].live for job_id in self._records.live_ids)
        running = len(self._records.active)
        counts = {"running": running, "pending": live - running}
        room = self._service.room
        bounds = {"max_cpus": room.cpus, "max_mem": room.mem}
        return {**bounds, "pid": os.getpid(), **counts}

    def _op_shutdown(self, request: Mapping[str, Any]) -> None:
        self._service.stop(kill_jobs=bool(request["kill_jobs"]))
