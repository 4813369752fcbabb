"""Whether the job in this process has to end soon, and its way back into the queue.

The runner says when a job begins. Then

- the warning signal (SIGUSR1, some time before the limit) sets `should_stop`;
- in a task that may be requeued so does SIGTERM, which announces a preemption; any other task dies of it;
- `requeue` puts the job back into the queue and unwinds its function;
- if the function of a task that may be requeued has not ended shortly before the limit, a thread asks
  for the requeue, and the scheduler ends the process.

A job that goes back leaves no result and no event: to the client it has not ended.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any, NoReturn

from slurm.agent.errors import AgentError
from slurm.agent.json_files import read_json_if_whole, update_json
from slurm.errors import SlurmError
from slurm.node.job_id import own_job_id
from slurm.node.time_left import NEVER, ask_time_left, end_time_of
from slurm.sbatch.signal_and_requeue import SignalAndRequeue

WARNED = "SLURM_SDK_WARNED"  # the job script's note of a signal that came before Python was there
BACK_IN_THE_QUEUE = os.EX_TEMPFAIL
SHORTLY = 0.25  # of the time between warning and limit, for the scheduler to do what it is asked
RETRY = 1.0  # seconds
LOOK_AGAIN = 600.0  # seconds; somebody may have changed the limit
LOCAL_STATE = "SLURM_SDK_LOCAL_STATE"  # where the local scheduler is, which ran this job
LIVES = ("RUNNING", "SUSPENDED", "RESIZING", "SIGNALING", "STOPPED", "UNKNOWN")


class Stopping:
    """What this process knows about the end of its job. There is one: `own_job`.

    `told`: it has to end soon. `leaving`: it leaves no result, whatever its function does. `requeued`:
    it does so because the scheduler agreed to run it again, not because somebody is ending it already.
    """

    def __init__(self) -> None:
        self.told: bool = False
        self.leaving: bool = False
        self.requeued: bool = False
        self._told_at = 0.0
        self._process = 0
        self._running = False
        self._deciding = threading.Lock()
        self._environ: Mapping[str, str] = {}
        self._signal_and_requeue = SignalAndRequeue()
        self._notes = ""
        self._doorbell = -1

    def begin(self, environ: Mapping[str, str], notes: str) -> None:
        """Listen to the scheduler from now on; only the main thread can.

        `notes` is the ``metadata.json`` in which requeues are counted.
        """
        self._process = os.getpid()
        self._environ = dict(environ)
        self._signal_and_requeue = SignalAndRequeue.of_environment(environ)
        self._notes = notes
        heard = {signal.SIGUSR1} if self._signal_and_requeue.warning_seconds is not None else set()
        if self.may_come_back:
            heard.add(signal.SIGTERM)
        for number in heard:
            signal.signal(number, self._hear)
        self._leave_to_children(heard)
        if self.may_come_back:
            doorbell, self._doorbell = os.pipe()
            os.set_blocking(self._doorbell, False)
            watch = threading.Thread(target=self._watch, args=(doorbell,), daemon=True)
            watch.start()
        lead = self._signal_and_requeue.warning_seconds
        if lead is not None and (WARNED in environ or self._warning_is_due(lead)):
            self._hear(signal.SIGUSR1)

    def _warning_is_due(self, lead: float) -> bool:
        """Whether it may have come, and passed, before anybody could hear it."""
        return self._seconds_left() <= lead and self._seconds_left(ask=True) <= lead

    @property
    def may_come_back(self) -> bool:
        """Whether the task may be requeued."""
        return self._signal_and_requeue.requeues > 0

    def _leave_to_children(self, heard: set[signal.Signals]) -> None:
        """A child, such as a worker of multiprocessing, ends when it is told to.

        Also when that is before it has let go of our handlers: Python forgets such a signal, and the
        child would wait for ever. So all of these are held back while a process forks.
        """
        held_before = threading.local()

        def hold() -> None:
            held_before.mask = signal.pthread_sigmask(signal.SIG_BLOCK, heard)

        def let_go() -> None:
            signal.pthread_sigmask(signal.SIG_SETMASK, held_before.mask)

        def forget() -> None:
            for number in heard:
                if signal.getsignal(number) == self._hear:
                    signal.signal(number, signal.SIG_DFL)
            let_go()

        if heard:
            os.register_at_fork(before=hold, after_in_parent=let_go, after_in_child=forget)

    def _hear(self, number: int, frame: Any = None) -> None:
        """In a signal handler: nothing here may wait."""
        self.told, self._told_at = True, time.time()
        if number == signal.SIGUSR1 and self._doorbell >= 0:
            with contextlib.suppress(BlockingIOError):
                os.write(self._doorbell, b"!")

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """While the function runs the job may be requeued; not while what it returned is put away."""
        self._running = True
        try:
            yield
        finally:
            if os.getpid() == self._process:  # the lock of a forked child may be held for ever
                with self._deciding:
                    self._running = False

    def requeue(self) -> NoReturn:
        """Put the job back into the queue, and unwind. See `JobContext.requeue`."""
        with self._deciding:
            self._requeue()
        raise SystemExit(BACK_IN_THE_QUEUE)  # silent in any thread, and asyncio lets it pass

    def leave_the_rest(self) -> bool:
        """Between the items of an array's task: whether the others are left to the next attempt."""
        if self.told and self.may_come_back and not self.leaving:
            with self.running():
                self._requeue_by_itself()
        return self.leaving

    def _requeue(self) -> None:
        if self.leaving:
            return
        job_id = own_job_id(self._environ)
        if os.getpid() != self._process or not self._running:
            raise SlurmError("a job is requeued from the process of its function, while that runs")
        if not self.may_come_back:
            raise SlurmError(f"job {job_id} is not requeued: its task has no requeue=True")
        noted = read_json_if_whole(self._notes).get("requeues")
        before = noted if isinstance(noted, int) else 0
        if before >= self._signal_and_requeue.requeues:
            raise SlurmError(
                f"job {job_id} is not requeued: it has been {before} times, and requeue="
                f"{self._signal_and_requeue.requeues:.0f} allows no more"
            )
        update_json(self._notes, {"requeues": before + 1})
        try:
            self.requeued = _ask(job_id or "", self._environ)
        except AgentError as error:
            raise SlurmError(f"job {job_id} is not requeued: {error}") from error
        finally:
            if not self.requeued:
                update_json(self._notes, {"requeues": before})
        self.leaving = True

    # Shortly before the limit

    def _watch(self, doorbell: int) -> None:
        os.read(doorbell, 1)
        reserve = SHORTLY * (self._signal_and_requeue.warning_seconds or 0)
        while True:
            spare = self._seconds_left(ask=True) - reserve
            if spare <= 0:
                break
            time.sleep(min(spare, LOOK_AGAIN))
        self._requeue_by_itself()

    def _requeue_by_itself(self) -> None:
        """Keep asking a scheduler that does not answer."""
        while self._try_to_requeue():
            time.sleep(RETRY)

    def _try_to_requeue(self) -> bool:
        """Ask, unless the function has ended meanwhile; whether to try again."""
        with self._deciding:
            if not self._running or self.leaving:
                return False
            try:
                self._requeue()
            except SlurmError as error:
                say(f"slurm-tasks: {error}")
                cause = error.__cause__
                passing = isinstance(cause, AgentError) and cause.kind == "unreachable"
                return passing and self._seconds_left() > 0
        if self.requeued:
            say("slurm-tasks: the time limit is near, and the job goes back into the queue")
        return False

    def _seconds_left(self, ask: bool = False) -> float:
        """Until the limit as it was at the start, or as the scheduler has it now if asked.

        Only the scheduler has the right time: this node's clock may be minutes off.
        """
        if ask and LOCAL_STATE not in self._environ:
            left = ask_time_left(own_job_id(self._environ) or "")
            if left != NEVER:
                return left
        end = end_time_of(self._environ)
        if end is None:
            # Nobody can tell: then the warning is all there is to go by.
            end = (
                self._told_at + (self._signal_and_requeue.warning_seconds or 0)
                if self.told
                else NEVER
            )
        return end - time.time()


own_job: Stopping = Stopping()


def _ask(job_id: str, environ: Mapping[str, str]) -> bool:
    """Have the scheduler requeue the job; False when somebody is ending it already.

    Slurm would requeue a job also while it is being cancelled, and it could never be got rid of. One
    that is being preempted it requeues itself.
    """
    scheduler: Any
    state_dir = environ.get(LOCAL_STATE)
    if state_dir:
        from slurm.local.scheduler import LocalScheduler

        scheduler = LocalScheduler(state_dir)
    else:
        from slurm.agent.slurm_commands import SlurmCommands

        scheduler = SlurmCommands()
    if any(row["state"] not in LIVES for row in scheduler.query([job_id])):
        return False
    scheduler.requeue(job_id)
    return True


def say(text: str) -> None:
    """A line for the job's stderr, which the task may have closed or replaced."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        sys.stderr.write(text + "\n")
        sys.stderr.flush()
