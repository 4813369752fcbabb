"""What the numbers were taken on."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path

from slurm._version import __version__

ROOT = Path(__file__).parents[1]


def facts(slurm_version: str) -> dict[str, object]:
    """The machine, the versions and the date; nothing that names the machine."""
    return {
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "commit": _said("git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"),
        "slurm-tasks": __version__,
        "python": platform.python_version(),
        "slurm": slurm_version,
        "ssh": _said("ssh", "-V"),
        "system": f"{platform.system()} {platform.machine()}",
        "cpu": _cpu(),
        "cores": _cores(),
        "memory_gb": _memory(),
        "load_at_start": round(os.getloadavg()[0], 2),
    }


def described(found: Mapping[str, object]) -> str:
    """The facts in a sentence or two."""
    return (
        f"Measured on {str(found['date'])[:10]} at commit `{found['commit']}`: {found['cores']} cores"
        f" ({found['cpu']}), {found['memory_gb']} GB, {found['system']}, Python {found['python']},"
        f" {found['slurm']}, {found['ssh']}; the load was {found['load_at_start']} when it began."
        " Client, login node, controller and nodes share these cores."
    )


def _said(*argv: str) -> str:
    """What a command prints first, be it to stderr; nothing where there is no such command."""
    try:
        done = subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=10,
            check=False,
            text=True,
        )
    except (OSError, subprocess.TimeoutExpired):
        return "unknown"
    lines = done.stdout.splitlines()
    return lines[0].split(",")[0] if lines and done.returncode == 0 else "unknown"


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.processor() or "unknown"
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else "unknown"


def _memory() -> int:
    return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9)
