"""``slurm login``: authenticate once, for all programs that connect later."""

from __future__ import annotations

import argparse
import os
import signal
import subprocess

import click

from slurm import Cluster
from slurm.api.ssh import SSHCommandBackend
from slurm.api.ssh_command import SSHCommand
from slurm.api.ssh_master import Master, master_for
from slurm.cli.commands import TEXT, Checked, Command, cluster_options
from slurm.config.command_line import chosen_from
from slurm.config.slurmfile import find_slurmfile
from slurm.errors import AuthenticationFailed, ConfigError, TransportError

HOURS = 8
MOST_HOURS = 7 * 24


def _hours(given: str) -> int:
    if not given.isdecimal() or not 1 <= int(given) <= MOST_HOURS:
        raise argparse.ArgumentTypeError(f"{given!r} is not a whole number from 1 to {MOST_HOURS}")
    return int(given)


@click.command(
    cls=Command,
    example="""
        slurm login hpc
        slurm login --check hpc
    """,
)
@click.argument("host", required=False, type=TEXT)
@click.option(
    "--hours",
    type=Checked(_hours, "integer"),
    default=HOURS,
    help=f"hours without use after which you are logged out (default {HOURS})",
)
@click.option("--check", is_flag=True, help="only say whether you are logged in")
@click.option("--exit", "leave", is_flag=True, help="log out")
@cluster_options
def command(
    host: str | None, hours: int, check: bool, leave: bool, cluster_args: argparse.Namespace
) -> None:
    """Authenticate once, for all programs that connect later.

    HOST is as for ssh: a host, or an alias in your ssh_config. Without it, the host is the Slurmfile's.
    """
    if check and leave:
        raise click.UsageError("--exit is not allowed with --check")
    ssh = _command(host, cluster_args)
    master = master_for(ssh)
    if leave:
        was_there = master.exit()
        print(f"logged out of {master}" if was_there else f"not logged in to {master}")
    elif master.is_running():
        print(f"logged in to {master}")
    elif check:
        raise TransportError(f"not logged in to {master}: {ssh.login}")
    else:
        _log_in(ssh, master, hours)
        unused = f"{hours} hours" if hours > 1 else "an hour"
        print(f"logged in to {master}, until nothing has used it for {unused}")


def _log_in(command: SSHCommand, master: Master, hours: int) -> None:
    """Have ssh ask on the terminal whatever it has to ask."""
    _require_terminal(command)
    master.prepare()
    # The ssh to a jump host stays in this terminal's session, and must not end with the terminal.
    hang_up = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        argv = master.argv(hours)
        status = subprocess.run(
            argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=False
        ).returncode
    finally:
        signal.signal(signal.SIGHUP, hang_up)
    if master.is_running():
        return
    if status == 255:
        raise AuthenticationFailed(f"not logged in to {master}; ssh said why")
    raise TransportError(f"{master} let you in, but ssh left no connection open at {master.path}")


def _require_terminal(command: SSHCommand) -> None:
    if os.environ.get("SSH_ASKPASS_REQUIRE") == "force":  # then ssh asks a program of the user's
        return
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError as error:
        raise AuthenticationFailed(
            f"there is no terminal here on which to ask: in one, run {command.login}"
        ) from error


def _command(host: str | None, args: argparse.Namespace) -> SSHCommand:
    """How to reach the host that was named, or the Slurmfile's. Raises `ConfigError`."""
    backend = chosen_from(args).overrides.get("backend_type")
    elsewhere = (backend, args.slurmfile, args.env)
    if backend not in (None, "ssh"):
        raise ConfigError(f"there is nothing to log in to with --backend {backend}")
    if host is not None:
        if args.hostname not in (None, host):
            raise ConfigError(f"HOST {host!r} or --hostname {args.hostname!r}: name only one")
        args.hostname = host
        if elsewhere == (None, None, None):  # then as for ssh, whatever a Slurmfile says
            args.backend = "ssh"
    elif elsewhere == (None, None, None) and find_slurmfile() is None:
        raise ConfigError("name the HOST: there is no Slurmfile.toml here that does")
    cluster = Cluster.from_args(args)
    cluster.close()
    if not isinstance(cluster.backend, SSHCommandBackend):
        raise ConfigError("there is nothing to log in to: the Slurmfile's backend is not ssh")
    return cluster.backend.command
