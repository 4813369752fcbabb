"""Pyxis, a plugin of srun: https://github.com/NVIDIA/pyxis#usage (``srun --help`` shows its options where it is)."""

from __future__ import annotations

from slurm.packaging.images.image_names import enroot_reference
from slurm.packaging.images.runtimes.start import Container, Start

# One process on the batch node with all the job has there, which a step that the function starts
# shares; and with the script's variables, whatever sbatch was told to export.
SRUN = (
    *("srun", "--nodes=1", "--ntasks=1", "--relative=0", "--overlap", "--cpu-bind=none"),
    "--export=ALL",
)


def start(container: Container) -> Start:
    """GPUs and the job's variables are the plugin's and Slurm's matter."""
    image = container.image
    if container.kind == "registry":
        image = enroot_reference(image)
    options = [f"--container-image={image}"]
    options.append("--container-mounts=" + ",".join(mount.pyxis for mount in container.mounts))
    if container.workdir is not None:
        options.append(f"--container-workdir={container.workdir}")
    if container.env:
        options.append("--container-env=" + ",".join(container.env))
    return Start([*SRUN, *options, container.python])
