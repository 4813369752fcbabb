"""One dockerised cluster for all processes of a test run.

The run's first process that needs the cluster starts it, under a lock; the others find the note it
left. The process that began the run removes the cluster. A run that was killed leaves its own to
the next one, which finds that its owner is gone.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slurm.testing import access
from slurm.testing.errors import ClusterError, ClusterStartError, module_of_extra

if TYPE_CHECKING:
    from slurm.testing.docker_cluster import DockerCluster

OWNER = "owner"
RUN = "run-"


@dataclass(frozen=True)
class SharedCluster:
    """The cluster of one test run, equal in all its processes.

    - `root`: the folder of the tests; ``.slurm-cluster`` is made in it.
    - `run_id`: names this run; `owner` is the process that began it.
    - `keep`: use one cluster for many runs. Otherwise each run has its own, unless an earlier one has `kept` its: these
      are names of compose projects.
    - `purpose`: what a cluster is for that is not the one of all tests; `options` of `DockerCluster`
      that it needs.
    """

    root: Path
    run_id: str
    owner: int
    release: str
    keep: bool
    purpose: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    kept: frozenset[str] = frozenset()

    @property
    def project(self) -> str:
        """The compose project's name: other checkouts, releases, purposes and runs have others."""
        return self._lasting if self.is_kept else f"{self._lasting}-{self.run_id}"

    @property
    def is_kept(self) -> bool:
        """Whether it stays after the run."""
        return self.keep or self._lasting in self.kept

    @property
    def _lasting(self) -> str:
        return "-".join(filter(None, (self._family, self.release, self.purpose)))

    @property
    def folder(self) -> Path:
        """The cluster's state directory; there is none unless a test asked for the cluster."""
        return access.default_folder(self.project, self.root)

    def cluster(self) -> DockerCluster:
        """The cluster, up or not."""
        from slurm.testing.docker_cluster import DockerCluster

        return DockerCluster(
            self.project, release=self.release, state_dir=self.folder, **self.options
        )

    def bring_up(self) -> DockerCluster:
        """The cluster, up. Raises `ClusterError`, in every process of the run that asks."""
        lock = module_of_extra("filelock").FileLock
        cluster = self.cluster()
        cluster.access.make_folder()
        with lock(cluster.access.lock):
            (self.folder / f"{RUN}{self.run_id}").write_text(self.purpose, "utf-8")
            if self._failed.exists():
                raise ClusterStartError(f"the cluster {self.project} did not start")
            if not self._ready.exists():
                self._start(cluster)
        return cluster

    def of_this_run(self) -> list[SharedCluster]:
        """This and all others that processes of the run have asked for, of whatever purpose."""
        notes = self.folder.parent.glob(f"{self._family}-{self.release}*/{RUN}{self.run_id}")
        return [replace(self, purpose=note.read_text("utf-8")) for note in sorted(notes)]

    def what_was_done(self) -> str:
        """What was done to have it up, in a line; nothing where no test has asked for it."""
        return self._ready.read_text("utf-8") if self._ready.exists() else ""

    def failure(self) -> str | None:
        """Why the cluster did not start, with its daemons' last lines; None if it was not so."""
        return self._failed.read_text("utf-8") if self._failed.exists() else None

    def release_resources(self) -> None:
        """End of the run: remove the cluster unless it is kept. Only for the run's owner.

        Raises `ClusterError` if that fails.
        """
        if not self.folder.is_dir():
            return
        lock = module_of_extra("filelock").FileLock
        cluster = self.cluster()
        with lock(cluster.access.lock):  # an interrupted process may still be at it
            failed = self._failed.exists()
            for note in (self._ready, self._failed, self.folder / f"{RUN}{self.run_id}"):
                note.unlink(missing_ok=True)
            if self.is_kept and cluster.access.exists():
                return
            if not failed:  # else there is none, and perhaps no Docker to ask
                cluster.compose.remove()
            _remove_files(cluster)

    # ------------------------------------------------------------------------------- private

    @property
    def _family(self) -> str:
        return family_of(self.root)

    @property
    def _ready(self) -> Path:
        return self.folder / f"ready-{self.run_id}"

    @property
    def _failed(self) -> Path:
        return self.folder / f"failed-{self.run_id}"

    def _start(self, cluster: DockerCluster) -> None:
        if not self.purpose:  # whoever starts one for a purpose does so beside others
            self._remove_orphans()
        if not self.is_kept:
            (self.folder / OWNER).write_text(str(self.owner), "utf-8")
        try:
            broken = cluster.access.exists() and cluster.has_its_shape() and not cluster.is_up()
            if self.is_kept and broken:
                cluster.down()
            done = cluster.up()
        except ClusterError as error:
            self._failed.write_text(str(error), "utf-8")
            raise
        self._ready.write_text(done, "utf-8")

    def _remove_orphans(self) -> None:
        from slurm.testing.docker_cluster import DockerCluster

        for note in self.folder.parent.glob(f"{self._family}-*/{OWNER}"):
            if not _is_alive(int(note.read_text("utf-8"))):
                orphan = DockerCluster(note.parent.name, state_dir=note.parent)
                orphan.compose.remove()
                _remove_files(orphan)


def family_of(root: Path) -> str:
    """How the names of all clusters begin that tests below a folder have."""
    return "slurm-test-" + hashlib.sha256(os.fsencode(root)).hexdigest()[:8]


def kept_of(root: Path) -> list[Path]:
    """The state directories of those that earlier runs have kept, each with the name of its compose project."""
    folders = access.default_folder(f"{family_of(root)}-*", root)
    found = sorted(folders.parent.glob(folders.name))
    return [
        one for one in found if access.Access(one.name, one).exists() and not (one / OWNER).exists()
    ]


def take_down_kept(root: Path) -> list[str]:
    """Remove what earlier runs have kept; returns the names of their compose projects. Raises `ClusterError`."""
    from slurm.testing.docker_cluster import DockerCluster

    gone = []
    for folder in kept_of(root):
        cluster = DockerCluster(folder.name, state_dir=folder)
        cluster.compose.remove()
        _remove_files(cluster)
        gone.append(folder.name)
    return gone


def _remove_files(cluster: DockerCluster) -> None:
    for pattern in (OWNER, f"{RUN}*", "ready-*", "failed-*"):
        for note in cluster.state_dir.glob(pattern):
            note.unlink(missing_ok=True)
    cluster.access.lock.unlink(missing_ok=True)
    cluster.access.remove()


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
