"""What every program has in common: the options that choose its cluster, and what it does with an error."""

from __future__ import annotations

import argparse
import errno
import os
import sys
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, NoReturn, TextIO

from slurm.errors import ConfigError, RemoteTraceback, SlurmError

LARGEST = 1_000_000
# What a full disk says, or a terminal that is gone; an error of any other file has its name with it.
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
UNWRITTEN = "what it says cannot be written: {}"


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

    @property
    def variable(self) -> str:
        """The environment variable that holds where the option is not given.

        >>> ClusterOption("--job-base-dir", "").variable, ClusterOption("--env", "").variable
        ('SLURM_TASKS_JOB_BASE_DIR', 'SLURM_ENV')
        """
        return VARIABLES.get(self.attribute, f"SLURM_TASKS_{self.attribute.upper()}")

    def value_of(self, given: str) -> Any:
        """What an environment variable's text means. Raises `ConfigError` where it means nothing."""
        try:
            value = self.check(given)
        except argparse.ArgumentTypeError as error:
            raise ConfigError(f"{self.variable}: {error}") from None
        if self.choices and value not in self.choices:
            known = ", ".join(self.choices)
            raise ConfigError(f"{self.variable} {given!r} is none of {known}")
        return value


# Those that have another name than SLURM_TASKS_...: `slurm.config.slurmfile` reads them, for every program.
VARIABLES = {"slurmfile": "SLURMFILE", "env": "SLURM_ENV"}
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


def add_argparse_args(parser: argparse.ArgumentParser) -> None:
    """Add the group of options to `parser`."""
    group = parser.add_argument_group("cluster", ABOUT_CLUSTER_OPTIONS)
    for option in CLUSTER_OPTIONS:
        kind: dict[str, Any] = (
            {"choices": option.choices} if option.choices else {"type": option.check}
        )
        group.add_argument(option.name, help=option.help, **kind)


class Chosen(NamedTuple):
    """What options and environment variables say of a cluster.

    `overrides` are arguments of `Cluster`; `sources` has, for each name in it, the option or the variable that it is from.
    """

    slurmfile: str | None
    env: str | None
    overrides: dict[str, Any]
    sources: dict[str, str]

    @property
    def without_file(self) -> bool:
        """Whether no Slurmfile is read: a backend was named, and no file and no environment of one."""
        return self.slurmfile is None and self.env is None and "backend_type" in self.overrides


def chosen_from(args: argparse.Namespace, environ: Mapping[str, str] = os.environ) -> Chosen:
    """What was given: an option, else its environment variable, if that is not empty. Raises `ConfigError`.

    >>> args = argparse.Namespace(**{option.attribute: None for option in CLUSTER_OPTIONS})
    >>> chosen = chosen_from(args, {"SLURM_TASKS_ACCOUNT": "physics"})
    >>> chosen.overrides, chosen.sources
    ({'submit': {'account': 'physics'}}, {'account': 'SLURM_TASKS_ACCOUNT'})
    """
    overrides: dict[str, Any] = {}
    sources: dict[str, str] = {}
    for option in CLUSTER_OPTIONS:
        name, value, source = option.attribute, getattr(args, option.attribute), option.name
        if name in VARIABLES:
            continue
        if value is None and environ.get(option.variable):
            value, source = option.value_of(environ[option.variable]), option.variable
        if value is None:
            continue
        if name == "account":
            overrides["submit"] = {name: value}
        else:
            overrides["backend_type" if name == "backend" else name] = value
        sources["backend_type" if name == "backend" else name] = source
    return Chosen(args.slurmfile, args.env, overrides, sources)


def arguments_from(args: argparse.Namespace) -> tuple[str | None, str | None, dict[str, Any]]:
    """The Slurmfile, the environment, and the arguments of `Cluster` that were given."""
    return chosen_from(args)[:3]


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
    A reader of the output that went away is no error; output that cannot be written, as to a full disk, is 1.
    `verbose` shows the traceback of a task's own exception; `interrupted` says what Ctrl-C left behind. `program`
    is called where only the body finds out its name.
    """
    _occupy_closed_streams()
    status = _status_of(program, body, verbose, interrupted)
    lost = _lost_output()
    return status if lost is None else _said(program, UNWRITTEN.format(lost), status or 1)


def _status_of(
    program: str | Callable[[], str], body: Callable[[], None], verbose: bool, interrupted: str
) -> int:
    try:
        body()
    except ConfigError as error:
        of_a_job = isinstance(error.__cause__, RemoteTraceback)
        return _said(program, str(error), 1 if of_a_job else 2)
    except SlurmError as error:
        return _said(program, str(error), 1)
    except BrokenPipeError:
        return 0
    except Exception as error:
        if isinstance(error, OSError) and error.errno in FULL and error.filename is None:
            _lost_output()  # the rest of it
            return _said(program, UNWRITTEN.format(error.strerror), 1)
        if verbose or not isinstance(error.__cause__, RemoteTraceback):
            raise
        # The task's own exception: its traceback is in the job's log, and here with --verbose.
        return _said(program, f"a job raised {type(error).__name__}: {error}", 1)
    except KeyboardInterrupt:
        return _said(program, f"interrupted. {interrupted}".strip(), 130)
    return 0


def _occupy_closed_streams() -> None:
    """Give a program whose stdout or stderr is closed, as by ``>&-``, one that leads nowhere.

    Python has None there, and the next file that is opened would get the descriptor.
    """
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 - as long as the program


def _lost_output() -> str | None:
    """Why what was printed cannot be written; None where it is, or where its reader went away.

    It is dropped then: what stays in the buffer would be a message of Python's own, and exit status 120, at the end.
    """
    try:
        sys.stdout.flush()
    except OSError as error:
        lead_nowhere(sys.stdout)
        return None if isinstance(error, BrokenPipeError) else error.strerror
    return None


def lead_nowhere(stream: TextIO) -> None:
    """Have what is written to `stream` from now on, and what waits in its buffer, dropped."""
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, stream.fileno())
    os.close(nothing)


def _said(program: str | Callable[[], str], message: str, status: int) -> int:
    name = program if isinstance(program, str) else program()
    # Names of files and words of others may be in it, and are no commands for a terminal.
    said = "".join(one if one.isprintable() or one in "\n\t" else "?" for one in message)
    try:
        sys.stderr.write(f"{name}: {said}\n")
        sys.stderr.flush()
    except OSError:  # nobody can read it
        lead_nowhere(sys.stderr)
    return status
