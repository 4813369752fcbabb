"""``slurm jobs wait``: wait until jobs have ended."""

from __future__ import annotations

import argparse
import contextlib
import queue
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Union

import click

from slurm import ArrayJob, Cluster, Job
from slurm.cli.commands import TEXT, Checked, Command, cluster_options
from slurm.cli.jobs.found import found_or_plain
from slurm.cli.output import printed, say
from slurm.config.ages import age

GOES_ON, FAILED = 3, 4  # exit statuses, as slurm run has them
Waited = Union[Job[Any], ArrayJob[Any]]


@click.command(
    "wait",
    cls=Command,
    example="slurm jobs wait 4711 4712\nslurm jobs wait 4711 --timeout 2h --notify 'mail -s jobs me@example.org'",
)
@click.argument("jobs", metavar="JOB...", nargs=-1, required=True, type=TEXT)
@click.option(
    "--timeout",
    type=Checked(age, "age"),
    help="for how long, such as 2h (default: until they have ended)",
)
@click.option("--any", "first", is_flag=True, help="until the first of them has ended")
@click.option(
    "--notify",
    type=TEXT,
    metavar="TARGET",
    envvar="SLURM_NOTIFY",
    help="a command, which gets a line on stdin and in the place of {}, or the https:// address of a webhook (default: SLURM_NOTIFY)",
)
@cluster_options
@click.pass_context
def command(
    ctx: click.Context,
    jobs: tuple[str, ...],
    timeout: float | None,
    first: bool,
    notify: str | None,
    cluster_args: argparse.Namespace,
) -> None:
    """Wait until jobs have ended, and print a line for each that has.

    JOB is an id or a directory, as slurm jobs show takes it, or the id of a job that the SDK has not submitted.

    Exit status: 0 all have ended well, 3 some go on after the timeout, 4 one of those that ended did not end well.
    """
    tell = _teller(notify)
    cluster = Cluster.from_args(cluster_args)
    with contextlib.closing(cluster):
        waited = [one for word in jobs for one in found_or_plain(cluster, word)]
        ended: queue.Queue[Waited] = queue.Queue()
        for one in waited:
            one.add_done_callback(ended.put)
            one.done()  # known now, where it ended before: a timeout may be shorter than a look at the queue
        wanted = 1 if first else len(waited)
        done = _wait(ended, wanted, timeout)
        words = [in_words(one) for one in done]
        bad = [one for one in done if not one.is_successful()]
    tell(_message(words, len(waited) - len(done)))
    if bad:
        ctx.exit(FAILED)
    if len(done) < wanted:
        ctx.exit(GOES_ON)


def _teller(target: str | None) -> Callable[[str], None]:
    if target is None:
        return lambda line: None
    from slurm.callbacks.notify import Notifier

    notifier = Notifier(target)
    notifier.require()
    return notifier.send


def _wait(ended: queue.Queue[Waited], wanted: int, timeout: float | None) -> list[Waited]:
    """Those that have ended in time, each told as it ends."""
    until = None if timeout is None else time.monotonic() + timeout
    done: list[Waited] = []
    while len(done) < wanted:
        try:
            left = None if until is None else max(0.0, until - time.monotonic())
            done.append(ended.get(timeout=left))
        except queue.Empty:
            break
        say(printed(in_words(done[-1])))
    return done


def in_words(job: Waited) -> str:
    """How a job ended; of an array how many of its elements did how."""
    if isinstance(job, ArrayJob):
        states = Counter(str(one.status.state) for one in job.jobs)
        how = ", ".join(f"{count} {state}" for state, count in states.most_common())
    else:
        how = str(job.status.state)
    return f"{job.id} {job.task_name} {how}"


def _message(words: Sequence[str], left: int) -> str:
    goes_on = [f"{left} not waited for any more"] if left else []
    return "; ".join([*words, *goes_on])
