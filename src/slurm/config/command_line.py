"""What every program has in common: the options that choose its cluster, and what it does with an error."""

from __future__ import annotations

import argparse
import errno
import os
import sys
from collections.abc import Callable
from typing import Any, NamedTuple, NoReturn

from slurm.errors import ConfigError, RemoteTraceback, SlurmError

LARGEST = 1_000_000
# What a full disk says, or a terminal that is gone; an error of any other file has its name with it.
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


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


class ClusterOption(NamedTuple):
    """An option that helps to choose a cluster, for argparse and for click."""

    name: str
    help: str
    check: Callable[[str], Any] = text
    choices: tuple[str, ...] = ()

    @property
    def attribute(self) -> str:
        """What the option is called where it was parsed."""
        return self.name.strip("-").replace("-", "_")


ABOUT_CLUSTER_OPTIONS = "Without --backend, the cluster is the one that Slurmfile.toml describes."
CLUSTER_OPTIONS = (
    ClusterOption(
        "--backend",
        "local: processes of this machine; slurm: this is a login node; ssh: from outside",
        choices=("local", "slurm", "ssh"),
    ),
    ClusterOption("--slurmfile", "the Slurmfile to read (default: found upwards from here)"),
    ClusterOption("--env", "the environment in it (default: SLURM_ENV, else default)"),
    ClusterOption("--hostname", "ssh: host, or alias in your ssh_config"),
    ClusterOption("--username", "ssh: login name"),
    ClusterOption("--identity-file", "ssh: private key"),
    ClusterOption("--known-hosts-file", "ssh: file that holds the host's key"),
    ClusterOption("--config-file", "ssh: ssh_config to use in place of yours"),
    ClusterOption(
        "--job-base-dir", "where job directories are made, on the cluster (default ~/slurm_jobs)"
    ),
    ClusterOption("--python", "the Python interpreter on the cluster"),
    ClusterOption("--port", "ssh: port", positive),
    ClusterOption("--max-cpus", "local: cores to use at once (default: all)", positive),
    ClusterOption("--account", "Slurm account to charge", str),
)
# These are no arguments of `Cluster` under the same name.
OTHERS = ("backend", "slurmfile", "env", "account")


def add_argparse_args(parser: argparse.ArgumentParser) -> None:
    """Add the group of options to `parser`."""
    group = parser.add_argument_group("cluster", ABOUT_CLUSTER_OPTIONS)
    for option in CLUSTER_OPTIONS:
        kind: dict[str, Any] = (
            {"choices": option.choices} if option.choices else {"type": option.check}
        )
        group.add_argument(option.name, help=option.help, **kind)


def arguments_from(args: argparse.Namespace) -> tuple[str | None, str | None, dict[str, Any]]:
    """The Slurmfile, the environment, and the arguments of `Cluster` that were given."""
    names = [option.attribute for option in CLUSTER_OPTIONS if option.attribute not in OTHERS]
    overrides = {name: getattr(args, name) for name in names if getattr(args, name) is not None}
    if args.backend is not None:
        overrides["backend_type"] = args.backend
    if args.account is not None:
        overrides["submit"] = {"account": args.account}
    return args.slurmfile, args.env, overrides


class OneLineParser(argparse.ArgumentParser):
    """An argument parser whose errors are one line, the usage being a ``--help`` away."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message} (see --help)\n")


def exit_status(
    program: str | Callable[[], str],
    body: Callable[[], None],
    *,
    verbose: bool = False,
    interrupted: str = "",
) -> int:
    """Run `body`; errors a user can mend become one line on stderr and an exit status.

    2 for what was wrong before anything was done, 1 for what failed later, in a job too, 130 for Ctrl-C.
    A reader of the output that went away is no error; a disk that is full is one, in a line. `verbose` shows the traceback of a task's own
    exception; `interrupted` says what Ctrl-C left behind. `program` is called where only the body finds out its name.
    """
    try:
        body()
        sys.stdout.flush()
    except ConfigError as error:
        of_a_job = isinstance(error.__cause__, RemoteTraceback)
        return _said(program, str(error), 1 if of_a_job else 2)
    except SlurmError as error:
        return _said(program, str(error), 1)
    except BrokenPipeError:
        _print_no_more()
        return 0
    except Exception as error:
        if isinstance(error, OSError) and error.errno in NO_ROOM and error.filename is None:
            _print_no_more()
            return _said(program, f"cannot write to stdout: {error.strerror}", 1)
        if verbose or not isinstance(error.__cause__, RemoteTraceback):
            raise
        # The task's own exception: its traceback is in the job's log, and here with --verbose.
        return _said(program, f"a job raised {type(error).__name__}: {error}", 1)
    except KeyboardInterrupt:
        return _said(program, f"interrupted. {interrupted}".strip(), 130)
    return 0


def _print_no_more() -> None:
    """Whatever is left to be printed goes nowhere: Python would try once more as it ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _said(program: str | Callable[[], str], message: str, status: int) -> int:
    name = program if isinstance(program, str) else program()
    # Names of files and words of others may be in it, and are no commands for a terminal.
    said = "".join(one if one.isprintable() or one in "\n\t" else "?" for one in message)
    sys.stderr.write(f"{name}: {said}\n")
    return status
