"""Questions in threads, so that nobody has to wait for a cluster that does not answer."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


async def answer_of(question: Callable[[], T]) -> T:
    """What a function returns or raises that runs in a thread of its own.

    The thread is left to itself where nobody waits for it any more. Those of `asyncio.to_thread` are waited for when the
    loop ends, so that a program could not be left while a question is on its way.

    >>> asyncio.run(answer_of(lambda: 42))
    42
    """
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[T] = loop.create_future()

    def settle(value: T | None, error: BaseException | None) -> None:
        if answer.done():  # cancelled meanwhile
            return
        if error is not None:
            answer.set_exception(error)
        else:
            answer.set_result(value)  # type: ignore[arg-type]

    def ask() -> None:
        value, raised = None, None
        try:
            value = question()
        except BaseException as error:  # noqa: BLE001 - it is raised where the answer is waited for
            raised = error
        with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(settle, value, raised)

    threading.Thread(target=ask, daemon=True, name="slurm dash question").start()
    return await answer


async def told(event: asyncio.Event, within: float | None) -> None:
    """Wait for the event, at most so many seconds, and clear it."""
    with contextlib.suppress(asyncio.TimeoutError):
        await asyncio.wait_for(event.wait(), within)
    event.clear()
