"""One observer per cluster: asks about all its jobs at once and completes their futures."""

from __future__ import annotations

import itertools
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from slurm import forks
from slurm.api.base import BackendBase
from slurm.api.site import Site
from slurm.context import activated
from slurm.errors import RemoteFileError, SlurmError
from slurm.job_dir.news import ends_in
from slurm.states import JobState, Observation, reduce
from slurm.tracking.accounting import Accounting
from slurm.tracking.end_notes import EndNotes
from slurm.tracking.evidence import Evidence
from slurm.tracking.listener import Listener
from slurm.tracking.poll_interval import PollInterval
from slurm.tracking.pushed_results import PushedResults
from slurm.tracking.record import JobRecord
from slurm.tracking.retries import Retries
from slurm.tracking.scheduler_answers import SchedulerAnswers, Seen
from slurm.tracking.written_ends import written_ends

logger: logging.Logger = logging.getLogger(__name__)

LONGEST_LISTEN = 2.0
UNKNOWN_TO_CONTROLLER = ("absent", "reused", "sacct")
# Sources that are the scheduler's own words, or repeat them.
ASKED = frozenset({"squeue", "sacct", "local", "metadata"})
FASTEST_SCAN, SLOWEST_SCAN = 0.02, 0.25


class Tracker:
    """Watches every live job of one cluster from two threads.

    One listens: a runner that finishes leaves an event, seen at once and without asking the scheduler.
    The other polls: it asks the scheduler about all jobs together, every `interval_min` to
    `interval_max` seconds, often after something changed, rarely while nothing does. So news come at
    once while the scheduler takes its time. Errors of a poll never change a job's state.
    """

    def __init__(
        self,
        site: Site,
        *,
        interval_min: float,
        interval_max: float,
        listener: Listener,
        pushed: PushedResults,
        accounting: Accounting,
    ) -> None:
        self.backend: BackendBase = site.backend
        self.event_dir: str = site.event_dir
        self.interval_min = interval_min
        self.interval_max = interval_max
        self.listener = listener
        self.pushed = pushed
        self.accounting = accounting
        self._jobs: dict[str, list[JobRecord]] = {}  # one job may have several futures
        self.notes: EndNotes = EndNotes(self.backend)
        self._evidence = Evidence(self.backend)
        self._answers = SchedulerAnswers()
        self._ended: deque[JobRecord] = deque()  # and their callbacks do not know it yet
        self._announcing = False
        self._seen_events: list[str] = []
        self._changed = threading.Condition()
        self._polling = threading.Lock()
        self._polled = float("-inf")
        self._polled_jobs: frozenset[JobRecord] = frozenset()
        self._poll_interval = PollInterval(interval_min, interval_max)
        self._next_poll = 0.0
        self._retries = Retries(interval_min, interval_max)
        self._threads: list[threading.Thread] = []
        self._closed = False
        self._process = forks.here()

    def watch(self, jobs: Sequence[JobRecord]) -> None:
        """Complete each of `jobs` when it ends. Watching one twice is watching it once."""
        with self._changed:
            for job in jobs:
                futures = self._jobs.get(job.id, [])
                if job.finished or any(job is future for future in futures):
                    continue
                if self._closed:
                    raise SlurmError(f"job {job.id} cannot be watched: its cluster was closed")
                self._jobs[job.id] = [*futures, job]
                self._hurry()
            if self._jobs and not self._threads:
                self._start()

    def hurry(self) -> None:
        """Poll again as soon as allowed: something was done that changes a job."""
        with self._changed:
            self._hurry()

    def refresh(self, job: JobRecord) -> None:
        """Know `job` as it is now, or was at most `interval_min` seconds ago.

        A state that ends the job only if it stays is looked at until it is believed or gone.
        """
        self.watch([job])
        with self._polling:
            fresh = time.monotonic() - self._polled < self.interval_min
            if not fresh or job not in self._polled_jobs:
                self._poll()
        self._look_until_sure([job])

    def meet(self, jobs: Sequence[JobRecord]) -> None:
        """Know jobs that were found again: all of `jobs` are looked at together, unless something was heard of each."""
        self.watch(jobs)
        with self._polling:
            if any(job.unmet for job in jobs):
                self._poll()
        self._look_until_sure(jobs)

    def _look_until_sure(self, jobs: Sequence[JobRecord]) -> None:
        while not self._closed and any(one.status.uncertain for one in jobs):
            self._pause(self.interval_min)
            with self._polling:
                self._poll()
        self._announce()

    def cancel(self, jobs: Iterable[JobRecord], *, whole: bool = False) -> None:
        """Have the scheduler cancel those of `jobs` that have not ended, or the `whole` arrays they are in.

        It is asked first, for by now their ids may be other jobs'; what it does not know at all needs no
        cancelling, and ``12`` could be an array of somebody who got the id of a job.
        """
        live = [job for job in jobs if not job.status.finished]
        seen = self._answers.of(self.backend, live)
        others = [(job, one) for job, one in seen if one.source == "reused"]
        self._note_all(others)
        for job, _ in others:
            logger.warning("%s is not cancelled: its id is another job's now, see JobLost", job)
        known = [job.id for job, one in seen if one.source not in UNKNOWN_TO_CONTROLLER]
        ids = dict.fromkeys(one.partition("_")[0] if whole else one for one in known)
        if ids:
            self.backend.cancel_jobs(list(ids))
        if live:
            self.hurry()

    def stop(self) -> None:
        """Watch no longer than the poll that is under way; whoever waits for a job is told."""
        with self._changed:
            self._closed = self._retries.quiet = True
            self._changed.notify_all()
            left = list(self._every_future())
        for job in left:
            job.abandon()

    def join(self) -> None:
        """After `stop`, wait for the threads to end."""
        until = time.monotonic() + LONGEST_LISTEN + 3
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join(max(0.0, until - time.monotonic()))

    def _hurry(self) -> None:
        self._poll_interval.hurry()
        self._next_poll = min(self._next_poll, time.monotonic() + self.interval_min)
        self._changed.notify_all()

    def _start(self) -> None:
        for name, wait, step in (
            ("listen", self._wait_for_jobs, self._listen),
            ("poll", self._wait_for_a_poll, self._poll_in_turn),
        ):
            thread = threading.Thread(
                target=self._repeat, args=(name, wait, step), name=f"slurm-{name}", daemon=True
            )
            self._threads.append(thread)
            with activated(None):  # whatever is active where the first job is watched
                thread.start()

    def _repeat(self, what: str, wait: Callable[[], bool], step: Callable[[], None]) -> None:
        # A child that a callback has forked, and that comes back from it, must not take its parent's news.
        while self._process is forks.here() and wait():
            pause = self._retries.attempt(what, step)
            self._announce()
            self._pause(pause)

    def _wait_for_jobs(self) -> bool:
        with self._changed:
            while not (self._jobs or self._ended or self._closed):
                self._changed.wait()
            return not self._closed

    def _wait_for_a_poll(self) -> bool:
        """Wait until one is due, or there is something to write down."""
        with self._changed:
            while not (self._closed or self.notes):
                left = self._next_poll - time.monotonic() if self._jobs else None
                if left is not None and left <= 0:
                    break
                self._changed.wait(left)
            return not self._closed

    def _pause(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        with self._changed:
            while not self._closed and (left := until - time.monotonic()) > 0:
                self._changed.wait(left)

    def _poll_in_turn(self) -> None:
        self.notes.write()
        with self._polling:
            if time.monotonic() >= self._next_poll:
                self._poll()

    def _listen(self) -> None:
        """Wait for events for a while."""
        # While nothing happens the directory, which may be on a file server, is left more in peace.
        every = min(SLOWEST_SCAN, max(FASTEST_SCAN, self._poll_interval.interval / 20))
        try:
            news = self.backend.wait_events(
                self.event_dir, self._seen_events, LONGEST_LISTEN, every
            )
        except RemoteFileError:
            # Somebody tidied up, or a mount went stale: the scheduler has to do.
            self._pause(LONGEST_LISTEN)
            return
        self._seen_events = list(news)
        by_token = {job.token: job for job in self._live()}
        for token, success, result in (end for one in news.items() for end in ends_in(*one)):
            if token in by_token:
                if result is not None:
                    self.pushed.put(token, result)
                state = JobState.COMPLETED if success else JobState.FAILED
                seen = Observation(by_token[token].id, "event", state)
                futures = self._futures(seen.job_id)  # an id that several items share
                self._note_all((job, seen) for job in futures if job.token == token)

    def _poll(self) -> None:
        started = time.monotonic()
        self._note_all(written_ends(self.backend, [job for job in self._live() if job.unmet]))
        before = {job: job.status.state for job in self._live()}
        if before:
            seen = self._answers.of_all(self.backend, before)
            self._cancel_hopeless(seen)
            self._note_all(self._evidence.of_all(seen))
            self.listener.polled(self._live)
        self._polled = time.monotonic()
        self._polled_jobs = frozenset(before)
        self._schedule(before, self._polled - started)

    def _schedule(self, before: dict[JobRecord, JobState], took: float) -> None:
        with self._changed:
            # What ended meanwhile was told by its runner: no reason to ask sooner.
            changed = any(
                job.status.sightings or job.status.state != before.get(job, job.status.state)
                for job in self._every_future()
            )
            wanted_within = self.listener.seconds_to_poll()
            pause = self._poll_interval.after(
                changed=changed, took=took, wanted_within=wanted_within
            )
            self._next_poll = time.monotonic() + pause
            self._changed.notify_all()

    def _cancel_hopeless(self, seen: Iterable[Seen]) -> None:
        """Cancel, all at once, the jobs that wait for what can not happen any more."""
        hopeless = {job.id: None for job, one in seen if reduce(job.status, one).never_starts}
        if hopeless:
            self.backend.cancel_jobs(list(hopeless))

    def _note_all(self, seen: Iterable[tuple[JobRecord, Observation]]) -> None:
        """Callbacks are told once of a job, however many futures it has."""
        told = set()
        for job, observation in seen:
            self._note(job, observation, tell=job.token not in told)
            told.add(job.token)

    def _futures(self, job_id: str) -> Sequence[JobRecord]:
        with self._changed:
            return self._jobs.get(job_id, [])

    def _note(self, job: JobRecord, seen: Observation, *, tell: bool) -> None:
        """One observation at a time: a poll that took long must not undo what was seen meanwhile."""
        with self._changed:
            status = reduce(job.status, seen)
            if status.finished and job.id in self._jobs:
                self.notes.add(job, replace(seen, state=status.state))
                self._jobs[job.id] = [other for other in self._jobs[job.id] if other is not job]
                if not self._jobs[job.id]:
                    del self._jobs[job.id]
            badly = status.finished and status.state is not JobState.COMPLETED
            if badly and seen.source in ASKED:
                self.accounting.expect(job.id)
            if tell:  # before those who wait for the job: they may close the cluster
                self.listener.observed(job, job.status, status)
            job.observe(status)
            if status.finished:
                self._ended.append(job)

    def _announce(self) -> None:
        """Call back for the jobs that have ended; under no lock, for a callback may do anything.

        One at a time: while one thread does it, others leave theirs to it.
        """
        while True:
            with self._changed:
                if self._announcing or not self._ended:
                    return
                self._announcing = True
                job = self._ended[0]
            all_called = False
            try:
                job.call_back()
                all_called = True
            finally:  # Ctrl-C in a callback: the listening thread goes on with the others
                with self._changed:
                    self._announcing = False
                    if all_called:
                        self._ended.popleft()
                    self._changed.notify_all()

    def _live(self) -> Iterable[JobRecord]:
        with self._changed:
            return list(self._every_future())

    def _every_future(self) -> Iterable[JobRecord]:
        return itertools.chain.from_iterable(self._jobs.values())
