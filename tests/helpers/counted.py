"""How much Python does, counted and not timed: the same on a busy machine."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

NOISE = 1.15  # what twice the work may take more than twice the steps: tables that grow, first uses


def steps_of(work: Callable[[], object]) -> int:
    """The steps of Python's interpreter that `work` takes in this thread."""
    count = 0

    def step(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal count
        frame.f_trace_lines, frame.f_trace_opcodes = False, True
        count += event == "opcode"
        return step

    before = sys.gettrace()
    sys.settrace(step)
    try:
        work()
    finally:
        sys.settrace(before)
    return count


def assert_linear(work: Callable[[int], Callable[[], object]], size: int) -> None:
    """Twice the size takes about twice the steps; `work` prepares what is counted for a size."""
    work(size)()  # what is done once, at the first use
    once, twice = (steps_of(work(size * times)) for times in (1, 2))
    assert twice <= 2 * NOISE * once, f"{once} steps for {size}, {twice} for twice as many"
