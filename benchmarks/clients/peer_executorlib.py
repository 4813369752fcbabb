"""executorlib: many small calls on this machine, by its block allocation, whose workers stay."""

from __future__ import annotations

from executorlib import SingleNodeExecutor

from benchmarks.clients.line_server import CORES, seconds_of, serve


def add(left: int, right: int) -> int:
    """Next to no work."""
    return left + right


def main() -> None:
    """Serve an executor whose workers are there."""
    with SingleNodeExecutor(max_workers=CORES, block_allocation=True) as executor:

        def small_calls(count: int) -> float:
            """Calls a second, from the first one made to the last result."""

            def run() -> None:
                calls = [executor.submit(add, number, 1) for number in range(count)]
                if [call.result() for call in calls] != [number + 1 for number in range(count)]:
                    raise ValueError("the calls gave wrong results")

            return count / seconds_of(run)

        serve({"small_calls": small_calls})


if __name__ == "__main__":
    main()
