"""``slurm init``: a first Slurmfile, after asking or from options, checked as ``slurm doctor`` does."""

from __future__ import annotations

import argparse
import contextlib
import os
import shlex
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from slurm import Cluster
from slurm.agent.files import write_atomic
from slurm.cli.commands import TEXT, Command, cluster_options
from slurm.cli.doctor import findings
from slurm.cli.output import finding_in_words, printed
from slurm.cluster_checks.offers import offered
from slurm.config.checks import check_encodable, suggestion
from slurm.config.command_line import CLUSTER_OPTIONS, chosen_from
from slurm.config.findings import failed
from slurm.config.found_files import distrust
from slurm.config.new_slurmfile import slurmfile_text
from slurm.config.slurmfile import BACKEND_PATHS, DEFAULT, FILE_NAME
from slurm.errors import ConfigError, SlurmError

MODE = 0o600
BACKENDS = ("local", "slurm", "ssh")
Offered = Mapping[str, Any]
NOTHING: Offered = {"partitions": [], "accounts": [], "default_account": None}


@click.command(
    "init",
    cls=Command,
    example="""
        slurm init
        slurm init --hostname hpc --account physics --partition cpu --yes
    """,
)
@click.option("--partition", type=TEXT, help="the partition of jobs that say nothing else")
@click.option("--yes", is_flag=True, help="ask nothing, and take what is proposed")
@click.option("--force", is_flag=True, help="replace a Slurmfile that is there")
@cluster_options
@click.pass_context
def command(
    ctx: click.Context, partition: str | None, yes: bool, force: bool,
    cluster_args: argparse.Namespace,
) -> None:  # fmt: skip
    """Write a Slurmfile.toml for a cluster into the working directory, or to --slurmfile, and check it as slurm doctor does.

    On a terminal it asks for what the options do not say, and proposes the accounts and partitions that the cluster has.

    Exit status: 0 if it was written and no check failed, 1 if one did, 2 if nothing was written.
    """
    path = _path(cluster_args.slurmfile)
    if os.path.lexists(path) and not force:
        raise ConfigError(f"{path} is there already: --force replaces it")
    asks = sys.stdin.isatty() and not yes
    arguments = _with_backend(chosen_from(cluster_args).overrides, asks)
    known = _known(arguments)
    submit = dict(arguments.get("submit", {}))
    if partition is not None:
        submit["partition"] = partition
    arguments["submit"] = _with_offers(submit, known, asks)
    if asks and "job_base_dir" not in arguments:
        arguments["job_base_dir"] = _ask("directory for jobs, on the cluster", "~/slurm_jobs")
    environment = cluster_args.env or DEFAULT
    others = [one for one in known["partitions"] if not one["default"]]
    gpus = [one["partition"] for one in others if one["gpus"]["total"]]
    text = slurmfile_text(arguments, environment=environment, gpu_partition=next(iter(gpus), "gpu"))
    _require_valid(arguments, environment)
    _write(path, text, force)
    click.echo(printed(f"wrote {path}"))
    if not _checked(path, environment):
        ctx.exit(1)


def _path(given: str | None) -> Path:
    """The file that is meant. Raises `ConfigError` where there is no directory for it."""
    path = Path(os.path.abspath(os.path.expanduser(given or FILE_NAME)))
    path = path / FILE_NAME if path.is_dir() else path
    if path.suffix != ".toml":
        raise ConfigError(f"--slurmfile {path}: a Slurmfile's name ends with .toml")
    if not path.parent.is_dir():
        raise ConfigError(f"--slurmfile {path}: there is no directory {path.parent}")
    return path


def _with_backend(given: Mapping[str, Any], asks: bool) -> dict[str, Any]:
    """The arguments that were given, with a backend, and a host where it needs one. Raises `ConfigError`."""
    arguments = dict(given)
    for name in BACKEND_PATHS:
        if name in arguments:
            arguments[name] = os.path.abspath(os.path.expanduser(arguments[name]))
    if "backend_type" not in arguments:
        proposed = "slurm" if shutil.which("sbatch") else "ssh"
        if "hostname" in arguments:
            proposed = "ssh"
        elif asks:
            kind = click.Choice(BACKENDS)
            about = "backend: this machine, this login node, or a cluster through ssh"
            proposed = click.prompt(about, type=kind, default=proposed, err=True)
        arguments = {"backend_type": proposed, **arguments}
    if arguments["backend_type"] == "ssh" and "hostname" not in arguments:
        if not asks:
            raise ConfigError("name the host: --hostname, as ssh takes it")
        arguments["hostname"] = _ask("host, or alias in your ssh_config")
    return arguments


def _known(arguments: Mapping[str, Any]) -> Offered:
    """What the cluster offers; nothing, and a line on stderr, where it does not answer. Raises `ConfigError`."""
    if arguments["backend_type"] == "local":
        return NOTHING
    with contextlib.closing(Cluster(**arguments)) as cluster:
        try:
            return offered(cluster)
        except SlurmError as error:
            said = f"slurm init: accounts and partitions are not known: {error}"
            click.echo(printed(said), err=True)
            return NOTHING


def _with_offers(submit: dict[str, Any], known: Offered, asks: bool) -> dict[str, Any]:
    """The options of every job, with account and partition. Raises `ConfigError` for one that the cluster has not."""
    partitions = [one["partition"] for one in known["partitions"]]
    usual = next((one["partition"] for one in known["partitions"] if one["default"]), None)
    for name, offers, default in (
        ("account", known["accounts"], known["default_account"]),
        ("partition", partitions, usual),
    ):
        if name in submit:
            _require(name, submit[name], offers)
        elif asks and offers:
            proposed = default or offers[0]
            submit[name] = click.prompt(name, type=click.Choice(offers), default=proposed, err=True)
        elif default or offers:
            submit[name] = default or offers[0]
    return submit


def _require(name: str, value: str, offers: Sequence[str]) -> None:
    missing = [one for one in value.split(",") if offers and one not in offers]
    if missing:
        known = ", ".join(offers)
        near = suggestion(missing[0], offers)
        raise ConfigError(f"--{name} {value!r}: the cluster has none of that name{near}: {known}")


def _require_valid(arguments: Mapping[str, Any], environment: str) -> None:
    """Raises `ConfigError` for what a cluster would not take, before it is written down, and for what no file can have."""
    check_encodable("--env", environment)
    options = arguments["submit"]
    for name, value in {**arguments, **options}.items():
        if isinstance(value, str):
            check_encodable(f"--{name.replace('_', '-')}", value)
    Cluster(**arguments).close()


def _ask(about: str, default: str | None = None) -> str:
    answer: str = click.prompt(about, default=default, err=True)
    return answer


def _write(path: Path, text: str, force: bool) -> None:
    """Write the file, which nobody else can read or write. Raises `ConfigError`."""
    try:
        if not force:
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, MODE))
        write_atomic(str(path), text.encode(), MODE)
    except FileExistsError:
        raise ConfigError(f"{path} is there already: --force replaces it") from None
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror}") from error


def _checked(path: Path, environment: str) -> bool:
    """Say what is found of the cluster, and what to do next; whether no check failed."""
    names = [one.attribute for one in CLUSTER_OPTIONS]
    nothing = dict.fromkeys(names)
    args = argparse.Namespace(**{**nothing, "slurmfile": str(path), "env": environment})
    found = []
    for one in findings(args):
        found.append(one)
        click.echo(finding_in_words(one))
    click.echo(printed(f"next: {next_command(path, environment)}"))
    return not failed(found)


def next_command(path: Path, environment: str) -> str:
    """What to type to see that a job runs; it names the file where it is not found, or not read, by itself."""
    words = ["slurm", "doctor", "--job"]
    if path != Path.cwd() / FILE_NAME or distrust(path):
        words += ["--slurmfile", str(path)]
    if environment != DEFAULT:
        words += ["--env", environment]
    return shlex.join(words)
