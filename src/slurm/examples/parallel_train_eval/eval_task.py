"""One evaluation job: reads an epoch's checkpoint, writes its metrics."""

from __future__ import annotations

import logging
import time
from pathlib import Path
from typing import Any

from slurm import JobContext, task
from slurm.examples.parallel_train_eval.files import exclusive, read_of_epoch, write_json
from slurm.examples.parallel_train_eval.plan import Plan
from slurm.examples.parallel_train_eval.train_task import loss_of, read_checkpoint

logger: logging.Logger = logging.getLogger(__name__)


@task(time="00:10:00", mem="200M")
def evaluate_epoch(job: JobContext, plan: Plan, trained: dict[str, Any]) -> dict[str, Any]:
    """Evaluate the checkpoint that a training job left; `trained` is that job's result.

    The lock, and a look at what is there, let an epoch be evaluated once, however many jobs are sent.
    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    started = time.time()
    path = plan.metrics_path(trained["epoch"])
    with exclusive(path.with_suffix(".lock")):
        metrics = read_metrics(path, trained["epoch"])
        if metrics is None:
            metrics = _evaluate(plan, trained, job.job_id)
            write_json(path, metrics)
            logger.info("epoch %d: loss %.6f, wrote %s", metrics["epoch"], metrics["loss"], path)
    return {
        "metrics": str(path),
        "loss": metrics["loss"],
        "partition": job.partition,
        "started_at": started,
        "finished_at": time.time(),
    }


def read_metrics(path: Path, epoch: int) -> dict[str, Any] | None:
    """An epoch's metrics, None where there are none. Raises `ConfigError` for a file that is something else."""
    return read_of_epoch(path, epoch, loss=float)


def _evaluate(plan: Plan, trained: dict[str, Any], job_id: str) -> dict[str, Any]:
    checkpoint = read_checkpoint(Path(trained["checkpoint"]), trained["epoch"])
    if checkpoint is None:
        raise FileNotFoundError(f"the checkpoint {trained['checkpoint']} is gone")
    time.sleep(plan.eval_seconds)
    return {
        "epoch": trained["epoch"],
        "checkpoint": trained["checkpoint"],
        "steps_completed": checkpoint["steps_completed"],
        "weights": checkpoint["weights"],
        "loss": loss_of(checkpoint["weights"]),
        "job_id": job_id,
    }
