"""The command-line options with which every program chooses its cluster."""

from __future__ import annotations

import argparse
from typing import Any

TEXT_OPTIONS = (
    ("--hostname", "ssh: host, or alias in your ssh_config"),
    ("--username", "ssh: login name"),
    ("--identity-file", "ssh: private key"),
    ("--known-hosts-file", "ssh: file that holds the host's key"),
    ("--config-file", "ssh: ssh_config to use in place of yours"),
    ("--job-base-dir", "where job directories are made, on the cluster (default ~/slurm_jobs)"),
    ("--python", "the Python interpreter on the cluster"),
)


LARGEST = 1_000_000


def positive(given: str) -> int:
    """An argparse type: a whole number from 1 to a million."""
    if not given.isdecimal() or not 1 <= int(given) <= LARGEST:
        raise argparse.ArgumentTypeError(f"{given!r} is not a whole number from 1 to {LARGEST}")
    return int(given)


def text(given: str) -> str:
    """An argparse type: anything but nothing."""
    if not given:
        raise argparse.ArgumentTypeError("must not be empty")
    return given


def add_argparse_args(parser: argparse.ArgumentParser) -> None:
    """Add the group of options to `parser`."""
    group = parser.add_argument_group(
        "cluster", "Without --backend, the cluster is the one that Slurmfile.toml describes."
    )
    group.add_argument(
        "--backend",
        choices=("local", "slurm", "ssh"),
        help="local: processes of this machine; slurm: this is a login node; ssh: from outside",
    )
    group.add_argument(
        "--slurmfile", type=text, help="the Slurmfile to read (default: found upwards from here)"
    )
    group.add_argument(
        "--env", type=text, help="the environment in it (default: SLURM_ENV, else default)"
    )
    for option, explanation in TEXT_OPTIONS:
        group.add_argument(option, type=text, help=explanation)
    group.add_argument("--port", type=positive, help="ssh: port")
    group.add_argument(
        "--max-cpus", type=positive, help="local: cores to use at once (default: all)"
    )
    group.add_argument("--account", help="Slurm account to charge")


def arguments_from(args: argparse.Namespace) -> tuple[str | None, str | None, dict[str, Any]]:
    """The Slurmfile, the environment, and the arguments of `Cluster` that were given."""
    names = [option.strip("-").replace("-", "_") for option, _ in TEXT_OPTIONS]
    overrides = {
        name: getattr(args, name)
        for name in [*names, "port", "max_cpus"]
        if getattr(args, name) is not None
    }
    if args.backend is not None:
        overrides["backend_type"] = args.backend
    if args.account is not None:
        overrides["submit"] = {"account": args.account}
    return args.slurmfile, args.env, overrides
