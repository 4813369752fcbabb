"""The backend for a machine with Slurm's commands: a login node, or a node inside a job."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO

from slurm import forks
from slurm.agent.agent import Agent
from slurm.agent.errors import AgentError, as_agent_error
from slurm.agent.programs import Programs
from slurm.agent.regular_files import open_regular
from slurm.agent.users import expanded
from slurm.api.agent_backend import AgentBackend, error_of
from slurm.api.disk_and_memory import require_memory
from slurm.api.requests import Progress
from slurm.errors import RemoteFileMissing


class InProcessBackend(AgentBackend):
    """Asks an agent that lives in this process."""

    in_flight: int = 1

    def __init__(self, agent: Agent) -> None:
        self.agent = agent
        forks.in_child(self._begin_anew)

    def _begin_anew(self) -> None:
        """In a forked child: the programs that run are its parent's."""
        self.agent.programs = Programs()

    @property
    def shares_filesystem(self) -> bool:
        return True

    def request(self, op: str, params: dict[str, Any], blob: bytes = b"") -> tuple[Any, bytes]:
        try:
            answer, out = self.agent.call(op, params, blob)
            return answer, out if isinstance(out, bytes) else out.read()
        except AgentError as error:
            raise error_of(error.kind, str(error)) from None

    def open_file(self, path: str, *, progress: Progress | None = None) -> BinaryIO:
        """The file itself, of which nothing has to be fetched."""
        try:
            path = expanded(path)
            file: BinaryIO = open_regular(path)
        except OSError as failure:
            error = as_agent_error(failure)
            raise error_of(error.kind, str(error)) from None
        except AgentError as error:
            raise error_of(error.kind, str(error)) from None
        try:
            require_memory(path, os.fstat(file.fileno()).st_size)
        except BaseException:
            file.close()
            raise
        return file

    def open_files(
        self, paths: Sequence[str], *, progress: Progress | None = None
    ) -> Iterator[BinaryIO | None]:
        for path in paths:
            try:
                yield self.open_file(path)
            except RemoteFileMissing:
                yield None

    def close(self) -> None:
        """Nothing to let go of."""


class SlurmCliBackend(InProcessBackend):
    """Runs ``sbatch``, ``squeue``, ``sacct`` and ``scancel`` on this machine."""

    def __init__(self) -> None:
        super().__init__(Agent())
