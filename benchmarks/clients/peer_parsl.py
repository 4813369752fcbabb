"""parsl: many small calls on this machine, by its HighThroughputExecutor, whose workers stay."""

from __future__ import annotations

import sys

import parsl
from parsl.config import Config
from parsl.executors import HighThroughputExecutor
from parsl.providers import LocalProvider

from benchmarks.clients.line_server import CORES, seconds_of, serve


def add(left: int, right: int) -> int:
    """Next to no work."""
    return left + right


add_there = parsl.python_app(add)


def small_calls(count: int) -> float:
    """Calls a second, from the first one made to the last result."""

    def run() -> None:
        calls = [add_there(number, 1) for number in range(count)]
        if [call.result() for call in calls] != [number + 1 for number in range(count)]:
            raise ValueError("the calls gave wrong results")

    return count / seconds_of(run)


def main() -> None:
    """Serve parsl with its files in the folder that the argument names."""
    workers = HighThroughputExecutor(
        label="here",
        address="127.0.0.1",
        max_workers_per_node=CORES,
        provider=LocalProvider(init_blocks=1, min_blocks=1, max_blocks=1),
    )
    with parsl.load(Config(executors=[workers], run_dir=sys.argv[1], usage_tracking=0)):
        serve({"small_calls": small_calls})


if __name__ == "__main__":
    main()
