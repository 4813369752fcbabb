"""A project with an iteration, for what keeps a record of runs."""

from __future__ import annotations

from pathlib import Path

Path(".slurm").mkdir()
Path("plan/iter1/runs").mkdir(parents=True)

if __name__ == "__main__":
    pass  # the page goes on here
