"""``slurm jobs rerun``: submit a job again, or what failed of an array."""

from __future__ import annotations

import argparse
import contextlib

import click

from slurm import ArrayJob, Cluster, Job
from slurm.agent.job_ids import ranges
from slurm.cli.commands import TEXT, Command, cluster_options
from slurm.cli.jobs.found import Found, found
from slurm.cli.jobs.sbatch_words import sbatch_options
from slurm.cli.output import printed
from slurm.errors import ConfigError
from slurm.sbatch.overlay import overlay
from slurm.submit.rerun import rerun


@click.command(
    "rerun",
    cls=Command,
    context_settings={"ignore_unknown_options": True},
    example="slurm jobs rerun 4711 --mem=16G\nslurm jobs rerun 4712 --time=4:00:00\nslurm jobs rerun 4712_3",
)
@click.argument("job", metavar="JOB", type=TEXT)
@click.argument("options", metavar="[SBATCH OPTION]...", nargs=-1, type=click.UNPROCESSED)
@cluster_options
def command(job: str, options: tuple[str, ...], cluster_args: argparse.Namespace) -> None:
    """Submit a job again as it was submitted, or those elements of an array that did not end well.

    It runs with the arguments and the code that were stored for it, with the options that it had and those given here over
    them, in a directory of its own. Elements become an array of their own; one that is named (4712_3) runs again however it
    ended. A job that goes on is refused, and so is one of which an earlier rerun goes on.
    """
    wanted = sbatch_options(options)
    if cluster_args.account is not None:
        wanted = overlay({"account": cluster_args.account}, wanted)
    cluster = Cluster.from_args(cluster_args)
    with contextlib.closing(cluster):
        again = again_from(cluster, found(cluster, job), wanted)
        said = f"{again.id} {again.task_name} in {again.job_dir}"
    click.echo(printed(said))


def again_from(
    cluster: Cluster, job: Found, options: dict[str, str | None]
) -> Job[object] | ArrayJob[object]:
    """What it becomes. Raises `ConfigError` for what goes on, and for an array in which nothing failed."""
    if isinstance(job, ArrayJob):
        going = [one for one in job.jobs if not _has_ended(one)]
        items = [number for number, one in enumerate(job.jobs) if not one.is_successful()]
        if going:
            raise ConfigError(
                f"array {job.id} ({job.task_name}) goes on: {len(going)} of its {len(job)} elements have not ended"
            )
        if not items:
            raise ConfigError(
                f"all elements of array {job.id} ({job.task_name}) ended well: name those to rerun, as {job.id}_3"
            )
        click.echo(f"elements {ranges(items)} of {len(job)}", err=True)
        return _rerun(cluster, job.job_dir, options, items)
    if not _has_ended(job):
        raise ConfigError(
            f"job {job.id} ({job.task_name}) goes on: {job.status.state}; wait for it, or cancel it first"
        )
    if job.element is None:
        return _rerun(cluster, job.job_dir, options, None)
    array = ArrayJob.from_dir(job.element.array.path, cluster)
    items = [number for number, record in enumerate(array.records) if record.id == job.id]
    return _rerun(cluster, array.job_dir, options, items)  # of a pack all that its job runs


def _has_ended(job: Job[object]) -> bool:
    job.get_status()
    return job.is_completed()


def _rerun(
    cluster: Cluster, path: str, options: dict[str, str | None], items: list[int] | None
) -> Job[object] | ArrayJob[object]:
    again: Job[object] | ArrayJob[object] = rerun(path, cluster.submitter, options, items)
    return again
