"""What a process made by ``fork`` must have for itself: it has the memory of its parent, and none of its threads.

A child would find locks that nobody gives back, wait for threads that do not exist there, and write into the pipes of
its parent. So what belongs to one process is made anew in a child when it is first used there:

- `Own`: what each process has one of; `Lock`: a lock that a child finds free;
- `here`, `renewing`: which process this is, for whoever keeps something for one process only;
- `in_child`, `held_back_by`: what is done at a fork itself, in whatever way Python makes it (``os.fork``,
  `multiprocessing`, a ``preexec_fn`` of `subprocess`); `at_exit`: what is done when a process ends.

The children of a C library's own fork run none of this.
"""

from __future__ import annotations

import atexit
import functools
import os
import sys
import threading
import weakref
from collections.abc import Callable
from typing import Any, Generic, TypeVar

T = TypeVar("T")

LONGEST_PAUSE = 5.0  # seconds for which a fork waits at most until a program has been started
LAST = -1  # of multiprocessing's priorities: after it has joined what this process has started

_process = object()
_renewing = threading.RLock()
_methods: dict[weakref.ref[Any], Callable[[Any], object]] = {}
_guards: list[Any] = []
_held = threading.local()


def here() -> object:
    """Stands for this process: another object in every child.

    >>> here() is here()
    True
    """
    return _process


class Own(Generic[T]):
    """What each process has one of, made when it is asked for, and again in a child that asks.

    `make` must be quick and wait for nobody.

    >>> numbers = Own(list)
    >>> numbers.get().append(1)
    >>> numbers.get(), numbers.known
    ([1], [1])
    """

    __slots__ = ("_make", "_of", "_value")

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._of: object = None
        self._value: T | None = None

    def get(self) -> T:
        """This process's."""
        if self._of is not _process:
            with renewing():
                if self._of is not _process:
                    self._value = self._make()
                    self._of = _process
        return self._value  # type: ignore[return-value]  # `make` may return None

    @property
    def known(self) -> T | None:
        """This process's, if it has asked for it."""
        return self._value if self._of is _process else None

    @property
    def inherited(self) -> T | None:
        """What the parent of this process had, until this one has its own."""
        return None if self._of is _process else self._value


class Lock:
    """A lock that a child finds free, whoever held it when the child was made.

    `kind` makes it: ``threading.Lock`` or ``threading.RLock``.

    >>> with Lock():
    ...     pass
    """

    __slots__ = ("_own",)

    def __init__(self, kind: Callable[[], Any] = threading.Lock) -> None:
        self._own = Own(kind)
        self._own.get()

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        """As ``threading.Lock.acquire``."""
        return bool(self._own.get().acquire(blocking, timeout))

    def release(self) -> None:
        """As ``threading.Lock.release``; nothing in a child that has not taken it."""
        lock = self._own.known
        if lock is not None:
            lock.release()

    def __enter__(self) -> None:
        self.acquire()

    def __exit__(self, *exc_info: object) -> None:
        self.release()


def renewing() -> Any:
    """``with renewing():`` one thread at a time makes anew what another process has made; for a moment only."""
    return _renewing


def in_child(method: Callable[[], object]) -> None:
    """Have a bound `method` called in every child as it begins, before anything else, while its object lives; one for each object."""
    bound: Any = method
    _methods[weakref.ref(bound.__self__, _methods.pop)] = bound.__func__


def held_back_by(lock: Any) -> None:
    """Have no fork while `lock` is held, for a few seconds at most: it is held while a program is being started.

    A child that was made meanwhile would keep the program's pipes open.
    """
    _guards.append(lock)


def at_exit(method: Callable[[], object]) -> None:
    """Have a bound `method` called when this process ends, if its object lives then.

    Also when that is one of `multiprocessing`'s: older Pythons call nothing of `atexit` there, and none calls what the
    parent has registered.
    """
    call = functools.partial(_call, weakref.WeakMethod(method))
    atexit.register(call)
    process = sys.modules.get("multiprocessing.process")
    if process is not None and process.parent_process() is not None:
        from multiprocessing.util import Finalize

        Finalize(None, call, exitpriority=LAST)


def _call(reference: Callable[[], Callable[[], object] | None]) -> None:
    method = reference()
    if method is not None:
        method()


def _before() -> None:
    _held.locks = [lock for lock in _guards if lock.acquire(timeout=LONGEST_PAUSE)]


def _in_parent() -> None:
    for lock in _held.locks:
        lock.release()


def _in_child() -> None:
    global _process, _renewing
    _process, _renewing = object(), threading.RLock()
    for lock in _guards:
        if lock.locked():  # also by a thread that does not exist here
            lock.release()
    for reference, function in list(_methods.items()):
        owner = reference()
        if owner is not None:
            function(owner)


os.register_at_fork(before=_before, after_in_parent=_in_parent, after_in_child=_in_child)
