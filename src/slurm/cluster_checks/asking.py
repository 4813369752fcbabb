"""Asking a cluster: `site_probe` is sent there as text, and answers in JSON."""

from __future__ import annotations

import base64
import json
import time
import zlib
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any, NamedTuple

from slurm import Cluster
from slurm.errors import SlurmError

TIMEOUT = 180.0  # seconds: a hung controller keeps each command for its own time


class Answers(NamedTuple):
    """What was answered, and how the clock there differs from the one here, in seconds; ahead of it is positive."""

    said: Mapping[str, Any]
    clock_ahead: float


def ask(cluster: Cluster, parts: Sequence[str], **request: Any) -> Answers:
    """What the probe says of `parts` where the scheduler's commands are run. Raises `SlurmError` where it says nothing."""
    host = cluster.backend.host()
    began = time.time()
    code, output = cluster.backend.run_program(
        [host.executable, "-I", "-"],
        input=program({"parts": list(parts), **request}),
        timeout=TIMEOUT,
    )
    elapsed = time.time() - began
    lines = output.decode("utf-8", "replace").splitlines()
    try:
        said = json.loads(zlib.decompress(base64.b64decode(lines[-1], validate=True)))
    except (IndexError, ValueError, zlib.error):
        last = lines[-1][-400:] if lines else "it printed nothing"
        raise SlurmError(
            f"{host.executable} could not look around there: it exited with {code}: {last}"
        ) from None
    return Answers(said, said["time"] - (began + (elapsed - said["took"]) / 2))


def program(request: Mapping[str, Any]) -> bytes:
    """The text that is run there."""
    text = resources.files("slurm.cluster_checks").joinpath("site_probe.py").read_text("utf-8")
    return f"{text}\n\nrun(json.loads({json.dumps(request)!r}))\n".encode()
