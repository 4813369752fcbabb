"""The receipts of jobs that are cleaned up, and those whose jobs somebody has removed by hand."""

import contextlib
import os
import re
from typing import Any, Dict, Iterator, List, NamedTuple, Tuple

from .json_files import read_json_if_whole
from .needed import alone
from .old_jobs import FOREIGN, LIVE, NEEDED, RECENT
from .package_users import Job, Jobs

RECEIPT = re.compile(r"(?:job-([0-9]+)|([0-9A-Za-z]+))\.json$")
WORD = re.compile(r"[0-9A-Za-z]+$")
HALF = re.compile(r"\.(?:.+\.)?[0-9a-f]{16}$")  # the name of one that was being written
TOGETHER = 500  # receipts that are removed while nobody can submit


def receipts_of(folder: str, base: str, job: Job) -> Iterator[Tuple[str, int]]:
    """The receipts that lead to a job's directory, and what each takes on the disk."""
    tokens = {job.token}
    for number in job.ids:
        path = os.path.join(folder, "job-{}.json".format(number))
        receipt = _read(path)
        if _leads_to(job.path, base, receipt):
            tokens.add(str(receipt.get("token", "")))
            yield path, _size(path)
    for token in tokens:
        path = os.path.join(folder, token + ".json")
        if WORD.match(token) and _leads_to(job.path, base, _read(path)):
            yield path, _size(path)


def _leads_to(path: str, base: str, receipt: Dict[str, Any]) -> bool:
    """Whether it does: another client may have reached the base by a path with links in it."""
    below = os.sep + os.path.relpath(path, base)
    return str(receipt.get("job_dir", "")).endswith(below)


def _read(path: str) -> Dict[str, Any]:
    try:
        return read_json_if_whole(path)
    except OSError:  # whatever it is, it is no receipt
        return {}


def _size(path: str) -> int:
    try:
        return os.lstat(path).st_blocks * 512
    except FileNotFoundError:
        return 0


class Found(NamedTuple):
    """A receipt, what it takes on the disk, when it was changed, and why it stays, if it does."""

    path: str
    size: int
    changed: int
    why_it_stays: str


class Receipts:
    """All receipts in `folder`, which are of jobs below `base`; `jobs` were looked at. Old are those from `before`."""

    def __init__(self, folder: str, base: str, jobs: Jobs, before: float) -> None:
        self.folder = folder
        self.jobs = jobs
        self.before = before
        self.bases: Tuple[str, ...] = (base, jobs.base)

    def all(self) -> Iterator[Found]:
        """Each of them, and what was left of one that was not written to its end."""
        with os.scandir(self.folder) as entries:
            for entry in entries:
                if HALF.match(entry.name) or RECEIPT.match(entry.name):
                    with contextlib.suppress(FileNotFoundError):
                        yield self._judged(entry.path, entry.stat(follow_symlinks=False))

    def _judged(self, path: str, found: os.stat_result) -> Found:
        why = RECENT
        if found.st_mtime <= self.before:
            why = "" if HALF.match(os.path.basename(path)) else self._why_it_stays(path)
        return Found(path, found.st_blocks * 512, found.st_mtime_ns, why)

    def _why_it_stays(self, path: str) -> str:
        match = RECEIPT.match(os.path.basename(path))
        number, token = match.groups() if match else ("", "")
        job_dir = _read(path).get("job_dir")
        if not isinstance(job_dir, str):
            return FOREIGN
        if os.path.lexists(job_dir):
            return NEEDED
        for base in self.bases:
            if job_dir.startswith(base + os.sep):
                place = os.path.join(self.jobs.base, os.path.relpath(job_dir, base))
                known = place in self.jobs.unended or os.path.lexists(place)
                live = known or number in self.jobs.live or token in self.jobs.words
                return LIVE if live else ""
        return FOREIGN  # it may lie where nobody can look at the moment

    def remove(self, some: List[Found]) -> List[Found]:
        """Remove those of them that are as they were, while nobody submits."""
        gone = []
        with alone(self.folder):
            for one in some:
                with contextlib.suppress(FileNotFoundError):
                    now = os.lstat(one.path)
                    if now.st_mtime_ns == one.changed and not self._judged(one.path, now)[3]:
                        os.unlink(one.path)
                        gone.append(one)
        return gone
