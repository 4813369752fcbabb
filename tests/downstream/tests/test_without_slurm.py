"""A test of this project that needs neither Docker nor Slurm: what the scheduler says is made up."""

from __future__ import annotations

import subprocess


def test_a_job_that_waits_says_why(fake_slurm):
    fake_slurm.say(7, "PENDING", reason="Priority")
    shown = subprocess.run(
        ["squeue", "--noheader", "--jobs=7", "--format=%T %r"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert shown.stdout.strip() == "PENDING Priority"
