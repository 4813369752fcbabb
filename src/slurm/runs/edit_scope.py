"""Which paths of a project a tool may write: ``agent_runner.edit_scope``.

- ``iteration_only``: what is in the iteration's directory, the one with ``design.yaml`` and ``runs/``;
- ``iteration_plus_core``: that, ``core_dirs`` of the project, and the ledger;
- ``any``: all of the project.

In every mode ``.git`` and ``.slurm`` are outside, for they say what is run, and so is what lies outside of the project once
links and ``..`` are followed. What is looked at is the paths as they are now: a link that is made later is not seen.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from slurm.errors import ConfigError
from slurm.runs.policy import CORE_DIRS, EDIT_MODE, Policy
from slurm.runs.project import FOLDER, iteration_of

ITERATION_ONLY, PLUS_CORE, ANY = "iteration_only", "iteration_plus_core", "any"


class Outside(NamedTuple):
    """A path that may not be written, and why."""

    path: str
    reason: str


class EditScope:
    """What a policy allows to write.

    `iteration` is the directory of the iteration at work; without it the one that `start` is in. Raises `ConfigError` where
    the mode needs one and there is none.

    >>> from slurm.runs.policy import load_policy
    >>> Path("iter1/runs").mkdir(parents=True)
    >>> scope = EditScope(load_policy(Path(".")), iteration=Path("iter1"))
    >>> [one.path for one in scope.outside(["iter1/train.py", "iter1/../train.py"])]
    ['iter1/../train.py']
    """

    def __init__(
        self, policy: Policy, *, iteration: Path | None = None, start: Path | None = None
    ) -> None:
        self.mode: str = policy[EDIT_MODE]
        self.root: str = os.path.realpath(policy.root)
        self.start: str = os.path.abspath(start or os.getcwd())
        found = iteration or iteration_of(Path(self.start), policy.root)
        if iteration is not None and not os.path.isdir(Path(self.start) / iteration):
            raise ConfigError(f"--iteration {iteration}: there is no such directory")
        if found is None and self.mode == ITERATION_ONLY:
            raise ConfigError(
                f"{EDIT_MODE} is {ITERATION_ONLY}, and this directory is in no iteration: name it with --iteration DIR"
            )
        self.iteration: str | None = (
            None if found is None else os.path.realpath(os.path.join(self.start, found))
        )
        if self.iteration is not None and not _within(self.iteration, self.root):
            raise ConfigError(
                f"--iteration {found} is outside of the project at {self.root}: it leads to {self.iteration}"
            )
        core = [*policy[CORE_DIRS], os.path.relpath(policy.ledger, policy.root)]
        self.core: tuple[str, ...] = tuple(
            os.path.realpath(os.path.join(self.root, one)) for one in core
        )

    @property
    def areas(self) -> tuple[str, ...]:
        """The directories and files in which may be written."""
        if self.mode == ANY:
            return (self.root,)
        own = () if self.iteration is None else (self.iteration,)
        return own if self.mode == ITERATION_ONLY else (*own, *self.core)

    def outside(self, paths: Iterable[str]) -> list[Outside]:
        """Those of the paths that may not be written."""
        reasons = ((path, self.reason(path)) for path in paths)
        return [Outside(path, reason) for path, reason in reasons if reason]

    def reason(self, path: str) -> str:
        """Why a path may not be written; empty where it may."""
        if not path:
            return "it is empty"
        full = os.path.join(self.start, path)
        try:
            os.stat(full)
        except (OSError, ValueError) as error:
            if isinstance(error, ValueError) or error.errno == errno.ELOOP:
                return "it leads nowhere"
        real = os.path.realpath(full)
        leads = "" if real == os.path.abspath(full) else f" (it leads to {real})"
        if not _within(real, self.root):
            return f"outside of the project at {self.root}{leads}"
        parts = os.path.relpath(real, self.root).split(os.sep)
        if parts[0].casefold() == FOLDER or any(part.casefold() == ".git" for part in parts):
            return f"{FOLDER} and .git are never written by a tool{leads}"
        if any(_within(real, area) for area in self.areas):
            return ""
        where = ", ".join(os.path.relpath(area, self.root) for area in self.areas) or "nothing"
        return f"{self.mode} allows {where}{leads}"


def _within(path: str, area: str) -> bool:
    return path == area or path.startswith(area.rstrip(os.sep) + os.sep)
