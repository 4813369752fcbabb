"""What a run is asked to do, and where its files are."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Plan:
    """The parameters of a run. Those in `identity` belong to its workdir for good; the rest may change.

    - `epochs`, `epoch_steps`: how much to train; `steps_per_job_cap`: what one job does at most,
      a deterministic stand-in for time limits and preemption.
    - `step_seconds`, `eval_seconds`: how long a training step and an evaluation last at least.
    """

    workdir: str
    epochs: int
    epoch_steps: int
    steps_per_job_cap: int
    partition_train: str | None = None
    partition_eval: str | None = None
    gres_train: str | None = None
    step_seconds: float = 0.0
    eval_seconds: float = 0.0

    @property
    def identity(self) -> dict[str, Any]:
        """The parameters that a workdir is bound to."""
        names = ("epochs", "epoch_steps", "steps_per_job_cap")
        return {name: asdict(self)[name] for name in names}

    @property
    def state_path(self) -> Path:
        return Path(self.workdir) / "state.json"

    def checkpoint_path(self, epoch: int) -> Path:
        """Where the epoch's model is, from its first step on."""
        return Path(self.workdir) / "checkpoints" / f"epoch_{epoch:03d}.json"

    def metrics_path(self, epoch: int) -> Path:
        """Where the epoch's evaluation is, once it is done."""
        return Path(self.workdir) / "metrics" / f"epoch_{epoch:03d}.json"
