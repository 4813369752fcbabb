"""What a person types wrong: every option and argument of the commands about runs, with values that are none."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from tests.helpers.run_project import RunProject

from slurm.cli import commands
from slurm.config.command_line import CLUSTER_OPTIONS

pytestmark = pytest.mark.local

WRONG = ("", " ", "nope", "-1", "nan", "\x1b[2J", "\udce9", "x" * 5000, "../../..", "/dev/null")
ABOUT_RUNS = ("detect", "policy", "slurm-job-list", "launch", "run", "runs", "verify")
OF_A_CLUSTER = {option.name for option in CLUSTER_OPTIONS}
# With them, these words are right.
FREE = {"--why", "--remote", "--doc", "paths"}


def leaves(command: click.Command, words: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    """All commands that are no groups, with the words that name them."""
    if not isinstance(command, click.Group):
        yield words, command
        return
    context = click.Context(command)
    for name in command.list_commands(context):
        below = command.get_command(context, name)
        if below is not None and (words or name in ABOUT_RUNS):
            yield from leaves(below, (*words, name))


def needed(parameter: click.Parameter, known: dict[str, str]) -> list[str]:
    """What to type for a parameter that is required."""
    value = known.get(str(parameter.name), "x")
    return [parameter.opts[0], value] if isinstance(parameter, click.Option) else [value]


COMMANDS = dict(leaves(commands.root(), ()))


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_a_wrong_word_is_one_line_and_nothing_is_done(
    project: RunProject, words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = project.launched()
    project.job_ended()
    known = {"run_id": manifest.run_id, "run_ids": manifest.run_id, "job_id": "1"}
    known |= {"path": manifest.path, "stage": "launch", "status": "failed"}
    parameters = COMMANDS[words].params
    refuses(capsys, project, *words, "--no-such-option")
    for wrong in parameters:
        name = wrong.opts[0]
        if name in OF_A_CLUSTER | FREE or getattr(wrong, "is_flag", False):
            continue
        others = [one for one in parameters if one.required and one is not wrong]
        right = [word for one in others for word in needed(one, known)]
        for value in WRONG:
            refuses(
                capsys,
                project,
                *words,
                *right,
                *([name] if name.startswith("--") else ["--"]),
                value,
            )


def refuses(capsys: pytest.CaptureFixture[str], project: RunProject, *words: str) -> None:
    before = contents(project.root)
    status = commands.run(list(words))
    said = capsys.readouterr()
    assert status in (1, 2), (words, said)
    assert (said.out + said.err).replace("\n", "").isprintable()
    if status == 2:
        assert len(said.err.splitlines()) == 1, (words, said)
        assert contents(project.root) == before, words


def contents(folder: Path) -> dict[str, bytes]:
    """All files but what the job and locks leave."""
    return {
        os.fspath(path): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and "outputs" not in path.parts and path.suffix != ".lock"
    }


@pytest.mark.parametrize("command", ["run", "runs monitor", "runs sync", "launch", "runs adopt 1"])
@pytest.mark.parametrize("wrong", [("--env", "nope"), ("--slurmfile", "/no/such/file")])
def test_a_cluster_that_is_named_wrongly_is_one_line(
    project: RunProject, command: str, wrong: tuple[str, str]
) -> None:
    project.launched()
    project.launched()
    assert wrong[1] in project.run(*command.split(), *wrong, status=2).line


@pytest.mark.parametrize("command", ["run", "runs monitor", "launch"])
def test_a_slurmfile_that_cannot_be_read_is_one_line(project: RunProject, command: str) -> None:
    project.launched()
    project.write("Slurmfile.toml", "[default.cluster\n")
    assert "Slurmfile.toml" in project.run(*command.split(), status=2).line
