"""Slurm's own containers, ``srun --container``, where the site has an ``oci.conf``.

- https://slurm.schedmd.com/containers.html: what a site sets up, and that the bundle has to be on the node;
- https://slurm.schedmd.com/srun.html: ``--container``.
"""

from __future__ import annotations

import hashlib
import posixpath
from dataclasses import replace

from slurm.packaging.images.runtimes.bundle import bundle_for
from slurm.packaging.images.runtimes.pyxis import SRUN
from slurm.packaging.images.runtimes.start import Container, Start, unpacked_once

CONFIG = "config.json"


def start(container: Container) -> Start:
    """The image's root file system in a bundle of ours, which has the mounts; Slurm puts command and variables into it.

    A ``.tar`` of a root file system is unpacked by the first job.
    """
    setup: list[str] = []
    if container.kind == "tar":
        failure = f"{container.image} could not be unpacked"
        image, setup = unpacked_once(container, failure)
        container = replace(container, image=image)
    config = bundle_for(container)
    folder = posixpath.join(container.base, hashlib.sha256(config).hexdigest()[:16])
    command = [*SRUN, f"--container={folder}", container.python]
    files = {posixpath.join(folder, CONFIG): config}
    return Start(command, setup, files=files, makes=container.folder if setup else "")
