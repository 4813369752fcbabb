"""Everything the local scheduler knows of its jobs, and the quick answers to what is asked of it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from slurm.local.dependencies import (
    JOB,
    Condition,
    Standing,
    dependency_problem,
    parse_dependency,
)
from slurm.local.jobs import ACTIVE, LIVE, JobSpec, LocalJob


class ArrayProgress:
    """How many jobs of one submission are unbegun, live, active, and how many ended other than well."""

    __slots__ = ("active", "live", "unbegun", "unwell")

    def __init__(self) -> None:
        self.unbegun: int = 0
        self.live: int = 0
        self.active: int = 0
        self.unwell: int = 0

    def count(self, job: LocalJob, sign: int) -> None:
        """Count a job in, or out with a `sign` of -1."""
        self.unbegun += sign * (not job.begun)
        self.live += sign * (job.state in LIVE)
        self.active += sign * (job.state in ACTIVE)
        self.unwell += sign * (job.state not in LIVE and job.state != "COMPLETED")

    def standing(self) -> Standing:
        """How far the submission is as a whole."""
        return Standing(self.unbegun == 0, self.live == 0, self.live == 0 and self.unwell == 0)


class Records:
    """Submissions and their jobs by id, and what of them is new since the last look.

    Job ids only ever grow, and a job id is never used twice.
    """

    def __init__(self, submissions: Mapping[int, JobSpec], jobs: Mapping[int, LocalJob]) -> None:
        self.submissions: dict[int, JobSpec] = {}
        self.jobs: dict[int, LocalJob] = {}
        self.progress: dict[int, ArrayProgress] = {}
        self.active: dict[int, LocalJob] = {}
        self.live_ids: set[int] = set()  # of submissions
        self.live_named: dict[str, set[int]] = {}  # the same by name
        self.next_id: int = 1
        self._tokens: dict[str, int] = {}
        self._new: dict[int, JobSpec] = {}
        self._changed: dict[int, LocalJob] = {}
        for _, submission in sorted(submissions.items()):
            self._add(submission, [jobs[job_id] for job_id in submission.job_ids])

    def add(self, submission: JobSpec) -> None:
        """Take in a submission with its jobs, all of them pending."""
        self._new[submission.job_id] = submission
        self._add(submission, submission.jobs())

    def _add(self, submission: JobSpec, jobs: Iterable[LocalJob]) -> None:
        self.submissions[submission.job_id] = submission
        self._tokens[submission.token] = submission.job_id
        self.next_id = max(self.next_id, submission.last_id + 1)
        progress = self.progress[submission.job_id] = ArrayProgress()
        for job in jobs:
            self.jobs[job.job_id] = job
            progress.count(job, 1)
            if job.state in ACTIVE:
                self.active[job.job_id] = job
        self._note_live(submission)

    def put(self, job: LocalJob) -> LocalJob:
        """Take in what has become of a known job; returns what it was before."""
        before = self.jobs[job.job_id]
        self.jobs[job.job_id] = self._changed[job.job_id] = job
        progress = self.progress[job.submission.job_id]
        progress.count(before, -1)
        progress.count(job, 1)
        if job.state in ACTIVE:
            self.active[job.job_id] = job
        else:
            self.active.pop(job.job_id, None)
        self._note_live(job.submission)
        return before

    def _note_live(self, submission: JobSpec) -> None:
        job_id = submission.job_id
        if self.progress[job_id].live:
            self.live_ids.add(job_id)
            self.live_named.setdefault(submission.name, set()).add(job_id)
        elif job_id in self.live_ids:
            self.live_ids.discard(job_id)
            self.live_named[submission.name].discard(job_id)
            if not self.live_named[submission.name]:
                del self.live_named[submission.name]

    def take_changes(self) -> tuple[list[JobSpec], list[LocalJob]]:
        """What is new or different since the last call, each as it is now."""
        new, changed = list(self._new.values()), list(self._changed.values())
        self._new.clear()
        self._changed.clear()
        return new, changed

    def find_by_token(self, token: str, script: str = "") -> int | None:
        """The id that the last submission with this token has, if it had this `script`: with another it was cleaned up since."""
        known = self._tokens.get(token)
        if known is None or script not in ("", self.submissions[known].script):
            return None
        return known

    def find(self, shown: str) -> list[LocalJob]:
        """The jobs that an id as Slurm shows it stands for: all of an array for ``12``."""
        match = JOB.fullmatch(shown)
        if match is None:
            return []
        number, index = int(match[1]), match[2]
        submission = self.submissions.get(number)
        if index is not None:
            job_id = None if submission is None else submission.element(int(index))
            return [] if job_id is None else [self.jobs[job_id]]
        ids = (number,) if submission is None else submission.job_ids
        return [self.jobs[job_id] for job_id in ids if job_id in self.jobs]

    def live(self) -> list[LocalJob]:
        """Jobs that have not ended, in the order they came."""
        ids = (job_id for one in sorted(self.live_ids) for job_id in self.submissions[one].job_ids)
        return [self.jobs[job_id] for job_id in ids if self.jobs[job_id].state in LIVE]

    def target_of(self, condition: Condition) -> int | None:
        """The id of the job or array that a condition is about; None when there is none."""
        submission = self.submissions.get(condition.job_id)
        if condition.index is not None:
            return None if submission is None else submission.element(condition.index)
        known = submission is not None or condition.job_id in self.jobs
        return condition.job_id if known else None

    def check_dependency(self, submission: JobSpec) -> None:
        """Raise `Refused` unless everything a submission waits for is known."""
        text = submission.options.get("dependency", "")
        for condition in parse_dependency(text).conditions:
            if self.target_of(condition) is None:
                raise dependency_problem(text, f"there is no job {condition.target}")

    def standing(self, condition: Condition, index: int | None) -> Standing:
        """How far what a job waits for is; `index` is that of the waiting job in its own array."""
        submission = self.submissions.get(condition.job_id)
        if submission is None and condition.job_id not in self.jobs:
            return Standing(begun=True, ended=True, well=False)  # lost with a part of the journal
        if submission is None:  # the element of an array, by its own id
            return _standing_of(self.jobs[condition.job_id])
        wanted = condition.index
        if wanted is None and condition.kind == "aftercorr" and index is not None:
            wanted = index
        job_id = None if wanted is None else submission.element(wanted)
        if job_id is not None:
            return _standing_of(self.jobs[job_id])
        # As in Slurm, an element without a counterpart waits for all of the array.
        return self.progress[submission.job_id].standing()

    def forget_ended(self, keep: int) -> None:
        """Drop the oldest submissions that have ended, until no more than `keep` jobs are known.

        The newest is never dropped, so that no id is given twice, nor one that a live job waits for.
        """
        needed = set(self.live_ids) | {max(self.submissions, default=0)}
        for job_id in self.live_ids:
            text = self.submissions[job_id].options.get("dependency", "")
            targets = map(self.target_of, parse_dependency(text).conditions)
            needed |= {self._owner(one) for one in targets if one is not None}
        excess = len(self.jobs) - keep
        for job_id in sorted(set(self.submissions) - needed):
            if excess <= 0:
                return
            submission = self.submissions.pop(job_id)
            excess -= len(submission.job_ids)
            del self.progress[job_id]
            if self._tokens[submission.token] == job_id:
                del self._tokens[submission.token]
            for one in submission.job_ids:
                del self.jobs[one]

    def _owner(self, target: int) -> int:
        return target if target in self.submissions else self.jobs[target].submission.job_id


def _standing_of(job: LocalJob) -> Standing:
    return Standing(job.begun, job.state not in LIVE, job.state == "COMPLETED")
