"""Parallel train and eval: run it with ``python -m slurm.examples.parallel_train_eval.workflow``.

Start it again with the same ``--workdir`` after whatever happened, and it goes on.
"""

from __future__ import annotations

import argparse
import itertools
import json
import logging
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from slurm import Cluster, Job, WorkflowContext, workflow
from slurm.config.checks import suggestion
from slurm.errors import ConfigError, RemoteFileError
from slurm.examples import command_line
from slurm.examples.parallel_train_eval.files import exclusive
from slurm.examples.parallel_train_eval.orchestrator import Orchestrator, tasks_for
from slurm.examples.parallel_train_eval.plan import Plan
from slurm.examples.parallel_train_eval.state import initial_state, parse_state

PROGRAM = "parallel_train_eval"

logger: logging.Logger = logging.getLogger(__name__)


@workflow(time="02:00:00", mem="200M")
def train_and_evaluate(ctx: WorkflowContext, plan: Plan) -> dict[str, Any]:
    """The orchestrator job. The lock keeps a second one waiting until the first is gone."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    with exclusive(Path(plan.workdir) / ".orchestrator.lock"):
        return Orchestrator(plan, ctx).run()


def arguments() -> argparse.ArgumentParser:
    """The command line."""
    parser = command_line.parser_for(PROGRAM, "Train in capped jobs, evaluate every epoch beside.")
    parser.add_argument("--epochs", type=command_line.positive, default=3)
    parser.add_argument("--epoch-steps", type=command_line.positive, default=10)
    parser.add_argument("--steps-per-job-cap", type=command_line.positive, default=4)
    command_line.add_workdir(parser)
    parser.add_argument("--partition-workflow", default="cpu")
    parser.add_argument("--partition-train", default="gpu")
    parser.add_argument("--partition-eval", default="cpu")
    parser.add_argument(
        "--gres-train", default="gpu:1", help="what a training job asks for; '' for nothing"
    )
    parser.add_argument(
        "--step-seconds",
        type=command_line.seconds,
        default=0.05,
        help="duration of a training step",
    )
    parser.add_argument(
        "--eval-seconds", type=command_line.seconds, default=0.5, help="duration of an evaluation"
    )
    return parser


def plan_from(args: argparse.Namespace, cluster: Cluster) -> Plan:
    """The plan, with a workdir that is there and can be written. Raises `ConfigError`."""
    plan = Plan(
        workdir=args.workdir,
        epochs=args.epochs,
        epoch_steps=args.epoch_steps,
        steps_per_job_cap=args.steps_per_job_cap,
        partition_train=args.partition_train or None,
        partition_eval=args.partition_eval or None,
        gres_train=args.gres_train or None,
        step_seconds=args.step_seconds,
        eval_seconds=args.eval_seconds,
    )
    tasks_for(plan)  # refuses what sbatch would refuse later, from inside the orchestrator
    return replace(plan, workdir=command_line.workdir_on(cluster, args.workdir))


def check_partitions(args: argparse.Namespace, cluster: Cluster) -> None:
    """Refuse a partition that the cluster does not have. Raises `ConfigError`."""
    known = [row["partition"] for row in cluster.get_cluster_info().get("partitions", [])]
    for kind in ("workflow", "train", "eval"):
        name = getattr(args, f"partition_{kind}")
        if name and known and not set(name.split(",")) <= set(known):
            raise ConfigError(
                f"--partition-{kind} {name!r} is not a partition of this cluster"
                f"{suggestion(name, known)}; it has {sorted(set(known))}"
            )


def open_run(plan: Plan, cluster: Cluster) -> dict[str, Any]:
    """The state of the run in the workdir, begun here if there is none. Raises `ConfigError`."""
    path = str(plan.state_path)
    fresh = json.dumps(initial_state(plan), indent=2).encode()
    try:
        cluster.backend.write_file(path, fresh, exclusive=True)
        found = cluster.backend.read_file(path)
    except RemoteFileError as error:
        raise ConfigError(f"{path} cannot be used: {error}") from error
    return parse_state(found.decode("utf-8", "replace"), plan)


def start(run_id: str, plan: Plan, cluster: Cluster, partition: str) -> Job[dict[str, Any]]:
    """The run's orchestrator: the one that is alive or has finished it, else a new one."""
    task = train_and_evaluate.with_options(**({"partition": partition} if partition else {}))
    for number in itertools.count():
        job: Job[dict[str, Any]] = task.submit(cluster, key=f"{run_id}/orchestrator/{number}")(plan)
        if not job.reattached:
            logger.info("orchestrator: submitted job %s", job.id)
            return job
        job.get_status()
        if not job.is_completed() or job.is_successful():
            logger.info("orchestrator: following job %s", job.id)
            return job
        logger.info("orchestrator: job %s ended as %s", job.id, job.get_status())
    raise AssertionError("unreachable")


def main(argv: list[str] | None = None) -> int:
    """Run the example; returns the exit status."""
    args = arguments().parse_args(argv)
    followed = "Jobs go on; the same command again follows them"
    return command_line.run(PROGRAM, _main, args, interrupted=followed)


def _main(args: argparse.Namespace) -> None:
    cluster = Cluster.from_args(args)
    try:
        check_partitions(args, cluster)
        plan = plan_from(args, cluster)
        state = open_run(plan, cluster)
        if state["status"] != "completed":
            job = start(state["run_id"], plan, cluster, args.partition_workflow)
            state = job.get_result()
    finally:
        cluster.close()
    _report(plan, state)


def _report(plan: Plan, state: dict[str, Any]) -> None:
    print(f"run {state['run_id']} is {state['status']}")
    print(f"  state       {plan.state_path}")
    for entry in state["epochs"]:
        jobs = len(entry["train_jobs"])
        print(
            f"  checkpoint  {entry['checkpoint']}  {entry['steps_completed']} steps in {jobs} jobs"
        )
        print(f"  metrics     {entry['metrics']}  loss {entry['loss']:.6f}")


if __name__ == "__main__":
    sys.exit(main())
