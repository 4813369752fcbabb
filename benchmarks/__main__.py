"""``python -m benchmarks``, in the checkout; ``make bench ARGS=...``."""

from __future__ import annotations

import argparse
import sys

from benchmarks import page
from benchmarks.driver import BenchmarkError
from benchmarks.measured import CATALOGUE
from benchmarks.results import Results
from benchmarks.runner import run, say, show
from slurm.testing import ClusterError


def main() -> int:
    """Run what was asked for; 1 when a bar is missed or something could not be measured."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "--only",
        action="append",
        choices=[*CATALOGUE],
        metavar="NAME",
        help=f"this one alone, may be repeated; the page stays as it is: {', '.join(CATALOGUE)}",
    )
    parser.add_argument("--quick", action="store_true", help="few samples, to try the harness out")
    parser.add_argument("--keep", action="store_true", help="leave the cluster for the next run")
    parser.add_argument(
        "--unit-tier", action="store_true", help="measure make test-unit as well, first and alone"
    )
    parser.add_argument(
        "--render", action="store_true", help="measure nothing, make the page anew from its JSON"
    )
    options = parser.parse_args()
    if options.render:
        page.write(Results.read(page.DATA))
        return 0
    try:
        found = run(
            options.only or [*CATALOGUE],
            quick=options.quick,
            keep=options.keep,
            unit_tier=options.unit_tier,
        )
    except (BenchmarkError, ClusterError) as error:
        say(str(error))
        return 1
    except KeyboardInterrupt:
        say("interrupted")
        return 130
    return show(found)


if __name__ == "__main__":
    sys.exit(main())
