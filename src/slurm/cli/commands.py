"""What the commands of ``slurm`` are made with, on click: classes, types, the cluster options, and how they are run.

A command ends with another exit status than those of `slurm.config.command_line.exit_status` by ``ctx.exit(3)``.
"""

from __future__ import annotations

import argparse
import functools
import importlib
import os
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.shell_completion import CompletionItem, shell_complete

from slurm import __version__, cli
from slurm.config.checks import suggestion
from slurm.config.command_line import (
    ABOUT_CLUSTER_OPTIONS,
    CLUSTER_OPTIONS,
    exit_status,
    positive,
    text,
)
from slurm.errors import ConfigError, SlurmError

FAILED = "slurm.cli.failed"  # in a context's `meta`: the command that an error came out of
EXAMPLE_INDENT = 2
Function = TypeVar("Function", bound=Callable[..., Any])


if TYPE_CHECKING:
    _ParamType = click.ParamType[Any]
else:  # which is not generic before click 8.3
    _ParamType = click.ParamType


class Checked(_ParamType):
    """The type of a value that a function of argparse's kind checks, such as `slurm.config.command_line.text`."""

    def __init__(self, check: Callable[[str], Any], name: str = "text") -> None:
        self.check = check
        self.name = name

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            return self.check(value) if isinstance(value, str) else value
        except argparse.ArgumentTypeError as error:
            self.fail(str(error), param, ctx)

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        return [CompletionItem(incomplete, type="file")] if self.name == "path" else []


TEXT = Checked(text)
PATH = Checked(text, "path")
COUNT = Checked(positive, "integer")


class Context(click.Context):
    """Remembers which command an error came out of, for the line that tells of it; help is ``-h`` as well."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        # Of each command: click keeps the help option of the first context that a command is run in.
        kwargs.setdefault("help_option_names", ["-h", "--help"])
        super().__init__(*args, **kwargs)

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        tb: TracebackType | None,
    ) -> bool | None:
        if exc_value is not None:
            self.meta.setdefault(FAILED, self.command_path)
        return super().__exit__(exc_type, exc_value, tb)


class Command(click.Command):
    """A command with an example, one a line, at the end of its help; the cluster options come before."""

    context_class: type[click.Context] = Context

    def __init__(self, *args: Any, example: str = "", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.example: str = example

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The options of the command itself, and then the cluster's."""
        own: list[tuple[str, str]] = []
        of_cluster: list[tuple[str, str]] = []
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx)
            if record is not None and isinstance(param, click.Option):
                (of_cluster if isinstance(param, _OfCluster) else own).append(record)
        with formatter.section("Options"):
            formatter.write_dl(own)
        if of_cluster:
            with formatter.section("Cluster options"):
                formatter.write_text(ABOUT_CLUSTER_OPTIONS)
                formatter.write_dl(of_cluster)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The example, and the epilog if there is one."""
        _write_example(self.example, formatter)
        super().format_epilog(ctx, formatter)


class Group(click.Group):
    """Commands below a command: those of a table, imported when they are asked for, and those added to it.

    >>> Group("runs", {"list": ("slurm.cli.runs_list", "list the runs")}).list_commands(None)
    ['list']
    """

    context_class: type[click.Context] = Context
    command_class: type[click.Command] | None = Command
    group_class: type[click.Group | type] | None = type

    def __init__(
        self,
        name: str | None = None,
        table: Mapping[str, tuple[str, str]] | None = None,
        *,
        example: str = "",
        **kwargs: Any,
    ) -> None:
        super().__init__(name, **kwargs)
        self.no_args_is_help = False  # then the missing command is an error, in one line
        self.table: dict[str, tuple[str, str]] = dict(table or {})
        self.example: str = example

    def list_commands(self, ctx: click.Context | None) -> list[str]:
        """Their names: the table's as they stand in it, then the others."""
        return [*self.table, *self.commands]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """A command; its module is imported now."""
        if cmd_name not in self.table:
            return super().get_command(ctx, cmd_name)
        command: click.Command = importlib.import_module(self.table[cmd_name][0]).command
        _prepare(command)
        return command

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Without a command, says which there are."""
        if not (args or self.invoke_without_command or ctx.resilient_parsing):
            ctx.fail(f"name a COMMAND: {', '.join(self.list_commands(ctx))}")
        return super().parse_args(ctx, args)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Finds the command; one that does not exist has a near match."""
        known = self.list_commands(ctx)
        if not (args[0] in known or args[0].startswith("-") or ctx.resilient_parsing):
            near = suggestion(args[0], known) or f"; choose from {', '.join(known)}"
            ctx.fail(f"there is no command {args[0]!r}{near}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Lists the commands, without importing those of the table."""
        rows = self._purposes()
        if rows:
            with formatter.section("Commands"):
                formatter.write_dl(rows)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The example, and the epilog if there is one."""
        _write_example(self.example, formatter)
        super().format_epilog(ctx, formatter)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Names of commands, and options; nothing is imported for it."""
        found = [
            CompletionItem(name, help=purpose)
            for name, purpose in self._purposes()
            if name.startswith(incomplete)
        ]
        return [*found, *click.Command.shell_complete(self, ctx, incomplete)]

    def _purposes(self) -> list[tuple[str, str]]:
        listed = [(name, purpose) for name, (_, purpose) in self.table.items()]
        others = self.commands.items()
        return listed + [
            (name, one.get_short_help_str(80)) for name, one in others if not one.hidden
        ]


class _Root(Group):
    """The command ``slurm`` itself."""

    def get_help(self, ctx: click.Context) -> str:
        return cli.overview().rstrip("\n")


def root() -> Group:
    """The command ``slurm`` with all its commands, as click has it."""
    version = click.version_option(
        __version__, prog_name="slurm-tasks", message="%(prog)s %(version)s"
    )
    made = _Root("slurm", cli.COMMANDS, help=cli.PURPOSE)
    return version(made)


def run(given: list[str]) -> int:
    """Run a command line, or complete it for a shell; returns the exit status.

    What is wrong with it becomes a `ConfigError`, so that each error is one line with the command's name and a status.
    """
    command = root()
    if cli.COMPLETE in os.environ:
        return shell_complete(command, {}, "slurm", cli.COMPLETE, os.environ[cli.COMPLETE])
    meta: dict[str, Any] = {}
    status = 0

    def body() -> None:
        nonlocal status, meta
        try:
            with command.make_context("slurm", list(given)) as ctx:
                meta = ctx.meta
                command.invoke(ctx)
        except click.exceptions.Exit as leaving:
            status = leaving.exit_code
        except click.UsageError as error:
            raise ConfigError(f"{_one_line(error)} (see --help)") from error
        except click.ClickException as error:
            raise SlurmError(_one_line(error)) from error
        except click.Abort:
            raise KeyboardInterrupt from None

    return exit_status(lambda: str(meta.get(FAILED, "slurm")), body) or status


def cluster_options(function: Function) -> Callable[..., Any]:
    """Gives a click command the options that choose a cluster, the same as `Cluster.add_argparse_args`.

    The function gets them as `cluster_args`, which `Cluster.from_args` takes.

    >>> import click
    >>> from slurm import Cluster
    >>> @click.command(cls=Command)
    ... @cluster_options
    ... def show(cluster_args):
    ...     print(Cluster.from_args(cluster_args))
    >>> show.main(["--backend", "local"], standalone_mode=False)
    <Cluster local ~/slurm_jobs>
    """

    @functools.wraps(function)
    def with_cluster(*args: Any, **kwargs: Any) -> Any:
        chosen = {option.attribute: kwargs.pop(option.attribute) for option in CLUSTER_OPTIONS}
        return function(*args, cluster_args=argparse.Namespace(**chosen), **kwargs)

    for option in reversed(CLUSTER_OPTIONS):
        kind: click.ParamType[Any] = Checked(option.check)
        if option.choices:
            kind = click.Choice(option.choices)
        elif option.check is positive:
            kind = COUNT
        elif option.name.endswith("file"):
            kind = PATH
        click.option(option.name, type=kind, help=option.help, cls=_OfCluster)(with_cluster)
    return with_cluster


class _OfCluster(click.Option):
    """One of the options that choose a cluster."""


def _prepare(command: click.Command) -> None:
    """Have a command that is not made of the classes above, and those below it, fail as they do."""
    command.context_class = Context
    if isinstance(command, click.Group):
        command.no_args_is_help = False
        for below in command.commands.values():
            _prepare(below)


def _write_example(example: str, formatter: click.HelpFormatter) -> None:
    lines = example.strip().splitlines()
    if lines:
        with formatter.section("Examples" if len(lines) > 1 else "Example"):
            for line in lines:
                formatter.write(f"{'':{EXAMPLE_INDENT}}{line.strip()}\n")


def _one_line(error: click.ClickException) -> str:
    """Click's message, as the other errors of the command line are written."""
    said = " ".join(error.format_message().split())
    if said[1:2].islower():
        said = said[0].lower() + said[1:]
    return said.rstrip(".")
