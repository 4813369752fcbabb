"""One call of a command, as the commands see it."""

from __future__ import annotations

import os
import pwd
from typing import NamedTuple

from .store import State, Store

VERSION = "24.11.5"
# An exit status, and what goes to standard output and standard error.
Answer = tuple[int, str, str]


class Asked(NamedTuple):
    """When it was called and by whom, and the state of the cluster, which the command may change."""

    store: Store
    state: State
    now: float
    user: str
    uid: int


def user_name() -> str:
    """Who calls, as Slurm's commands name him."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())


def about(command: str, options: dict[str, str]) -> Answer | None:
    """The answer to ``--version`` and ``--help``."""
    if "version" in options:
        return 0, f"slurm {VERSION} (fake_slurm)\n", ""
    if "help" in options:
        return 0, f"This {command} is a fake: see slurm.testing.fake_slurm.FakeSlurm.\n", ""
    return None
