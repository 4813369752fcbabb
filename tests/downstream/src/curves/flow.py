"""The jobs: one for each degree, and a workflow that has them run and writes a table of what they found."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from curves.data import DEGREES, POINTS
from slurm import JobContext, WorkflowContext, task, workflow


def surroundings() -> dict[str, Any]:
    """Where the code, its dependencies and Python come from in this process."""
    import numpy

    return {
        "code": __file__,
        "numpy": numpy.__file__,
        "python": sys.prefix,
        "in_image": os.path.exists("/etc/in-the-image"),
    }


@task
def fit(job: JobContext, degree: int) -> dict[str, Any]:
    """The polynomial of a degree through the points; its coefficients are left in ``fit.json``."""
    import numpy

    xs, ys = zip(*POINTS)
    found = numpy.polynomial.Polynomial.fit(xs, ys, degree).convert()
    error = float(numpy.max(numpy.abs(found(numpy.array(xs)) - numpy.array(ys))))
    result = {
        "degree": degree,
        "coefficients": [round(float(one), 6) + 0.0 for one in found.coef],
        "error": round(error, 6),
    }
    (job.job_dir / "fit.json").write_text(json.dumps(result))
    # A program that the job starts has the SDK as well, and the project's commands.
    asked = subprocess.run(
        [sys.executable, "-c", "import slurm; print(slurm.__version__)"],
        capture_output=True,
        text=True,
        check=True,
    )
    return {**result, "sdk": asked.stdout.strip(), "at": surroundings()}


@workflow
def fit_all(ctx: WorkflowContext, folder: str) -> dict[str, Any]:
    """All degrees, in jobs of their own; the best one and a table are left in `folder`."""
    from tabulate import tabulate

    fits = [job.get_result() for job in [fit(degree) for degree in DEGREES]]
    best = min(fits, key=lambda one: one["error"])
    rows = [[one["degree"], one["error"]] for one in fits]
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    (target / "table.txt").write_text(tabulate(rows, headers=["degree", "error"]))
    (target / "best.json").write_text(
        json.dumps({name: best[name] for name in ("degree", "coefficients")})
    )
    return {"best": best["degree"], "at": surroundings(), "of_jobs": [one["at"] for one in fits]}
