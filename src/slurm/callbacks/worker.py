"""The thread in which one callback is called."""

from __future__ import annotations

import contextlib
import functools
import logging
import queue
import threading
import time
from collections.abc import Callable, Sequence

from slurm.callbacks.base import (
    CLIENT_HOOKS,
    BaseCallback,
    HearsOfReasons,
    HearsOfResults,
    overrides,
)
from slurm.callbacks.contexts import CallbackContext
from slurm.callbacks.hooks import call_hook, close, name_of
from slurm.context import activated

logger: logging.Logger = logging.getLogger(__name__)

FETCHED, REASON = "result_fetched", "reason_changed"
# Beside the nine hooks: told to callbacks of these classes.
MORE_HOOKS: dict[str, type] = {FETCHED: HearsOfResults, REASON: HearsOfReasons}


class Worker:
    """Calls the hooks of one callback, in the order in which things are `put`, in one thread.

    The thread starts with the first of them and is a daemon: it keeps no program alive.
    """

    def __init__(self, callback: BaseCallback) -> None:
        self.callback = callback
        self.hooks: frozenset[str] = frozenset(
            hook for hook in CLIENT_HOOKS if overrides(callback, hook)
        ).union(hook for hook, kind in MORE_HOOKS.items() if isinstance(callback, kind))
        polls = "on_job_status_update_ctx" in self.hooks
        self._poll_interval = callback.poll_interval_secs if polls else None
        self._poll_at = float("-inf")
        self._behind = False
        self._calls: queue.Queue[Callable[[], None] | None] = queue.Queue()
        self._thread: threading.Thread | None = None
        self._closed = False
        self._last = True
        self._changing = threading.Lock()

    def put(self, hook: str, context: Callable[[], CallbackContext]) -> None:
        """Have `hook` called with what `context` returns then; after `close`, do nothing."""
        self._put(functools.partial(self._call, hook, context))

    def put_all(self, hook: str, contexts: Sequence[CallbackContext]) -> None:
        """Have `hook` called with each of `contexts`, for a poll that `take_poll` has allowed."""
        self._behind = True
        self._put(functools.partial(self._call_all, hook, contexts))

    def _put(self, call: Callable[[], None]) -> None:
        with self._changing:
            if self._closed:
                return
            self._calls.put(call)
            if self._thread is None:
                self._start()

    def _start(self) -> None:
        name = f"slurm-callback-{name_of(self.callback)}"
        thread = threading.Thread(target=self._run, name=name, daemon=True)
        # From 3.12 on Python starts no thread while it ends; then `close` makes the calls itself.
        with contextlib.suppress(RuntimeError), activated(None):
            thread.start()
            self._thread = thread

    def seconds_to_poll(self) -> float:
        """How long until the callback wants to be told of every live job; infinity if it never does."""
        if self._poll_interval is None:
            return float("inf")
        return self._poll_at - time.monotonic()

    def take_poll(self) -> bool:
        """Whether to tell of every live job now. Not while the callback is busy with the last time."""
        if self._poll_interval is None or self.seconds_to_poll() > 0:
            return False
        self._poll_at = time.monotonic() + self._poll_interval
        return not self._behind

    def drain(self, deadline: float | None) -> bool:
        """Wait until everything put so far is told, at most until `deadline` by the monotonic clock."""
        if threading.current_thread() is self._thread:
            return False  # a hook cannot wait for its own end
        left = None if deadline is None else max(0.0, deadline - time.monotonic())
        waiting = self._calls.all_tasks_done
        with waiting:
            return waiting.wait_for(lambda: not self._calls.unfinished_tasks, left)

    def close(self, *, last: bool) -> None:
        """Take nothing more; if this was the `last` of it, the callback's own `close` comes in the end."""
        with self._changing:
            if self._closed:
                return
            self._closed = True
            self._last = last
            self._calls.put(None)
            started = self._thread is not None
        if not started:
            self._run()

    def _run(self) -> None:
        call = self._calls.get()
        while call is not None:
            call()
            self._calls.task_done()
            call = self._calls.get()
        if self._last:
            close(self.callback)
        self._calls.task_done()

    def _call_all(self, hook: str, contexts: Sequence[CallbackContext]) -> None:
        for context in contexts:
            call_hook(self.callback, hook, context)
        self._behind = False

    def _call(self, hook: str, context: Callable[[], CallbackContext]) -> None:
        try:
            told = context()
        except Exception:  # a bug of ours must not silence the callback for ever
            logger.exception("%s is not called: there is nothing to tell it", hook)
            return
        call_hook(self.callback, hook, told)

    @property
    def left(self) -> int:
        """How much is still to be told."""
        return self._calls.unfinished_tasks
