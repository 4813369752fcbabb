"""Metadata files as jobs leave them, for what reads them; nothing is run."""

from __future__ import annotations

import datetime
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from slurm.job_tree import JobNode, JobTree
from slurm.job_tree.build import build

NOON = datetime.datetime(2025, 3, 1, 12, tzinfo=datetime.timezone.utc)


def at(seconds: float | None) -> datetime.datetime | None:
    """That long after noon."""
    return None if seconds is None else NOON + datetime.timedelta(seconds=seconds)


def stamp(seconds: float | None) -> str | None:
    """That long after noon, as a metadata file has it."""
    time = at(seconds)
    return time.isoformat(timespec="milliseconds") if time else None


def job(
    job_id: str | None,
    task: str = "train",
    times: Sequence[float | None] = (0, 1, 3),
    status: str = "completed",
    *,
    after: Sequence[str | tuple[str, str]] = (),
    **more: Any,
) -> dict[str, Any]:
    """A job's metadata; `times` are submission, start and end, in seconds after noon."""
    submitted, started, ended = (*times, None, None)[:3]
    waits = [(one, "afterok") if isinstance(one, str) else one for one in after]
    own = status in ("completed", "failed")
    return {
        "schema_version": 1,
        "job_id": job_id,
        "task_name": task,
        "timestamp": stamp(submitted),
        "started_at": stamp(started),
        ("completed_at" if own else "ended_at"): stamp(ended),
        "status": status,
        "is_workflow": False,
        "attempt": 1 if started is not None else 0,
        "node": "c1",
        "dependencies": [{"job_id": one, "type": kind} for one, kind in waits],
        **more,
    }


def array(job_id: str, count: int, task: str = "count", **more: Any) -> dict[str, Any]:
    """An array's metadata."""
    return job(job_id, task, (0,), "submitted", count=count, pack=1, max_array_size=1001, **more)


class Noted:
    """Metadata files by directory: ``noted["sweep/1"] = job("1")``."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}

    def __setitem__(self, folder: str, content: Mapping[str, Any]) -> None:
        name = "array_metadata.json" if "count" in content else "metadata.json"
        self.files[f"{folder}/{name}".lstrip("/")] = json.dumps(content).encode()

    def ends(self, folder: str, *ends: Mapping[str, str]) -> None:
        """Clients have noted how items of the array there ended."""
        lines = "".join(json.dumps(end) + "\n" for end in ends)
        self.files[f"{folder}/ended.jsonl".lstrip("/")] = lines.encode()

    def nodes(self) -> tuple[JobNode, ...]:
        return build(self.files)

    def tree(self, now: float = 100) -> JobTree:
        """The tree, looked at `now` seconds after noon."""
        seen_at = at(now)
        assert seen_at is not None
        return JobTree("/jobs/sweep", self.nodes(), seen_at)

    def write(self, root: Path) -> Path:
        """Write the files."""
        for name, content in self.files.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        return root


def a_run() -> Noted:
    """A workflow with a chain of jobs, one of them failed, an array, and a workflow inside."""
    noted = Noted()
    noted["sweep/w"] = job("1", "sweep", (0, 1, 20), is_workflow=True)
    noted["sweep/w/tasks/prepare/a"] = job("2", "prepare", (1, 2, 4))
    noted["sweep/w/tasks/train/b"] = job("3", "train", (1.1, 4.5, 9), "timeout", after=["2"])
    failed = job("4", "train", (1.2, 4.6, 8), "failed", after=["2"], error="ValueError: no data")
    noted["sweep/w/tasks/train/c"] = failed
    noted["sweep/w/tasks/report/d"] = job(
        "5", "report", (1.3, None, 9.5), "cancelled", after=["3", ("4", "afterany")]
    )
    noted["sweep/w/tasks/inner/e"] = job("6", "inner", (2, 3, 15), is_workflow=True)
    noted["sweep/w/tasks/inner/e/tasks/count/f"] = array("7", 4)
    for index in range(4):
        element = job(f"7_{index}", "count", (3, 4 + index, 6 + index))
        noted[f"sweep/w/tasks/inner/e/tasks/count/f/tasks/{index:03}"] = element
    noted["sweep/w/tasks/inner/e/tasks/merge/g"] = job("8", "merge", (3.5, 9.5, 11), after=["7"])
    return noted
