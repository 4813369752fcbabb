"""One observer per cluster: asks about all its jobs at once and completes their futures."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence

from slurm import forks
from slurm.api.base import BackendBase
from slurm.api.site import Site
from slurm.context import activated
from slurm.errors import RemoteFileError, SlurmError
from slurm.job_dir.news import Result, ends_in
from slurm.states import SAYING_WHAT_IS, JobState, Observation, reduce
from slurm.tracking.accounting import Accounting
from slurm.tracking.deadline import Moment
from slurm.tracking.end_notes import EndNotes
from slurm.tracking.evidence import Evidence
from slurm.tracking.listener import Listener
from slurm.tracking.live_jobs import LiveJobs
from slurm.tracking.news import News
from slurm.tracking.poll_interval import PollInterval
from slurm.tracking.pushed_results import PushedResults
from slurm.tracking.question import Seen
from slurm.tracking.record import JobRecord, Record, Watched
from slurm.tracking.retries import Retries
from slurm.tracking.scheduler_answers import SchedulerAnswers
from slurm.tracking.written_ends import written_ends

logger: logging.Logger = logging.getLogger(__name__)

LONGEST_LISTEN = 2.0
UNKNOWN_TO_CONTROLLER = ("absent", "reused", "sacct")
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
        self._live = LiveJobs()
        self._changed = threading.Condition()
        self._news = News(
            self.backend, self._live, self._changed, listener=listener, accounting=accounting
        )
        self.notes: EndNotes = self._news.notes
        self._evidence = Evidence(self.backend)
        self._answers = SchedulerAnswers()
        self._seen_events: list[str] = []
        self._polling = threading.Lock()
        self._polled = float("-inf")
        self._polled_jobs: set[Watched] = set()
        self._new: dict[Watched, None] = {}  # watched since, in that order
        self._poll_interval = PollInterval(interval_min, interval_max)
        self._next_poll = 0.0
        self._retries = Retries(interval_min, interval_max)
        self._threads: list[threading.Thread] = []
        self._closed = False
        self._process = forks.here()

    def watch(self, jobs: Iterable[Record]) -> None:
        """Complete each of `jobs` when it ends. Watching one twice is watching it once."""
        ids = {one: one.ids for one in (job.watched for job in jobs)}
        with self._changed:
            for one, known_as in ids.items():
                if one.finished or one in self._live:
                    continue
                if self._closed:
                    name = ",".join(known_as)
                    raise SlurmError(f"job {name} cannot be watched: its cluster was closed")
                self._live.add(one)
                self._new[one] = None
                self._hurry()
            if self._live and not self._threads:
                self._start()

    def hurry(self) -> None:
        """Poll again as soon as allowed: something was done that changes a job."""
        with self._changed:
            self._hurry()

    def refresh(self, job: Record) -> None:
        """Know `job` as it is now, or was at most `interval_min` seconds ago.

        A state that ends the job only if it stays is looked at until it is believed or gone.
        """
        self.watch([job])
        with self._polling:
            if time.monotonic() - self._polled >= self.interval_min:
                self._poll()
            elif job.watched not in self._polled_jobs:
                with self._changed:  # all new ones together, and the others not again
                    new, self._new = self._new, {}
                self._polled_jobs.update(self._ask([*{**new, job.watched: None}]))
        self._look_until_sure([job])

    def meet(self, jobs: Sequence[Record]) -> None:
        """Know jobs that were found again: all of `jobs` are looked at together, unless something was heard of each."""
        self.watch(jobs)
        with self._polling:
            if any(job.unmet for job in jobs):
                self._poll()
        self._look_until_sure(jobs)

    def _look_until_sure(self, jobs: Sequence[Record]) -> None:
        while not self._closed and any(one.uncertain for one in jobs):
            self._pause(self.interval_min)
            with self._polling:
                self._poll()
        self._news.announce()

    def cancel(self, jobs: Iterable[Record], *, whole: bool = False) -> None:
        """Have the scheduler cancel those of `jobs` that have not ended, or the `whole` arrays they are in.

        It is asked first, for by now their ids may be other jobs'; what it does not know at all needs no
        cancelling, and ``12`` could be an array of somebody who got the id of a job.
        """
        live = [job for job in jobs if not job.finished]
        seen = self._answers.of(self.backend, live)
        others = [(some, one) for some, one in seen if one.source == "reused"]
        self._news.take(others)
        for some, _ in others:
            logger.warning("%s is not cancelled: its id is another job's now, see JobLost", some)
        known = [some for some, one in seen if one.source not in UNKNOWN_TO_CONTROLLER]
        ids = [job_id for some in known for job_id in some.job_ids]
        if ids:
            whose = (one.partition("_")[0] if whole else one for one in ids)
            self.backend.cancel_jobs(list(dict.fromkeys(whose)))
        if live:
            self.hurry()

    def stop(self) -> None:
        """Watch no longer than the poll that is under way; whoever waits for a job is told."""
        with self._changed:
            self._closed = self._retries.quiet = True
            self._changed.notify_all()
            left = list(self._live)
        for one in left:
            one.abandon()

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
            self._news.announce()
            self._pause(pause)

    def _wait_for_jobs(self) -> bool:
        with self._changed:
            while not (self._live or self._news.untold or self._closed):
                self._changed.wait()
            return not self._closed

    def _wait_for_a_poll(self) -> bool:
        """Wait until one is due, or there is something to write down."""
        with self._changed:
            while not (self._closed or self.notes):
                left = self._next_poll - time.monotonic() if self._live else None
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
        told = [end for one in news.items() for end in ends_in(*one)]
        for success, state in ((True, JobState.COMPLETED), (False, JobState.FAILED)):
            results = {end.token: end.result for end in told if end.success is success}
            self._note_own_words(state, results)

    def _note_own_words(self, state: JobState, results: Mapping[str, Result | None]) -> None:
        """Runners say that the jobs with these tokens have ended so; their results came along where they are small."""
        with self._changed:
            ended = self._live.with_tokens(results)
        for token, result in results.items() if ended else ():
            if result is not None:
                self.pushed.put(token, result)
        self._news.take((jobs, Observation("", "event", state)) for jobs in ended)

    def _poll(self) -> None:
        started = time.monotonic()
        with self._changed:
            known, self._new = list(self._live), {}  # not those that are watched meanwhile
        self._news.moving = False
        asked = self._ask(known)
        if asked:
            self.listener.polled(self._live_jobs)
        self._polled = time.monotonic()
        self._polled_jobs = set(asked)
        self._schedule(self._polled - started)

    def _ask(self, jobs: Sequence[Watched]) -> list[Watched]:
        """Know these jobs and arrays as they are now; returns those of which the scheduler had to be asked."""
        unmet = [job for one in jobs if one.unmet for job in one.live_records()]
        self._news.take(written_ends(self.backend, unmet))
        asked = [one for one in jobs if not one.finished]
        if asked:
            news, answered = self._new_in(self._answers.of_all(self.backend, asked))
            self._cancel_hopeless(news)
            self._news.take(self._evidence.of_all(news))
            for one in asked if answered else ():
                one.met()
        return asked

    def _schedule(self, took: float) -> None:
        with self._changed:
            # What ended meanwhile was told by its runner: no reason to ask sooner.
            wanted_within = self.listener.seconds_to_poll()
            pause = self._poll_interval.after(
                changed=self._news.moving, took=took, wanted_within=wanted_within
            )
            self._next_poll = time.monotonic() + pause
            self._changed.notify_all()

    def _new_in(self, seen: Iterable[Seen]) -> tuple[list[Seen], bool]:
        """Without what the scheduler says again of jobs that go on, which is noted; and whether it has said anything."""
        at, news, answered = Moment(), [], False
        for jobs, one in seen:
            answered = True
            status = jobs.status
            as_before = one.source in SAYING_WHAT_IS and reduce(status, one) is status
            if as_before and not (status.finished or status.never_starts):
                jobs.seen_alive(at)
            else:
                news.append((jobs, one))
        return news, answered

    def _cancel_hopeless(self, seen: Iterable[Seen]) -> None:
        """Cancel, all at once, the jobs that wait for what can not happen any more."""
        never = (jobs for jobs, one in seen if reduce(jobs.status, one).never_starts)
        hopeless = dict.fromkeys(job_id for jobs in never for job_id in jobs.job_ids)
        if hopeless:
            self.backend.cancel_jobs(list(hopeless))

    def _all_live(self) -> Sequence[Watched]:
        with self._changed:
            return list(self._live)

    def _live_jobs(self) -> Iterable[JobRecord]:
        return (job for one in self._all_live() for job in one.live_records())
