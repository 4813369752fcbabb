"""The releases of Slurm that the dockerised cluster can be, and all in which they differ.

Each is Debian's own Slurm of one of its releases, which brings its Python and its sshd as well. What Slurm is told in
other words on one of them stands in ``docker/releases/NAME/``; the rest of the cluster is the same on all.
"""

from __future__ import annotations

from dataclasses import dataclass

from slurm.testing.errors import ClusterError


@dataclass(frozen=True)
class Release:
    """One release of Debian, for what is in it.

    - `name`: Debian's name of it, as ``trixie``.
    - `debian`: Debian's number; ``testing`` for the one to come, whose packages change.
    - `slurm`: Slurm's version, as far as it tells what Slurm can do: ``24.11``.
    - `python`: the version of the ``python3`` that login node and compute nodes have.
    - `data_parsers`: what the address of a request to its slurmrestd may name, as ``v0.0.42``.
    - `json`: whether ``squeue``, ``sacct`` and the others can answer in JSON.
    - `launches_containers`: whether ``srun --container`` and Charliecloud are known to run jobs on it.
    - `fails_refused_jobs`: whether a job is FAILED that its node refuses, whose clock is minutes off; else it waits.
    - `has_pmix`: whether Debian's Slurm has the plugin by which ``srun`` starts programs of Open MPI; else ``mpirun`` does.
    - `archived`: whether Debian has ended its support: mirrors may drop it without notice.
    """

    name: str
    debian: str
    slurm: str
    python: tuple[int, int]
    data_parsers: tuple[str, ...]
    json: bool = True
    launches_containers: bool = False
    fails_refused_jobs: bool = False
    has_pmix: bool = True
    archived: bool = False

    @property
    def runs_clients(self) -> bool:
        """Whether ``Cluster("slurm")`` runs with the Python of its login node; jobs run with any that is listed here.

        >>> [release.name for release in RELEASES.values() if not release.runs_clients]
        ['bullseye']
        """
        return self.python >= OLDEST_PYTHON_OF_CLIENTS


OLDEST_PYTHON_OF_CLIENTS = (3, 10)
DEFAULT = "trixie"

RELEASES: dict[str, Release] = {
    release.name: release
    for release in (
        Release(
            "bullseye",
            "11",
            "20.11",
            (3, 9),
            ("v0.0.35", "v0.0.36"),
            json=False,
            archived=True,
        ),
        Release("bookworm", "12", "22.05", (3, 11), ("v0.0.36", "v0.0.37", "v0.0.38")),
        Release(
            "trixie",
            "13",
            "24.11",
            (3, 13),
            ("v0.0.40", "v0.0.41", "v0.0.42"),
            launches_containers=True,
        ),
        Release(
            "forky",
            "testing",
            "26.05",
            (3, 14),
            ("v0.0.42", "v0.0.43", "v0.0.44", "v0.0.45"),
            fails_refused_jobs=True,
            has_pmix=False,
        ),
    )
}


def release_named(name: str) -> Release:
    """The release with Debian's `name`. Raises `ClusterError` where there is none.

    >>> release_named("bookworm").slurm
    '22.05'
    >>> release_named("buster")
    Traceback (most recent call last):
    ...
    slurm.testing.errors.ClusterError: the release 'buster' must be one of bullseye (Slurm 20.11), bookworm (22.05), trixie (24.11), forky (26.05)
    """
    if name not in RELEASES:
        raise ClusterError(f"the release {name!r} must be one of {listed()}")
    return RELEASES[name]


def listed() -> str:
    """All of them in a line, for messages and help.

    >>> listed()
    'bullseye (Slurm 20.11), bookworm (22.05), trixie (24.11), forky (26.05)'
    """
    known = [f"{release.name} ({release.slurm})" for release in RELEASES.values()]
    return ", ".join(known).replace("(", "(Slurm ", 1)


def if_archived(name: str) -> str:
    """What to say besides where Debian's packages of the release cannot be had; empty for a supported one.

    >>> if_archived("trixie")
    ''
    >>> if_archived("bullseye").partition(":")[0]
    'Debian keeps bullseye (11) in its archive of old releases, and mirrors may have dropped it'
    """
    release = release_named(name)
    if not release.archived:
        return ""
    return (
        f"Debian keeps {name} ({release.debian}) in its archive of old releases, and mirrors may have dropped it: "
        f"make a debian:{name}-slim whose /etc/apt/sources.list names a mirror that has it, or take another release"
    )
