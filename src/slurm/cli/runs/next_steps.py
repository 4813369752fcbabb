"""``slurm runs next``: what each run needs next."""

from __future__ import annotations

import json

import click

from slurm.cli.commands import Command
from slurm.cli.output import printed
from slurm.cli.runs.common import JSON, RUN_IDS
from slurm.runs.policy import FALLBACK_STAGE
from slurm.runs.selection import select
from slurm.runs.step import Action, next_action


@click.command("next", cls=Command, example="slurm runs next --json")
@RUN_IDS
@JSON
def command(run_ids: tuple[str, ...], as_json: bool) -> None:
    """Say what each run needs next, why, and, where only a person can do it, the command that helps.

    Where no run needs anything, the stage is named with which the policy goes on (autorun.todo_fallback.slurm.stage).
    """
    selection = select(run_ids)
    wanted = [(one, next_action(one)) for one in selection.manifests]
    open_ones = [(run, step) for run, step in wanted if step.action is not Action.NOTHING]
    stage = None if open_ones else selection.policy[FALLBACK_STAGE]
    if as_json:
        rows = [
            {
                "run_id": run.run_id,
                "action": str(step.action),
                "why": step.why,
                "command": step.command or ("slurm run" if step.action is not Action.ASK else None),
            }
            for run, step in open_ones
        ]
        click.echo(json.dumps({"runs": rows, "stage": stage}, indent=2, ensure_ascii=False))
        return
    for run, step in open_ones:
        command_ = step.command or "slurm run"
        click.echo(printed(f"run_id={run.run_id}: {step.action}: {step.why}; {command_}"))
    if not open_ones:
        click.echo(
            f"no run needs anything; {f'next stage: {stage}' if stage else 'slurm launch begins one'}"
        )
