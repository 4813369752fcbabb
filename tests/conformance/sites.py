"""The places where the suite runs: how a client reaches each, and where it may write there."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.conformance.waiting import wait_until

from slurm import Cluster

if TYPE_CHECKING:
    from slurm.testing import DockerCluster

# A job directory may lie anywhere: here is what a shell, sbatch or a file name pattern misreads.
HOSTILE = """it's a "$(base)" & more; 100%j *~é"""


@dataclass(frozen=True)
class Site:
    """A backend at work: how its `Cluster` is made, and a directory of the suite's own there.

    `slurmfile`, where there is one, and `arguments` are plain text and JSON, so that a client in a
    process of its own can be given them.
    """

    backend: str
    root: str
    arguments: Mapping[str, Any]
    slurmfile: str = ""

    def connect(self, **more: Any) -> Cluster:
        """A new client; `more` are arguments of `Cluster` beside those of the site."""
        arguments = {**self.arguments, **more}
        if self.slurmfile:
            return Cluster.from_env(self.slurmfile, env="default", overrides=arguments)
        return Cluster(self.backend, **arguments)

    def folder(self, client: Cluster) -> str:
        """A fresh directory that jobs and tests see alike."""
        return client.backend.make_directory(f"{self.root}/files/{secrets.token_hex(6)}")


@dataclass(frozen=True)
class Gate:
    """Holds jobs back: the task ``wait_for(gate.path)`` runs until `open`."""

    client: Cluster
    path: str

    def open(self) -> None:
        self.client.backend.write_file(self.path, b"")

    def wait_until_started(self) -> None:
        """Return when a job has come to the gate."""
        note = f"{self.path}.started"
        wait_until(lambda: self.client.backend.file_exists(note), f"a job comes to {self.path}")


@contextmanager
def local_site(folder: Path) -> Iterator[Site]:
    site = Site("local", str(folder), {**_arguments(str(folder)), "max_cpus": 4})
    yield site
    with closing(site.connect()) as client:
        client.backend.shutdown(kill_jobs=True)  # type: ignore[attr-defined]  # a LocalBackend


@contextmanager
def ssh_site(docker: DockerCluster) -> Iterator[Site]:
    root = _fresh("/shared/work")
    with _removed_again(Site("ssh", root, _arguments(root), str(docker.slurmfile))) as site:
        yield site


@contextmanager
def slurm_site(folder: Path) -> Iterator[Site]:
    """This machine is a login node, and `folder` is on a file system that the nodes share."""
    root = _fresh(str(folder))
    with _removed_again(Site("slurm", root, _arguments(root))) as site:
        yield site


def _fresh(folder: str) -> str:
    return f"{folder}/conformance-{secrets.token_hex(6)}"


def _arguments(root: str) -> dict[str, Any]:
    return {
        "job_base_dir": f"{root}/{HOSTILE}",
        "submit": {"mem": "100M", "time": "00:05:00"},
        "poll_interval_min": 0.1,
        "poll_interval_max": 1.0,
    }


@contextmanager
def _removed_again(site: Site) -> Iterator[Site]:
    with closing(site.connect()) as client:
        client.backend.make_directory(site.root)
        yield site
        client.backend.remove(site.root)
