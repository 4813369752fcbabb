"""Which job a row of the scheduler's is about: the id alone does not tell. Pure.

A controller that is killed before it has saved a job forgets it, and gives its id to another one. Rows
are told apart by where their job came from, the `origin` of an `Observation`:

- the token in its comment, which anybody may edit, and for which a site may write words of its own;
- its script, a file in a directory that no other job has; it cannot be edited, though a site's wrapper
  around sbatch may submit a copy;
- its working directory, the script's unless an option or an edit made it another.

Any of them is enough to know the job by, and a row is another's only if it says from where its job came
and has none of them: an edited comment loses no job. Nothing else tells: a requeue renews Slurm's
SubmitTime, and the jobs of a task share their name.
"""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING, NamedTuple

from slurm.job_dir.paths import JOB_SCRIPT, ArrayDirectory, script_of_piece, token_of_piece
from slurm.states import JobStatus, Observation

if TYPE_CHECKING:
    from slurm.tracking.record import JobRecord

UNSAID = ("", "(null)")


class JobMark(NamedTuple):
    """By what a job's rows are known: its submission's `token`, and its `script` in the directory `path`."""

    token: str
    path: str
    script: str = JOB_SCRIPT

    def matches(self, origin: str) -> bool | None:
        """Whether a job of this `origin` is the one with this mark; None where that says too little.

        >>> mark = JobMark("c0ffee", "/home/me/slurm_jobs/train/12")
        >>> mark.matches("c0ffee|/tmp/copy.sh|/home/me"), mark.matches("mine|(null)|/home/me"), mark.matches("mine||")
        (True, False, None)
        """
        if self.token in origin:
            return True
        parts = origin.rsplit("|", 2)
        if len(parts) < 3 or all(part in UNSAID for part in parts[1:]):
            return None
        # By its name, for a path may lead there by more than one way; and not a directory below it.
        name, script = re.escape(posixpath.basename(self.path)), re.escape(self.script)
        return re.search(f"/{name}(/{script})?(\\||$)", origin) is not None

    def own_or_reused(self, seen: Observation, status: JobStatus) -> Observation:
        """`seen` if it may be about the job with this mark, of which `status` is known; else the same id ``reused``."""
        own = self.matches(seen.origin)
        if own or (own is None and not status.reused):
            return seen
        return Observation(seen.job_id, "reused")


def own_or_reused(job: JobRecord, seen: Observation) -> Observation:
    """`JobMark.own_or_reused` for a job."""
    if job.element is None and job.token in seen.origin:  # as of nearly all
        return seen
    return mark_of(job).own_or_reused(seen, job.status)


def mark_of(job: JobRecord) -> JobMark:
    """The mark of a job; that of its submission for an element of an array."""
    element = job.element
    if element is None:
        return JobMark(job.token, job.job_dir)
    return mark_of_piece(job.token.rpartition("_")[0], element.array, element.piece)


def mark_of_piece(token: str, directory: ArrayDirectory, piece: int) -> JobMark:
    """The mark of one of the submissions of the array that has this token and is in that directory."""
    return JobMark(token_of_piece(token, piece), directory.path, script_of_piece(piece))
