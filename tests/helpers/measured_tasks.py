"""Tasks whose values are measured; in a module of their own, for jobs load it, and have no `slurm.runs`."""

from __future__ import annotations

from slurm import task


@task
def train(loss: float) -> dict[str, float]:
    return {"accuracy": 0.9, "loss": loss}


@task
def diverge() -> float:
    raise ArithmeticError("at step 3")


@task
def half(number: int) -> float:
    return 1 / number
