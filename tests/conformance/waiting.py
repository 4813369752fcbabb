"""Waiting for what cannot call back. With the conformance suite, for that goes to the login node alone."""

from __future__ import annotations

import time
from collections.abc import Callable

PATIENCE = 60.0  # seconds for anything that a test waits for


def wait_until(
    true: Callable[[], object], what: str, seconds: float = PATIENCE, every: float = 0.02
) -> None:
    """Ask again and again whether something is `true`; fails with `what` that should have been."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}"
        time.sleep(every)
