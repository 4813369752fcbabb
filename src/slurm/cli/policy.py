"""``slurm policy``: what a project decides about its runs, shown, looked over and begun from a preset."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import click

from slurm.cli.commands import Group
from slurm.cli.runs.common import PLACE
from slurm.config.findings import Finding, Verdict, failed
from slurm.errors import ConfigError
from slurm.runs.detect import COMMANDS
from slurm.runs.edit_scope import EditScope
from slurm.runs.policy import FILE, PRESETS, Policy, Setting, load_policy, preset
from slurm.runs.policy_doctor import examine
from slurm.runs.policy_edit import apply_preset

FAILED, BAD_FILE = 1, 2


@click.group(
    "policy", cls=Group, example="slurm policy apply preset slurm\nslurm policy show --effective"
)
def command() -> None:
    """The project's policy: .slurm/policy.yaml at its root."""


@command.group("apply", cls=Group, example="slurm policy apply preset slurm")
def apply() -> None:
    """Put something that comes with the SDK into the policy file."""


@apply.command("preset", example="slurm policy apply preset slurm")
@click.argument("name", type=click.Choice(PRESETS))
@click.option("--json", "as_json", is_flag=True, help="as one JSON object")
def apply_preset_command(name: str, as_json: bool) -> None:
    """Have the policy file name a preset, whose settings then lie below those of the file.

    Nothing else in the file changes. Where there is none, one is made.
    """
    done = apply_preset(name)
    policy = done.policy
    if as_json:
        said = {
            "preset": name,
            "path": str(policy.path),
            "made": done.made,
            "changed": done.changed,
        }
        click.echo(json.dumps(said, indent=2, ensure_ascii=False))
        return
    if not done.changed:
        click.echo(f"{policy.path}: unchanged, it has preset: {name} already")
    else:
        click.echo(f"{policy.path}: {'made, with' if done.made else 'now has'} preset: {name}")
    for key, value in preset(name).items():
        setting = policy.settings[key]
        if setting.origin == FILE and setting.value != value:
            click.echo(f"  {key}: {_text(setting.value)} (stays: line {setting.line} of the file)")
        else:
            click.echo(f"  {key}: {_text(setting.value)}")


@command.command("show", example="slurm policy show --effective --json")
@click.option("--effective", is_flag=True, help="all keys, those of the preset and defaults too")
@click.option("--json", "as_json", is_flag=True, help="as one JSON object")
def show(effective: bool, as_json: bool) -> None:
    """Print what the policy file says or, with --effective, what holds, and where each value is from."""
    policy = load_policy()
    shown = dict(policy.settings) if effective else policy.own
    if as_json:
        click.echo(json.dumps(_as_json(policy, shown), indent=2, ensure_ascii=False))
        return
    click.echo(f"# {policy.path}{'' if policy.exists else ' (there is no such file)'}")
    for key, setting in shown.items():
        click.echo(f"{key}: {_text(setting.value)}  # {_origin(policy, setting)}")


@command.command("doctor", example="slurm policy doctor")
@click.option("--json", "as_json", is_flag=True, help="as one JSON array")
def doctor(as_json: bool) -> None:
    """Look whether the policy can work: a line for each check, with what mends it.

    Exit status: 0 if none failed, 1 if one did, 2 if the file cannot be read.
    """
    try:
        policy = load_policy()
    except ConfigError as error:
        _say([Finding("policy-file", Verdict.FAIL, str(error), "mend that line")], as_json)
        _leave(BAD_FILE)
        return
    found = list(examine(policy, on_slurm=all(map(shutil.which, COMMANDS))))
    _say(found, as_json)
    if failed(found):
        _leave(FAILED)


@command.command(
    "check-scope", example="slurm policy check-scope plan/iter1/run_slurm.sbatch src/model.py"
)
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@click.option(
    "--iteration",
    type=PLACE,
    help="the iteration's directory (default: found)",
)
@click.option("--json", "as_json", is_flag=True, help="as one JSON object")
def check_scope(paths: tuple[str, ...], iteration: Path | None, as_json: bool) -> None:
    """Say which PATHs a tool may not write, by agent_runner.edit_scope; links and .. are followed.

    iteration_only allows the iteration's directory, iteration_plus_core that, core_dirs and the ledger, any the whole project.
    What lies outside of the project, .git and .slurm are allowed by none.

    Exit status: 0 if it may write all of them, 1 if not.
    """
    scope = EditScope(load_policy(), iteration=iteration)
    outside = scope.outside(paths)
    if as_json:
        found = [one._asdict() for one in outside]
        click.echo(
            json.dumps({"mode": scope.mode, "areas": scope.areas, "outside": found}, indent=2)
        )
    else:
        for path, reason in outside:
            click.echo(f"outside: {_name(path)}: {_plain(reason)}")
    if outside:
        _leave(FAILED)


def _say(found: list[Finding], as_json: bool) -> None:
    if as_json:
        rows = [{**one._asdict(), "verdict": str(one.verdict)} for one in found]
        click.echo(json.dumps(rows, indent=2, ensure_ascii=False))
    else:
        for one in found:
            click.echo(_plain(str(one)))


def _leave(status: int) -> None:
    click.get_current_context().exit(status)


def _as_json(policy: Policy, shown: dict[str, Setting]) -> dict[str, Any]:
    return {
        "path": str(policy.path),
        "exists": policy.exists,
        "preset": policy.preset,
        "settings": {
            key: {
                "value": one.value,
                "from": one.origin,
                **({"line": one.line} if one.line else {}),
            }
            for key, one in shown.items()
        },
    }


def _origin(policy: Policy, setting: Setting) -> str:
    if setting.origin == FILE:
        return f"line {setting.line}" if setting.line else "the file"
    return f"preset {policy.preset}" if setting.origin != "default" else "default"


def _text(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _name(path: str) -> str:
    return path if path.isprintable() and path else repr(path)


def _plain(text: str) -> str:
    return "".join(one if one.isprintable() else "?" for one in text)
