"""One training job: a bounded number of steps from wherever the checkpoint stands."""

from __future__ import annotations

import logging
import os
import time
from pathlib import Path
from typing import Any

from slurm import JobContext, task
from slurm.examples.parallel_train_eval.files import exclusive, read_of_epoch, write_json
from slurm.examples.parallel_train_eval.plan import Plan

logger: logging.Logger = logging.getLogger(__name__)

# Fits y = 3x - 1 by gradient descent: small enough to read, real enough to see the loss fall.
TARGET = (3.0, -1.0)
POINTS = [x / 10 for x in range(-10, 11)]
LEARNING_RATE = 0.3


@task(time="00:10:00", mem="200M")
def train_epoch(job: JobContext, plan: Plan, epoch: int) -> dict[str, Any]:
    """Train `epoch` for at most ``plan.steps_per_job_cap`` steps and say how far it is.

    Every step is saved before the next begins, and the lock lets one job at a time train an epoch:
    a job that is killed loses at most the step it was in, and no step is done twice.
    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    started = time.time()
    path = plan.checkpoint_path(epoch)
    with exclusive(path.with_suffix(".lock")):
        checkpoint = read_checkpoint(path, epoch) or _first_checkpoint(plan, epoch)
        done = checkpoint["steps_completed"]
        last = min(plan.epoch_steps, done + plan.steps_per_job_cap)
        for step in range(done + 1, last + 1):
            time.sleep(plan.step_seconds)
            _descend(checkpoint["weights"])
            checkpoint["steps_completed"] = step
            checkpoint["history"].append({"step": step, "job_id": job.job_id})
            write_json(path, checkpoint)
            logger.info("epoch %d: step %d of %d", epoch, step, plan.epoch_steps)
    logger.info("wrote %s", path)
    return {
        "epoch": epoch,
        "steps": last - done,
        "steps_completed": last,
        "checkpoint": str(path),
        "partition": job.partition,
        "cuda_visible_devices": os.environ.get("CUDA_VISIBLE_DEVICES"),
        "started_at": started,
        "finished_at": time.time(),
    }


def read_checkpoint(path: Path, epoch: int) -> dict[str, Any] | None:
    """An epoch's checkpoint, None where there is none. Raises `ConfigError` for a file that is something else."""
    return read_of_epoch(path, epoch, steps_completed=int, weights=list, history=list)


def loss_of(weights: list[float]) -> float:
    """The mean squared error over the points."""
    slope, offset = weights
    errors = [slope * x + offset - (TARGET[0] * x + TARGET[1]) for x in POINTS]
    return sum(error * error for error in errors) / len(errors)


def _first_checkpoint(plan: Plan, epoch: int) -> dict[str, Any]:
    """An epoch begins with the weights at the end of the one before it."""
    before = epoch - 1
    previous = read_checkpoint(plan.checkpoint_path(before), before) if epoch else None
    weights = list(previous["weights"]) if previous else [0.0, 0.0]
    return {"epoch": epoch, "steps_completed": 0, "weights": weights, "history": []}


def _descend(weights: list[float]) -> None:
    slope, offset = weights
    errors = [slope * x + offset - (TARGET[0] * x + TARGET[1]) for x in POINTS]
    weights[0] -= LEARNING_RATE * 2 * sum(e * x for e, x in zip(errors, POINTS)) / len(POINTS)
    weights[1] -= LEARNING_RATE * 2 * sum(errors) / len(POINTS)
