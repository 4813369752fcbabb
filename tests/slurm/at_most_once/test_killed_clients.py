"""A client is killed with SIGKILL while it submits; one that is started anew with the same key has its job."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from at_most_once.bench import TIMEOUT, Bench

pytestmark = pytest.mark.slurm

MOMENTS = ("nothing was sent", "half of it was sent", "it was sent", "it was answered")


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_client_killed_at_any_moment_leaves_at_most_one_job(
    moment: str, bench: Bench, key: str
) -> None:
    script = Path(__file__).with_name("doomed_client.py")
    path = os.pathsep.join([str(script.parents[1]), *filter(None, sys.path)])
    arguments = [str(bench.docker.slurmfile), json.dumps(bench.overrides), key, moment]
    done = subprocess.run(
        [sys.executable, str(script), *arguments],
        env={**os.environ, "PYTHONPATH": path},
        timeout=TIMEOUT,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL
    job = bench.asked(bench.client(), key)
    bench.assert_one_job(job, key)
