"""Slurm's own containers, ``srun --container``, where the site has an ``oci.conf``.

- https://slurm.schedmd.com/containers.html: what a site sets up, and that the bundle has to be on the node;
- https://slurm.schedmd.com/srun.html: ``--container``.
"""

from __future__ import annotations

import hashlib
import posixpath

from slurm.packaging.runtimes.bundle import bundle_for
from slurm.packaging.runtimes.pyxis import SRUN
from slurm.packaging.runtimes.start import Container, Start

CONFIG = "config.json"


def start(container: Container) -> Start:
    """The image's root file system in a bundle of ours, which has the mounts; Slurm puts command and variables into it."""
    config = bundle_for(container)
    folder = posixpath.join(container.base, hashlib.sha256(config).hexdigest()[:16])
    command = [*SRUN, f"--container={folder}", container.python]
    return Start(command, files={posixpath.join(folder, CONFIG): config})
