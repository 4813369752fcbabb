"""Draws the pictures of the dashboard in the documentation anew, from jobs that are made up.

PYTHONPATH=. python scripts/draw-dashboard.py
"""

from __future__ import annotations

import re
import time
from pathlib import Path

from tests.helpers.dashboards import FakeSource, OpenPilot, drive, press, seen, until

from slurm.dash.app import Dash
from slurm.job_list import ListedJob
from slurm.states import JobState as S

FOLDER = Path(__file__).parents[1] / "docs/how-to"
NOW = time.mktime((2026, 2, 18, 16, 0, 45, 0, 0, -1))
RUN = "/home/me/slurm_jobs/{}/20260218_155045_0a1b2c3d"
# Rich names a font of another host, as the second choice after one that may be installed here.
FONT_FACES = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)
LOG = "".join(f"epoch {n:2}  loss {1 / n:.3f}  accuracy {1 - 0.5 / n:.3f}\n" for n in range(1, 41))


def job(job_id: str, name: str, state: S, minutes_ago: float, **more: object) -> ListedJob:
    submitted = NOW - 60 * minutes_ago
    about: dict[str, object] = {
        "ours": True,
        "submitted": submitted,
        "directory": RUN.format(name),
        "cpus": 4,
        "nodes": 1,
        "partition": "batch",
        "time_limit": 7200,
    }
    if state is not S.PENDING:
        about |= {"started": submitted + 20, "elapsed": 60 * minutes_ago - 20}
    return ListedJob(job_id, name, state=state, **{**about, **more})  # type: ignore[arg-type]


JOBS = (
    job("4711", "prepare", S.COMPLETED, 52, node="c1", elapsed=192.0),
    job("4712", "sweep", S.RUNNING, 51, node="c1", kind="workflow"),
    job(
        *("4713_[0-99]", "train", S.RUNNING, 50),
        kind="array",
        states={S.COMPLETED: 61, S.RUNNING: 16, S.FAILED: 3, S.PENDING: 20},
        reason="JobArrayTaskLimit",
        workflow="4712",
    ),
    job("4714", "evaluate", S.PENDING, 50, reason="Dependency", workflow="4712"),
    job("4802", "notes", S.RUNNING, 31, node="c2", ours=False, directory="", cpus=1),
    job("4815", "finetune", S.RUNNING, 24, node="gpu1", partition="gpu", cpus=16),
    job("4816", "score", S.OUT_OF_MEMORY, 15, node="c2", exit_code="0:125", elapsed=75.0),
    job("4820", "report", S.PENDING, 2, reason="Priority"),
)


def draw(name: str, size: tuple[int, int], keys: str, wanted: str) -> None:
    source = FakeSource(*JOBS, now=NOW)
    source.name = "hpc"
    source.logs = {False: LOG, True: ""}

    async def steps(pilot: OpenPilot) -> None:
        await press(pilot, *keys.split())
        await until(pilot, lambda: wanted in seen(pilot.app))
        svg = pilot.app.export_screenshot(title="slurm dash", simplify=True)
        (FOLDER / name).write_text(FONT_FACES.sub("", svg))

    drive(Dash(source), steps, size)


draw("dashboard.svg", (104, 30), "down down down down down", "JobArrayTaskLimit")
draw("dashboard-log.svg", (160, 30), "2 down down", "epoch 40")
