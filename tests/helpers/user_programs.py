"""Programs of a user on this machine, which submit to a cluster."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from slurm import Cluster

DEADLINE = 500


class Failed(Exception):
    """What a program said last."""


def result_of(
    argv: Sequence[str], environment: Mapping[str, str], folder: Path | None = None
) -> Any:
    """What a program of this Python prints as JSON, with more in its environment. Raises `Failed`."""
    done = subprocess.run(
        [sys.executable, *argv],
        env={**os.environ, **environment},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )
    if done.returncode != 0:
        raise Failed(done.stderr.strip().splitlines()[-1])
    return json.loads(done.stdout)


@contextlib.contextmanager
def clients_of(slurmfile: Path) -> Iterator[Callable[..., Cluster]]:
    """``with clients_of(slurmfile) as connect:`` what makes clients with a packaging; the last one is active."""
    with contextlib.ExitStack() as stack:

        def connect(**packaging: Any) -> Cluster:
            overrides = {"packaging": {"type": "none", **packaging}}
            cluster = Cluster.from_env(slurmfile, overrides=overrides)
            stack.callback(cluster.close)
            return stack.enter_context(cluster)

        yield connect
