"""``slurm submit``: a task of a file as a job, without a script that submits it."""

from __future__ import annotations

import argparse
import contextlib
import importlib
import inspect
import json
import os
import sys
import traceback
from typing import Any

import click

from slurm import Cluster, Job
from slurm.cli.commands import TEXT, Checked, Command, cluster_options
from slurm.cli.jobs.sbatch_words import sbatch_options
from slurm.cli.output import printed, say
from slurm.config.checks import suggestion
from slurm.config.command_line import lead_nowhere
from slurm.context import loading_script
from slurm.errors import ConfigError, SlurmError
from slurm.submit.calls import call_of
from slurm.task import SlurmTask

NOT_WELL = 4  # exit status of a job that did not end well, as slurm jobs wait has it


def assignment(given: str) -> tuple[str, Any]:
    """A type of a command line: ``name=value``, where the value is JSON, or else text.

    >>> assignment("rate=0.1"), assignment("name=best"), assignment('sizes=[1, 2]'), assignment('id="7"')
    (('rate', 0.1), ('name', 'best'), ('sizes', [1, 2]), ('id', '7'))
    """
    name, equals, value = given.partition("=")
    if not equals or not name.isidentifier():
        raise argparse.ArgumentTypeError(f"{given!r} is no argument: write name=value")
    try:
        return name, json.loads(value)
    except (ValueError, RecursionError):
        return name, value


@click.command(
    "submit",
    cls=Command,
    context_settings={"ignore_unknown_options": True},
    example="slurm submit train.py:train --arg rate=0.1 --arg name=best --mem=8G\nslurm submit mine.tasks:count --follow",
)
@click.argument("task", metavar="FILE.py:TASK", type=TEXT)
@click.argument("options", metavar="[SBATCH OPTION]...", nargs=-1, type=click.UNPROCESSED)
@click.option(
    "--arg",
    "arguments",
    multiple=True,
    type=Checked(assignment),
    metavar="NAME=VALUE",
    help="an argument of the task: a value in JSON, else text; once for each",
)
@click.option("--key", type=TEXT, help="the same key never makes a second job")
@click.option("--wait", is_flag=True, help="wait until it has ended")
@click.option("--follow", is_flag=True, help="print what it prints until it has ended")
@cluster_options
@click.pass_context
def command(
    ctx: click.Context,
    task: str,
    options: tuple[str, ...],
    arguments: tuple[tuple[str, Any], ...],
    key: str | None,
    wait: bool,
    follow: bool,
    cluster_args: argparse.Namespace,
) -> None:
    """Submit a task as a job, and print its id, its name and its directory.

    FILE.py:TASK is a task in a file, package.module:TASK one in a module that can be imported here. Options of sbatch take
    the place of those that the task has: --mem=8G, --time 2:00:00.

    Exit status with --wait or --follow: 0 it ended well, 4 it did not.
    """
    wanted = sbatch_options(options)
    found = task_at(task)
    values = dict(arguments)
    if len(values) < len(arguments):
        raise ConfigError("--arg: each argument of the task may be given once")
    _check_arguments(found, values)
    cluster = Cluster.from_args(cluster_args)
    with contextlib.closing(cluster):
        job: Job[Any] = cluster.submit(found.with_options(**wanted), key=key)(**values)
        say(printed(f"{job.id} {job.task_name} in {job.job_dir}"))
        if follow:
            _follow(job)
        if (follow or wait) and not _ended_well(job):
            ctx.exit(NOT_WELL)


def task_at(word: str) -> SlurmTask[..., Any]:
    """The task that ``file.py:name`` or ``module:name`` names. Raises `ConfigError`."""
    place, colon, name = word.rpartition(":")
    if not colon or not place or not name:
        raise ConfigError(f"{word!r} names no task: write FILE.py:TASK, or package.module:TASK")
    module = _module_at(place)
    tasks = [one for one, value in vars(module).items() if isinstance(value, SlurmTask)]
    found = getattr(module, name, None)
    if not isinstance(found, SlurmTask):
        is_there = " is no task: put @task before it" if found is not None else " is not there"
        near = suggestion(name, tasks) or (f"; tasks are {', '.join(tasks)}" if tasks else "")
        raise ConfigError(f"{place}: {name}{is_there}{near}")
    return found


def _module_at(place: str) -> Any:
    if not place.endswith(".py"):
        return _imported(place, place, os.getcwd())
    path = os.path.abspath(os.path.expanduser(place))
    folder, file = os.path.split(path)
    name = file[: -len(".py")]
    if not os.path.isfile(path):
        raise ConfigError(f"there is no file {place}")
    if not name.isidentifier():
        raise ConfigError(f"{place}: its name is no module's, which has letters, digits and _ only")
    module = _imported(place, name, folder)
    if os.path.realpath(module.__file__ or "") != os.path.realpath(path):
        raise ConfigError(f"{place} has the name of the module {module.__file__}: rename it")
    return module


def _imported(place: str, name: str, folder: str) -> Any:
    """A module that is looked for in `folder` first. Raises `ConfigError` for whatever it raises."""
    sys.path.insert(0, folder)
    try:
        with loading_script():
            return importlib.import_module(name)
    except SyntaxError as error:
        raise ConfigError(f"{place}, line {error.lineno}: {error.msg}") from error
    except SlurmError as error:
        raise ConfigError(str(error)) from error
    except SystemExit as leaving:
        raise ConfigError(
            f"{place} cannot be imported: it calls exit({'' if leaving.code is None else repr(leaving.code)})"
        ) from leaving
    except Exception as error:
        frames = [
            one for one in traceback.extract_tb(error.__traceback__) if folder in one.filename
        ]
        where = f" (line {frames[-1].lineno} of {frames[-1].filename})" if frames else ""
        raise ConfigError(
            f"{place} cannot be imported: {type(error).__name__}: {' '.join(str(error).split())}{where}"
        ) from error


def _check_arguments(task: SlurmTask[..., Any], values: dict[str, Any]) -> None:
    """Raises `ConfigError` for arguments that the function does not take; what it is given by itself may be left out."""
    signature = inspect.signature(task.unwrapped)
    takes_all = any(one.kind is one.VAR_KEYWORD for one in signature.parameters.values())
    wrong = [] if takes_all else [name for name in values if name not in signature.parameters]
    if wrong:
        near = suggestion(wrong[0], signature.parameters) or f"; it takes {_listed(signature)}"
        raise ConfigError(f"--arg {wrong[0]}: {task.name} has no such argument{near}")
    try:
        call_of(task, (), values)
    except TypeError as error:
        raise ConfigError(f"{error}: give it with --arg name=value") from error


def _listed(signature: inspect.Signature) -> str:
    return ", ".join(signature.parameters) or "none"


def _follow(job: Job[Any]) -> None:
    from slurm.cli.job_output import ERRORS, JobOutput
    from slurm.results import following, logs

    streams = [logs.STDOUT, logs.STDERR]
    with JobOutput() as output:
        for piece in following.printed(job.records, streams, follow=True, errors=ERRORS):
            err = piece.stream is logs.STDERR
            try:
                output.write(piece.text, err=err)
            except BrokenPipeError:  # its exit status is wanted still
                lead_nowhere(sys.stderr if err else sys.stdout)


def _ended_well(job: Job[Any]) -> bool:
    job.wait()
    say(printed(f"{job.id} {job.task_name} {job.get_status()}"), err=True)
    return job.is_successful()
