"""What channels to an agent are opened with."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable

from slurm.api.transport import BOOTSTRAP, Channel

AGENT = [sys.executable, "-u", "-c", BOOTSTRAP]
Open = Callable[..., Channel]


def shell(script: str) -> list[str]:
    """A child that runs `script`, in which ``$AGENT`` starts the agent."""
    return ["sh", "-c", script.replace("$AGENT", shlex.join(AGENT))]
