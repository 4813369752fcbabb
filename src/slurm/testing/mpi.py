"""What programs of MPI take on a dockerised cluster: Debian's Open MPI, and how they are started in each release of Slurm."""

from __future__ import annotations

from slurm.testing.releases import Release
from slurm.testing.shape import Shape

# The same names in every release. Slurm's plugin for PMIx is in the image of every cluster, where Debian has it.
PACKAGES = ("openmpi-bin", "python3-mpi4py")


def mpi_packages(shape: Shape) -> tuple[str, ...]:
    """The Debian packages that its image has for programs of MPI.

    >>> mpi_packages(Shape(mpi=True)), mpi_packages(Shape())
    (('openmpi-bin', 'python3-mpi4py'), ())
    """
    return PACKAGES if shape.mpi else ()


def mpi_settings(shape: Shape, release: Release) -> dict[str, str]:
    """The settings of ``slurm.conf`` with which ``srun`` starts them by itself.

    >>> from slurm.testing.releases import RELEASES
    >>> [mpi_settings(Shape(mpi=True), RELEASES[name]) for name in ("trixie", "forky")]
    [{'MpiDefault': 'pmix'}, {}]
    """
    return {"MpiDefault": "pmix"} if shape.mpi and release.has_pmix else {}
