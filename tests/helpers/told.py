"""Helpers that are programs of their own, for they fork or are killed: run, and what they print."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

ROOT = Path(__file__).parents[2]
LONGEST = 280.0  # seconds


def environment() -> dict[str, str]:
    """The variables for a program that imports the other helpers, beside what this process finds."""
    path = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path)}


def told(program: ModuleType, *arguments: object, before: Sequence[str] = ()) -> Any:
    """What a helper prints, as JSON; `before` are words in front of its command line."""
    words = [*before, sys.executable, "-W", "error", str(program.__file__), *map(str, arguments)]
    done = subprocess.run(
        words, capture_output=True, text=True, timeout=LONGEST, check=False, env=environment()
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
