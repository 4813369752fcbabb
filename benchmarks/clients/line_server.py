"""How the harness asks a program to do one thing at a time: a line of JSON in, a line of JSON out.

What is timed is timed in here, by the program's own clock, so that the way to it costs nothing.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

CORES = 2


def serve(operations: Mapping[str, Callable[..., Any]]) -> None:
    """Answer requests until stdin ends. What a library prints goes to stderr, not among the answers."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    known = {"keep_to_two_cores": keep_to_two_cores, **operations}
    _answer(answers, {"result": sys.version.split()[0]})
    for line in sys.stdin:
        request = json.loads(line)
        try:
            _answer(answers, {"result": known[request["op"]](**request["params"])})
        except Exception as error:  # noqa: BLE001 - the harness says which program failed, and how
            _answer(answers, {"error": f"{type(error).__name__}: {error}"})


def _answer(stream: Any, answer: Mapping[str, Any]) -> None:
    stream.write(json.dumps(answer) + "\n")
    stream.flush()


def seconds_of(run: Callable[[], object]) -> float:
    """How long `run` takes."""
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def keep_to_two_cores() -> None:
    """Keep this process, and so all it starts, to two cores, where the system can do that."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])
