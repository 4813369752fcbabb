"""The backend for a machine with Slurm's commands: a login node, or a node inside a job."""

from __future__ import annotations

from typing import Any

from slurm.api.agent import Agent, AgentError
from slurm.api.agent_backend import AgentBackend, error_of


class InProcessBackend(AgentBackend):
    """Asks an agent that lives in this process."""

    def __init__(self, agent: Agent) -> None:
        self.agent = agent

    @property
    def shares_filesystem(self) -> bool:
        return True

    def request(self, op: str, params: dict[str, Any], blob: bytes = b"") -> tuple[Any, bytes]:
        try:
            return self.agent.call(op, params, blob)
        except AgentError as error:
            raise error_of(error.kind, str(error)) from error

    def close(self) -> None:
        """Nothing to let go of."""


class SlurmCliBackend(InProcessBackend):
    """Runs ``sbatch``, ``squeue``, ``sacct`` and ``scancel`` on this machine."""

    def __init__(self) -> None:
        super().__init__(Agent())
