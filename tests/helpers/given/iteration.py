"""A project with an iteration, for what keeps a record of runs."""

from __future__ import annotations

from pathlib import Path

Path(".slurm").mkdir()
Path("plan/iter1/runs").mkdir(parents=True)

assert __name__ == "__main__"
# the page goes on here
