"""Runtimes of containers: which there are, what each takes, and how one starts Python. Pure, but for `probe`.

Each runtime has a module with the page its command line is from and one function, `start`: from a `Container` to what a
job script has to say. `start` has those two classes and what several runtimes need.

- `pyxis`, `enroot`, `apptainer` (and Singularity), `slurm_oci`, `charliecloud`, `podman`: the runtimes;
- `bundle`: what `slurm_oci` starts, an OCI bundle;
- `probe`: which of them a cluster has.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from importlib import import_module

from slurm.errors import ConfigError, PackagingError
from slurm.packaging.images.image_names import KINDS
from slurm.packaging.images.runtimes.start import Container, Start

# What each takes; in the order in which one is chosen where none is named.
TAKES: Mapping[str, tuple[str, ...]] = {
    "pyxis": ("registry", "sqsh"),
    "apptainer": ("registry", "sif", "sqsh", "tar", "directory"),
    "singularity": ("registry", "sif", "sqsh", "tar", "directory"),
    "enroot": ("registry", "sqsh"),
    "slurm-oci": ("directory",),
    "charliecloud": ("registry", "sqsh", "tar", "directory"),
    "podman": ("registry", "tar", "directory"),
}
MODULES: Mapping[str, str] = {"singularity": "apptainer", "slurm-oci": "slurm_oci"}


def start(runtime: str, container: Container) -> Start:
    """What a job script has to say for Python to be started in `container`. Raises `ConfigError`."""
    module = import_module(f"{__name__}.{MODULES.get(runtime, runtime)}")
    made: Start = (
        module.start(container, runtime) if runtime == "singularity" else module.start(container)
    )
    return made


def check_takes(runtime: str, image: str, kind: str) -> None:
    """Raises `ConfigError` where `runtime` cannot start an image of this kind."""
    if kind not in TAKES[runtime]:
        takes = " or ".join(KINDS[known] for known in TAKES[runtime])
        raise ConfigError(
            f"image {image!r} is {KINDS[kind]}, and {runtime} takes {takes}: name another image or runtime"
        )


def chosen(found: Collection[str], image: str, kind: str) -> str:
    """The runtime, of those that were found, that is to start an image. Raises `PackagingError`.

    >>> chosen(["podman", "charliecloud"], "/images/train", "directory")
    'charliecloud'
    """
    for runtime, takes in TAKES.items():
        if runtime in found and kind in takes:
            return runtime
    able = ", ".join(runtime for runtime, takes in TAKES.items() if kind in takes)
    there = f"only {', '.join(found)}" if found else "no runtime of containers at all"
    raise PackagingError(
        f"the login node has {there}, and image {image!r} is {KINDS[kind]}, which needs one of {able}: "
        "if the nodes have one, name it with the packaging's runtime"
    )
