"""One task, its result, and where it ran: ``python -m slurm.examples.hello_world``."""

from __future__ import annotations

import argparse
import platform
import sys

from slurm import Cluster, JobContext, task
from slurm.examples import command_line

PROGRAM = "hello_world"


@task(time="00:05:00", mem="100M")
def hello(job: JobContext, name: str) -> dict[str, str]:
    """Greet `name` from wherever this runs; `job` is filled in there."""
    print(f"about to greet {name}")
    return {
        "greeting": f"Hello, {name}!",
        "job_id": job.job_id,
        "node": platform.node(),
        "python": platform.python_version(),
    }


def arguments() -> argparse.ArgumentParser:
    """The command line."""
    parser = command_line.parser_for(PROGRAM, "Say hello from a Slurm job.")
    parser.add_argument("--name", type=command_line.text, default="world", help="whom to greet")
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run the example; returns the exit status."""
    return command_line.run(PROGRAM, _main, arguments().parse_args(argv))


def _main(args: argparse.Namespace) -> None:
    cluster = Cluster.from_args(args)
    try:
        with cluster:
            job = hello(args.name)  # submitted, not waited for
        said = job.get_result()
        printed = job.get_stdout()
    finally:
        cluster.close()
    print(said["greeting"])
    print(f"  job       {said['job_id']} on {said['node']}, Python {said['python']}")
    print(f"  directory {job.job_dir}")
    print(f"  printed   {printed.strip()}")


if __name__ == "__main__":
    sys.exit(main())
