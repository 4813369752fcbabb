"""The commands that look after a dockerised cluster, and their options: one table for argparse and click."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, NamedTuple

from slurm.testing import releases
from slurm.testing.errors import ClusterError
from slurm.testing.shape_options import SHAPE_OPTIONS

COMMANDS = {
    "up": "start the cluster and say how to reach it",
    "down": "remove the cluster and everything in it",
    "shell": "open a shell on the login node",
    "status": "show services and nodes",
    "logs": "show what the daemons wrote",
}
PROJECT = "slurm-tasks"


class CommandOption(NamedTuple):
    """An option of one of the commands, or of all of them where `of` is empty.

    `metavar` is what stands for its value in a help text; an option without one stands for the value `flag`. `several`: it
    is given once for each of many.
    """

    argument: str
    option: str
    help: str
    metavar: str = ""
    of: str = ""
    several: bool = False
    default: Any = None
    flag: bool = True


OPTIONS = (
    CommandOption(
        "project",
        "--project",
        f"the compose project's name (default {PROJECT})",
        "NAME",
        default=PROJECT,
    ),
    CommandOption(
        "state_dir",
        "--state-dir",
        "folder of the keys and settings (default .slurm-cluster/PROJECT)",
        "DIR",
    ),
    CommandOption(
        "port", "--port", "port on 127.0.0.1 for ssh (SLURM_SSH_PORT, or a free one)", "PORT", "up"
    ),
    CommandOption(
        "release",
        "--release",
        f"the Debian release that picks Slurm's version: {releases.listed()} (DEBIAN_RELEASE, that of the cluster which runs, or {releases.DEFAULT})",
        "NAME",
        "up",
    ),
    *(
        CommandOption(
            one.argument,
            f"--{one.option}",
            one.help,
            one.metavar,
            "up",
            several=one.is_list,
            flag=one.flag is not False,
        )
        for one in SHAPE_OPTIONS
    ),
    CommandOption("verbose", "--verbose", "show what Docker does", of="up"),
    CommandOption("follow", "--follow", "go on as they write", of="logs"),
)


def options_of(command: str) -> list[CommandOption]:
    """The options that a command takes.

    >>> [one.option for one in options_of("logs")]
    ['--project', '--state-dir', '--follow']
    """
    return [one for one in OPTIONS if one.of in ("", command)]


def port_of(given: str | None, environ: Mapping[str, str] = os.environ) -> int:
    """The port that was given, else that of the environment, else 0: any. Raises `ClusterError`.

    >>> port_of("2222"), port_of(None, {"SLURM_SSH_PORT": "22"}), port_of(None, {})
    (2222, 22, 0)
    """
    name, text = ("SLURM_SSH_PORT", environ.get("SLURM_SSH_PORT") or "0")
    if given is not None:
        name, text = "--port", given
    if not text.isdecimal():
        raise ClusterError(f"{name} must be a port's number, not {text!r}")
    return int(text)


def release_of(given: str | None, environ: Mapping[str, str] = os.environ) -> str | None:
    """The release that was given, else that of the environment; None where nobody says a word of it.

    >>> release_of(None, {"DEBIAN_RELEASE": "bookworm"}), release_of("forky", {"DEBIAN_RELEASE": "bookworm"})
    ('bookworm', 'forky')
    """
    return given or environ.get("DEBIAN_RELEASE") or None
