"""``state.json``: what a run has done, so that whoever comes next can go on.

::

    run_id, parameters, status ("new", "running", "completed", "evaluation failed")
    current_epoch, steps_completed        where training stands
    orchestrators: [job id]               every orchestrator that worked on the run
    epochs: [{epoch, steps_completed, checkpoint, metrics, loss,
              train_jobs: [{job_id, outcome, ...}], eval_jobs: [{job_id, outcome, error, ...}]}]
    events: [{sequence, at, event, epoch, job_id}]
"""

from __future__ import annotations

import json
import secrets
import time
from typing import Any

from slurm.errors import ConfigError
from slurm.examples.parallel_train_eval.files import read_json, write_json
from slurm.examples.parallel_train_eval.plan import Plan


def initial_state(plan: Plan) -> dict[str, Any]:
    """The state of a run that has not begun."""
    return {
        "run_id": secrets.token_hex(8),
        "parameters": plan.identity,
        "status": "new",
        "current_epoch": 0,
        "steps_completed": 0,
        "orchestrators": [],
        "epochs": [_initial_epoch(plan, epoch) for epoch in range(plan.epochs)],
        "events": [],
    }


def _initial_epoch(plan: Plan, epoch: int) -> dict[str, Any]:
    return {
        "epoch": epoch,
        "steps_completed": 0,
        "checkpoint": str(plan.checkpoint_path(epoch)),
        "metrics": str(plan.metrics_path(epoch)),
        "loss": None,
        "train_jobs": [],
        "eval_jobs": [],
    }


def parse_state(text: str, plan: Plan) -> dict[str, Any]:
    """The state in `text`. Raises `ConfigError` when it is none, or that of a run with other parameters."""
    where = plan.state_path
    try:
        state: dict[str, Any] = json.loads(text)
        parameters = dict(state["parameters"])
        for part, fresh in initial_state(plan).items():
            if type(state[part]) is not type(fresh):
                raise ValueError(f"{part} is missing or something else")
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ConfigError(f"{where} is not the state of a run: choose another --workdir") from error
    if parameters != plan.identity:
        different = ", ".join(
            f"{name} is {parameters.get(name)} there, {value} here"
            for name, value in plan.identity.items()
            if parameters.get(name) != value
        )
        raise ConfigError(
            f"{plan.workdir} belongs to a run with other parameters ({different}): "
            "use those, or another --workdir"
        )
    return state


class RunState:
    """The state while an orchestrator works on it: every change is on disk before the next step."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        content = read_json(plan.state_path)
        if content is None:
            raise ConfigError(
                f"{plan.state_path} is not there on the node: --workdir must be on a file system that "
                "the nodes share"
            )
        self.content = content

    @property
    def run_id(self) -> str:
        """What names this run in submission keys."""
        run_id: str = self.content["run_id"]
        return run_id

    def epoch(self, number: int) -> dict[str, Any]:
        """The entry of one epoch."""
        entry: dict[str, Any] = self.content["epochs"][number]
        return entry

    def failed_evaluations(self) -> list[str]:
        """The epochs whose last evaluation failed, each with why."""
        last = (
            (entry["epoch"], entry["eval_jobs"][-1])
            for entry in self.content["epochs"]
            if entry["eval_jobs"]
        )
        return [
            f"epoch {epoch} (job {job['job_id']}): {job.get('error', job['outcome'])}"
            for epoch, job in last
            if job["outcome"] not in (None, "completed")
        ]

    def record(self, event: str, *, epoch: int | None = None, job_id: str | None = None) -> None:
        """Append to the event log and save."""
        events = self.content["events"]
        entry = {"sequence": len(events), "at": time.time(), "event": event}
        events.append({**entry, "epoch": epoch, "job_id": job_id})
        self.save()

    def save(self) -> None:
        """Write ``state.json``."""
        write_json(self.plan.state_path, self.content)
