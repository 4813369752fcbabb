"""A backend that asks an agent of this process as one at the other end of a connection is asked."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from slurm.agent.agent import Agent
from slurm.api.agent_backend import AgentBackend
from slurm.api.requests import Archive, JobRequest, Submitted
from slurm.api.slurm_cli import InProcessBackend
from slurm.job_dir.large_files import SpooledFile

Between = Callable[[str, dict[str, Any], bytes], bytes]


class Far(InProcessBackend):
    """Moves files in small pieces. `between` is told of each request, and may raise or alter its blob."""

    shares_filesystem = False
    open_file = AgentBackend.open_file
    open_files = AgentBackend.open_files
    piece, in_flight, together, large_from = 10, 3, 50, 25

    def __init__(self, scheduler: Any) -> None:
        super().__init__(Agent(scheduler))
        self.asked: list[str] = []
        self.between: Between = lambda op, params, blob: blob

    def request(self, op: str, params: dict[str, Any], blob: bytes = b"") -> tuple[Any, bytes]:
        self.asked.append(op)
        return super().request(op, params, self.between(op, params, blob))

    def submit(self, base: Path, *requests: JobRequest, **more: Any) -> list[Submitted]:
        """Submit without an archive."""
        events, archive = f"{base}/.events/me", Archive(str(base.parent))
        return self.submit_jobs(requests, base=str(base), events=events, archive=archive, **more)


def spooled(content: bytes, in_memory: int = 0) -> SpooledFile:
    """What arguments are pickled into, with this in it."""
    spool = SpooledFile(in_memory)
    spool.write(content)
    return spool
