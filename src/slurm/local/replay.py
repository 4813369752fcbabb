"""What the lines of a journal say, also where some of them cannot be read. Pure.

Every line about a job tells all that has happened to it. So a line that a crash has damaged makes
doubtful what is known of the job it was about, of every job that lived if it does not even tell that,
until a later line tells it anew.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from slurm.local import shapes
from slurm.local.dependencies import parse_dependency
from slurm.local.jobs import CHANGING, LIVE, JobSpec, LocalJob, Refused

FORMAT = 2
# In format 1 a line was a job with all that its submission said.
READABLE = (1, FORMAT)
NAMED = re.compile(rb'"job(?:_id)?": ?([0-9]{1,12})\b')


class LaterFormat(Exception):
    """A later version of the SDK has written this; the message names the format."""


class Replay:
    """The `submissions` and `jobs` that lines tell of, one call of `read` for each line.

    `doubtful` are the jobs of which something may be missing; `damaged` are the numbers of the lines that cannot
    be read; `largest_id` is the largest that stands anywhere. Raises `LaterFormat`.
    """

    def __init__(self) -> None:
        self.submissions: dict[int, JobSpec] = {}
        self.jobs: dict[int, LocalJob] = {}
        self.doubtful: set[int] = set()
        self.damaged: list[int] = []
        self.largest_id: int = 0
        self.format: int = 0
        self.fewest: int = 0  # lines right after it was rewritten
        self.lines: int = 0

    def read(self, line: bytes) -> None:
        """Take in the next line."""
        self.lines += 1
        try:
            self._take(json.loads(line))
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError, Refused):
            self._doubt(line)

    def _take(self, entry: Any) -> None:
        if "format" in entry:
            self._begin(entry)
        elif self.format not in READABLE:
            raise ValueError("nobody has said what format this is")
        elif "submission" in entry:
            self.submitted(entry["submission"], again=False)
        elif "job" in entry:
            self._changed(entry["job"], entry)
        else:
            names = {name: value for name, value in entry.items() if name in JobSpec._fields}
            self.submitted(names, again=True)
            self._changed(entry["job_id"], entry)

    def _begin(self, entry: Mapping[str, Any]) -> None:
        number, lines = entry["format"], entry.get("lines", 0)
        if not shapes.is_count(number) or not shapes.is_count(lines):
            raise ValueError("it is no format")
        if number not in READABLE:
            raise LaterFormat(f"format {number}")
        self.format, self.fewest = number, lines

    def submitted(self, record: Any, *, again: bool) -> None:
        """Take in a submission, `again` if it may be known. Raises ValueError and the like where it is none."""
        known = {name: value for name, value in record.items() if name in JobSpec._fields}
        shapes.check(
            known, shapes.SUBMISSION, ("job_id", "token", "name", "script", "cwd", "options")
        )
        submission = JobSpec.from_record(known)
        parse_dependency(submission.options.get("dependency", ""))
        jobs = {job.job_id: job for job in submission.jobs()}
        if not again and (submission.job_id in self.submissions or self.jobs.keys() & jobs.keys()):
            raise ValueError("there is another of this id")
        self.largest_id = max(self.largest_id, submission.last_id)
        self.submissions[submission.job_id] = submission
        self.jobs.update(jobs)

    def _changed(self, job_id: Any, entry: Mapping[str, Any]) -> None:
        happened = {name: value for name, value in entry.items() if name in CHANGING}
        shapes.check(happened, shapes.JOB)
        self.jobs[job_id] = self.jobs[job_id].changed_by(happened)
        self.doubtful.discard(job_id)

    def _doubt(self, line: bytes) -> None:
        self.damaged.append(self.lines)
        named = {int(found) for found in NAMED.findall(line)}
        self.largest_id = max(self.largest_id, *named, 0)
        known = {job_id for job_id in named if job_id in self.jobs}
        if len(named) == 1 and known:
            self.doubtful |= known
        else:
            self.doubtful |= {job.job_id for job in self.jobs.values() if job.state in LIVE}
