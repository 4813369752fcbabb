"""``slurm login``: authenticate once, for all programs that connect later."""

from __future__ import annotations

import argparse
import os
import signal
import subprocess

from slurm import Cluster
from slurm.api.ssh import SSHCommandBackend
from slurm.api.ssh_command import SSHCommand
from slurm.api.ssh_master import Master, master_for
from slurm.config.command_line import text
from slurm.config.slurmfile import find_slurmfile
from slurm.errors import AuthenticationFailed, ConfigError, TransportError

HOURS = 8
MOST_HOURS = 7 * 24


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add what ``slurm login`` takes."""
    parser.add_argument(
        "host",
        metavar="HOST",
        nargs="?",
        type=text,
        help="as for ssh: a host, or an alias in your ssh_config (default: the Slurmfile's)",
    )
    parser.add_argument(
        "--hours",
        type=_hours,
        default=HOURS,
        help="hours without use after which you are logged out (default %(default)s)",
    )
    instead = parser.add_mutually_exclusive_group()
    instead.add_argument("--check", action="store_true", help="only say whether you are logged in")
    instead.add_argument("--exit", action="store_true", help="log out")
    Cluster.add_argparse_args(parser)


def run(args: argparse.Namespace) -> None:
    """Log in, unless that was done."""
    command = _command(args)
    master = master_for(command)
    if args.exit:
        was_there = master.exit()
        print(f"logged out of {master}" if was_there else f"not logged in to {master}")
    elif master.is_running():
        print(f"logged in to {master}")
    elif args.check:
        raise TransportError(f"not logged in to {master}: {command.login}")
    else:
        _log_in(command, master, args.hours)
        unused = f"{args.hours} hours" if args.hours > 1 else "an hour"
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
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError as error:
        raise AuthenticationFailed(
            f"there is no terminal here on which to ask: in one, run {command.login}"
        ) from error


def _command(args: argparse.Namespace) -> SSHCommand:
    """How to reach the host that was named, or the Slurmfile's. Raises `ConfigError`."""
    elsewhere = (args.backend, args.slurmfile, args.env)
    if args.backend not in (None, "ssh"):
        raise ConfigError(f"there is nothing to log in to with --backend {args.backend}")
    if args.host is not None:
        if args.hostname not in (None, args.host):
            raise ConfigError(f"HOST {args.host!r} or --hostname {args.hostname!r}: name only one")
        args.hostname = args.host
        if elsewhere == (None, None, None):  # then as for ssh, whatever a Slurmfile says
            args.backend = "ssh"
    elif elsewhere == (None, None, None) and find_slurmfile() is None:
        raise ConfigError("name the HOST: there is no Slurmfile.toml here that does")
    cluster = Cluster.from_args(args)
    cluster.close()
    if not isinstance(cluster.backend, SSHCommandBackend):
        raise ConfigError("there is nothing to log in to: the Slurmfile's backend is not ssh")
    return cluster.backend.command


def _hours(given: str) -> int:
    """An argparse type."""
    if not given.isdecimal() or not 1 <= int(given) <= MOST_HOURS:
        raise argparse.ArgumentTypeError(f"{given!r} is not a whole number from 1 to {MOST_HOURS}")
    return int(given)
