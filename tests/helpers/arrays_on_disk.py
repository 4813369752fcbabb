"""Arrays whose tasks are run as real processes, one by one, as a scheduler would run them."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from tests.helpers.prepared import PreparedPython
from tests.helpers.processes import environment_of_a_job

from slurm.api.requests import JobRequest
from slurm.job_dir.item_records import ItemRecord
from slurm.job_dir.news import End, ends_in
from slurm.job_dir.paths import ArrayDirectory
from slurm.job_dir.record_index import RecordIndex
from slurm.job_dir.result import load_envelope, open_envelope


class ArrayOnDisk:
    """The directory of an array that was submitted to the fake backend; `run` runs one of its tasks."""

    def __init__(self, request: JobRequest, python: PreparedPython) -> None:
        self.python = python
        self.path = Path(request.job_dir)
        self.script = self.path / request.script
        for name in request.directories:
            (self.path / name).mkdir(parents=True)
        for name, content in request.files.items():
            (self.path / name).write_bytes(content)

    def run(
        self, task: int, cwd: Path | None = None, **env: str
    ) -> subprocess.CompletedProcess[str]:
        own = {"SLURM_ARRAY_JOB_ID": "12", "SLURM_ARRAY_TASK_ID": str(task), **env}
        return self.python.run(self.script, cwd or self.path, environment_of_a_job(own))

    def again(self, task: int, attempt: int = 2) -> subprocess.CompletedProcess[str]:
        """Another attempt of the task."""
        return self.run(task, SLURM_RESTART_COUNT=str(attempt - 1))

    def result(self, item: str) -> Any:
        """The result in the item's own directory."""
        content = (self.path / "tasks" / item / "result.pkl").read_bytes()
        return open_envelope(load_envelope(content))

    def metadata(self, item: str) -> dict[str, Any]:
        """What is noted there."""
        path = self.path / "tasks" / item / "metadata.json"
        content: dict[str, Any] = json.loads(path.read_text())
        return content

    def directories(self) -> list[str]:
        """The items that have directories of their own."""
        return sorted(path.name for path in self.path.glob("tasks/*"))

    def record(self, item: int) -> ItemRecord | None:
        """What the item of a pack has left."""
        return RecordIndex(ArrayDirectory(str(self.path))).find(item)

    def value(self, item: int) -> Any:
        """The result in the item's record; raises what is there in its place."""
        record = self.record(item)
        assert record is not None
        return open_envelope(record.envelope())

    def file(self, name: str = "12_0.1") -> Path:
        """A record file."""
        return self.path / "records" / name

    @property
    def events(self) -> Path:
        """Where the runner tells a client that waits, if there is such a directory."""
        line = next(x for x in self.script.read_text().splitlines() if "SLURM_SDK_EVENT_DIR" in x)
        return Path(line.partition("=")[2])

    def told(self) -> list[End]:
        """What it has told of, in the order of items."""
        files = sorted(path for path in self.events.iterdir() if not path.name.startswith("."))
        ends = [end for path in files for end in ends_in(path.name, path.read_bytes())]
        return sorted(ends, key=lambda end: int(end.token.rpartition("_")[2]))
