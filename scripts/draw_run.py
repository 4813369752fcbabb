"""Take the picture of a run that the home page shows: the example runs on this machine, Chromium photographs its timeline.

    python scripts/draw_run.py

Run it after a change of how timelines look. The picture is `docs/assets/timeline.png`.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from look_at_pages import chromium

PICTURE = Path(__file__).parents[1] / "docs/assets/timeline.png"
RUN = "-m slurm.examples.parallel_train_eval.workflow --backend local --workdir run --epochs 3 --epoch-steps 6"
PACE = "--steps-per-job-cap 4 --step-seconds 0.5 --eval-seconds 2"


def main() -> None:
    """Run the example in a home of its own, and draw it."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        home = {**os.environ, "HOME": made}
        run = [sys.executable, *RUN.split(), *PACE.split()]
        subprocess.run(run, cwd=folder, env=home, check=True)
        [job] = (folder / "slurm_jobs/train_and_evaluate").iterdir()
        page = folder / "page.html"
        draw = [sys.executable, "-m", "slurm.cli", "tree", "--html", str(page), str(job)]
        subprocess.run(draw, env=home, check=True)
        shown = (
            page.read_text("utf-8")
            .replace(made, "/home/me")
            .replace("color-scheme: light dark", "")
        )
        page.write_text(shown, "utf-8")
        options = [
            "--window-size=1120,490",
            f"--screenshot={PICTURE}",
            "--virtual-time-budget=2000",
        ]
        chromium(folder / "profile", *options, page.as_uri())


if __name__ == "__main__":
    main()
