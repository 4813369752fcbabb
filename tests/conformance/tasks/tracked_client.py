"""A client that is killed while it submits: ``tracked_client.py <how to connect, as JSON> <iteration> before|after``.

``before``: when its run is written down, and the scheduler has not been asked. ``after``: when it has answered, and that is
not written down yet.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from typing import Any

from slurm import Cluster, task
from slurm.callbacks import HoldsSubmission, SubmitBeginContext, SubmitEndContext
from slurm.runs import RunTracker


@task
def double(number: int) -> int:
    return 2 * number


class Killer(HoldsSubmission):
    """Asked after the tracker, and told before it."""

    def before_submission(self, ctx: SubmitBeginContext) -> None:
        if sys.argv[3] == "before":
            os.kill(os.getpid(), signal.SIGKILL)

    def after_submission(self, ctx: SubmitEndContext) -> None:
        os.kill(os.getpid(), signal.SIGKILL)


def connect(backend: str, arguments: dict[str, Any], slurmfile: str) -> Cluster:
    more = {**arguments, "callbacks": [RunTracker(sys.argv[2]), Killer()]}
    if slurmfile:
        return Cluster.from_env(slurmfile, env="default", overrides=more)
    return Cluster(backend, **more)


if __name__ == "__main__":
    double.submit(connect(**json.loads(sys.argv[1])))(21)
