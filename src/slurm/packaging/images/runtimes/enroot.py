"""Enroot: https://github.com/NVIDIA/enroot/blob/master/doc/cmd/start.md and ``import.md`` beside it."""

from __future__ import annotations

import posixpath
import shlex

from slurm.packaging.images.image_names import enroot_reference
from slurm.packaging.images.runtimes.start import (
    IN_DIRECTORY,
    JOBS_VARIABLES,
    Container,
    Start,
    made_once,
)

# Enroot hands on only the variables that it is told to: here those of the job, and `env`.
WRAPPER = f"""\
for name in {JOBS_VARIABLES} %s; \
do [ -n "${{!name+set}}" ] && set -- --env "$name" "$@"; done; exec enroot start --rw "$@"\
"""
IMPORTED = "image.sqsh"


def start(container: Container) -> Start:
    """An image of a registry is imported by the first job. Enroot's own hooks see to GPUs."""
    image, setup = container.image, []
    if container.kind == "registry":
        reference, image = enroot_reference(image), posixpath.join(container.folder, IMPORTED)
        source = shlex.quote(f"docker://{reference}")
        failure = f"enroot could not import {reference}"
        setup = made_once(image, [f'enroot import --output "$part" -- {source}'], failure)
    options = [word for mount in container.mounts for word in ("--mount", mount.enroot)]
    inside = [] if container.workdir is None else [*IN_DIRECTORY, container.workdir]
    wrapper = ["bash", "-c", WRAPPER % " ".join(container.env), "enroot"]
    command = [*wrapper, *options, "--", image, *inside, container.python]
    return Start(command, setup, makes=container.folder if setup else "")
