"""Waiting for items of an array, or for all of them: what its record has for those who do."""

from __future__ import annotations

import abc
import contextlib
import threading
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from slurm.tracking.record import Watched
from slurm.tracking.waiting import Call, Waiting

if TYPE_CHECKING:
    from slurm.tracking.item_states import ItemStates


class WaitedArray(Watched):
    """An array as whoever waits for it knows it.

    A forked child that asks for anything about it has it watched there; what its parent waits for is the parent's.
    """

    def __init__(self) -> None:
        self._here = Waiting()
        self._futures: weakref.WeakValueDictionary[int, Any] = weakref.WeakValueDictionary()

    @property
    @abc.abstractmethod
    def states(self) -> ItemStates:
        """What is known of each item."""

    @property
    @abc.abstractmethod
    def count(self) -> int:
        """How many items it has."""

    @property
    @abc.abstractmethod
    def has_failed(self) -> bool:
        """Whether any item has ended, and not well."""

    @abc.abstractmethod
    def id_of(self, index: int | None) -> str:
        """The scheduler's id of the array task that runs an item; without one, those of the array."""

    @property
    def changing(self) -> Any:
        """Held by whoever changes anything about it, for a moment."""
        return self._waiting.changing

    @property
    def _waiting(self) -> Waiting:
        self._be_here()
        return self._here

    @abc.abstractmethod
    def _be_here(self) -> None:
        """In a forked child: nobody else waits here, and nobody watches the array yet."""

    def _is_over(self, index: int) -> bool:
        return self._here.abandoned or self.states.statuses[index].finished

    def wait(self, timeout: float | None, *, or_failed: bool = False) -> bool:
        """Wait until all items have ended, `or_failed` until one has not ended well, or until nobody watches any more.

        Returns whether that came in time.
        """
        waiting = self._waiting

        def enough() -> bool:
            return waiting.abandoned or self.finished or (or_failed and self.has_failed)

        with waiting.changing:
            if enough():
                return True
            one = (enough, threading.Event())
            waiting.enough.append(one)
        try:
            return one[1].wait(timeout)
        finally:
            with waiting.changing:
                waiting.enough.remove(one)

    def wait_for(self, index: int, timeout: float | None) -> bool:
        """Wait for an item's end, as `JobRecord.wait`."""
        waiting = self._waiting
        with waiting.changing:
            if self._is_over(index):
                return True
            news = waiting.news.setdefault(index, threading.Event())
        return news.wait(timeout)

    def add_callback(self, index: int, function: Callable[[], object]) -> None:
        """Have `function` called when an item has ended; at once if it has."""
        waiting = self._waiting
        with waiting.changing:
            if not self._is_over(index):
                waiting.callbacks.setdefault(index, []).append(function)
                return
        Call(self, index, function).make()

    def call_when_all_have_ended(self, function: Callable[[], object]) -> None:
        """Have `function` called when the last item has ended; at once if all have."""
        waiting = self._waiting
        with waiting.changing:
            if not (waiting.abandoned or self.finished):
                waiting.last.append(function)
                return
        Call(self, None, function).make()

    def call_for_each(self, function: Callable[[int], object]) -> list[int]:
        """Have `function` called with the index of each item that ends from now on; returns those that have ended."""
        waiting = self._waiting
        with waiting.changing:
            if waiting.abandoned or self.finished:
                return list(range(self.count))
            waiting.each.append(function)
            return [n for n, one in enumerate(self.states.statuses) if one.finished]

    def call_no_more(self, function: Callable[[int], object]) -> None:
        """Have `function` called no longer."""
        waiting = self._waiting
        with waiting.changing, contextlib.suppress(ValueError):
            waiting.each.remove(function)

    def future_of(self, index: int, make: Callable[[], Any], *, hold: bool = False) -> Any:
        """The future of an item that somebody holds, or what `make` returns; see `JobRecord.future`."""
        waiting = self._waiting
        with waiting.changing:
            known = self._futures.get(index)
            if known is None:
                known = self._futures[index] = make()
            if hold and not self._is_over(index):
                waiting.held[index] = known
            return known
