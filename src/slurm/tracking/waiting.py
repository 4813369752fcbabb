"""Who waits for jobs, and is called when they have ended."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple, Protocol

from slurm import forks

logger: logging.Logger = logging.getLogger(__name__)


class Owner(Protocol):
    """Whose end it is that is told: a job's, or that of an item of an array."""

    def id_of(self, index: int | None) -> str:
        """The scheduler's id of the job; without an index of the array as a whole."""


class Call(NamedTuple):
    """A `function` that wants to be called when the job of an `item`, or the whole array, has ended."""

    owner: Owner
    item: int | None
    function: Callable[..., object]
    arguments: tuple[Any, ...] = ()

    def make(self) -> None:
        """Call it. What it raises is logged."""
        try:
            self.function(*self.arguments)
        except BaseException as error:
            # The user's own; it must not end a thread that watches all jobs.
            pressed = isinstance(error, KeyboardInterrupt)
            if pressed and threading.current_thread() is threading.main_thread():
                raise
            logger.exception("a callback of job %s failed", self.owner.id_of(self.item))


class Calls:
    """What is to be called, each once, and under no lock, for it may do anything; `held` are the futures of that.

    One that is interrupted goes on with the next.
    """

    __slots__ = ("_left", "held")

    def __init__(self, calls: Iterable[Call], held: Sequence[object] = ()) -> None:
        self._left = deque(calls)
        self.held: Sequence[object] = held

    def make(self) -> None:
        """Make them, in their order."""
        while self._left:
            self._left.popleft().make()


class Waiting:
    """What one process has of an array that several may know: who waits in it for its items.

    - `callbacks`, `news`, `held`: of single items, by their index: whom to call, whom to wake, whose future is held;
    - `each`: called with the index of each item that has ended; `last`: called when all have;
    - `enough`: wakes who waits for more than one item, where the test beside it holds.
    """

    __slots__ = (
        "abandoned",
        "callbacks",
        "changing",
        "each",
        "enough",
        "held",
        "last",
        "news",
        "process",
    )

    def __init__(self) -> None:
        self.process: object = forks.here()
        self.changing: Any = (
            threading.RLock()
        )  # what is collected meanwhile may be a user's, and ask
        self.abandoned: bool = False
        self.callbacks: dict[int, list[Callable[[], object]]] = {}
        self.news: dict[int, threading.Event] = {}
        self.held: dict[int, Any] = {}
        self.each: list[Callable[[int], object]] = []
        self.last: list[Callable[[], object]] = []
        self.enough: list[tuple[Callable[[], bool], threading.Event]] = []

    def over(self, owner: Owner, indices: Iterable[int], *, all_of_it: bool) -> Calls | None:
        """These items have ended, or nobody watches them any more: whom to call for that."""
        calls: list[Call] = []
        held = []
        if self.callbacks or self.news or self.held or self.each:
            for index in indices:
                if index in self.news:
                    self.news.pop(index).set()
                calls += (Call(owner, index, one) for one in self.callbacks.pop(index, ()))
                calls += (Call(owner, index, one, (index,)) for one in self.each)
                if index in self.held:
                    held.append(self.held.pop(index))
        if all_of_it:
            calls += (Call(owner, None, one) for one in self.last)
            self.each, self.last = [], []
        return Calls(calls, held) if calls or held else None

    def wake(self) -> None:
        """Wake those for whom it is enough by now."""
        for test, event in self.enough:
            if test():
                event.set()
