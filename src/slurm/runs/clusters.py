"""The clusters that the runs of a project are of, each opened once."""

from __future__ import annotations

import argparse
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from slurm.errors import ConfigError
from slurm.runs.detect import missing_commands
from slurm.runs.manifest import LOCAL, Manifest

if TYPE_CHECKING:
    from slurm.cluster import Cluster


BASE = "job_base_dir"


class Clusters:
    """``with Clusters(args) as clusters:`` gives the cluster of a run, as command-line options and a Slurmfile name it.

    Runs whose host_mode is ``local`` are processes of this machine, whatever is named. Nobody's callbacks are called.

    >>> with Clusters() as clusters:
    ...     clusters.for_mode("local")
    <Cluster local ~/slurm_jobs>
    """

    def __init__(self, args: argparse.Namespace | None = None, start: Path | None = None) -> None:
        self._args = args
        self._start = start
        self._open: dict[str, Cluster] = {}

    @property
    def backend(self) -> str | None:
        """The name of the backend that the options choose, by themselves or by a Slurmfile; None where they choose none.

        >>> Clusters().backend is None
        True
        """
        from slurm.config.slurmfile import cluster_settings

        path, env, given = self._arguments()
        if path is None and env is None:
            named = given.get("backend_type")
            return None if named is None else str(named)
        settings = cluster_settings(path, env=env, overrides={**given, "callbacks": ()})
        return str(settings.arguments["backend_type"])

    def require_readable(self) -> None:
        """Raises `ConfigError` where the options, or the Slurmfile that there is, are wrong: before anything is done."""
        from slurm.config.slurmfile import cluster_settings, find_slurmfile

        path, env, given = self._arguments()
        if env is None and path is None and "backend_type" in given:
            return
        if env is not None or path is not None or find_slurmfile(self._start) is not None:
            cluster_settings(
                path or find_slurmfile(self._start), env=env, overrides={**given, "callbacks": ()}
            )

    def for_mode(self, host_mode: str) -> Cluster:
        """The cluster to which a run of this host_mode is submitted. Raises `ConfigError`."""
        if host_mode not in self._open:
            self._open[host_mode] = self._local() if host_mode == LOCAL else self._named()
        return self._open[host_mode]

    def of(self, manifest: Manifest) -> Cluster:
        """The cluster that a run is of.

        A local scheduler of one's own is found by what the manifest says of it, unless options name another cluster. Raises
        `ConfigError` where what is named is not the cluster to which the run was submitted.
        """
        was = manifest.section("cluster")
        own = None if self._is_named else self._own_local(was)
        cluster = own or self.for_mode(str(manifest.content["host_mode"]))
        named = about(cluster)
        if was and any(was.get(key) != named[key] for key in named):
            raise ConfigError(
                f"run {manifest.run_id} is of {in_words(was)}, and what is named is {in_words(named)}: "
                "name its cluster with --slurmfile, --env or --backend"
            )
        return cluster

    @property
    def _is_named(self) -> bool:
        return any(self._arguments())

    def _own_local(self, was: Mapping[str, Any]) -> Cluster | None:
        """The local scheduler in a directory that nobody else could have written into; None for anything else."""
        from slurm.cluster import Cluster

        place, base = was.get("place") or [""], was.get(BASE)
        if was.get("backend") != LOCAL or not base or not _is_private(str(place[0])):
            return None
        if place[0] not in self._open:
            self._open[place[0]] = Cluster("local", state_dir=place[0], job_base_dir=base)
        return self._open[place[0]]

    def _local(self) -> Cluster:
        from slurm.cluster import Cluster
        from slurm.config.slurmfile import cluster_settings, find_slurmfile

        path, env, given = self._arguments()
        found = path or find_slurmfile(self._start)
        if found is not None and "backend_type" not in given:
            settings = cluster_settings(found, env=env)
            if settings.arguments["backend_type"] == LOCAL:
                return self._named()
        kept = {name: given[name] for name in ("job_base_dir", "max_cpus") if name in given}
        return Cluster("local", **kept)

    def _named(self) -> Cluster:
        from slurm.cluster import Cluster
        from slurm.config.slurmfile import find_slurmfile

        path, env, given = self._arguments()
        if path is None and env is None and "backend_type" in given:
            return Cluster(**given)
        if path is None and find_slurmfile(self._start) is None:
            missing = missing_commands()
            if missing:
                raise ConfigError(
                    f"there is no Slurmfile.toml that names the cluster, and no {' and no '.join(missing)} on the PATH "
                    f"of this machine: write a Slurmfile, name one with --slurmfile, or give --backend"
                )
            return Cluster("slurm", **given)
        return Cluster.from_env(
            path or find_slurmfile(self._start), env=env, overrides=given, callbacks=()
        )

    def _arguments(self) -> tuple[str | None, str | None, dict[str, Any]]:
        from slurm.config.command_line import arguments_from

        return (None, None, {}) if self._args is None else arguments_from(self._args)

    def __enter__(self) -> Clusters:
        self.require_readable()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        while self._open:
            self._open.popitem()[1].close()


def recorded(cluster: Cluster) -> dict[str, Any]:
    """What a new run's manifest says of its cluster: which it is, and where its jobs' directories are."""
    return {**about(cluster), BASE: cluster.job_base_dir}


def about(cluster: Cluster) -> dict[str, Any]:
    """Which cluster it is, as a manifest has it: equal where a job id means the same job.

    >>> from slurm import Cluster
    >>> about(Cluster("local", state_dir="/scratch/me/queue"))
    {'backend': 'local', 'place': ['/scratch/me/queue']}
    """
    name, *place = cluster.site.place
    return {"backend": str(name), "place": [None if one is None else str(one) for one in place]}


def _is_private(folder: str) -> bool:
    """Whether a directory is this user's, and nobody else may write into it."""
    try:
        found = os.stat(folder)
    except OSError:
        return False
    return found.st_uid == os.geteuid() and not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def in_words(cluster: Mapping[str, Any]) -> str:
    """The cluster of a manifest, for a message.

    >>> in_words({"backend": "ssh", "place": ["hpc", None, "me", None]})
    'ssh hpc me'
    """
    return " ".join(
        [
            cluster.get("backend", "another cluster"),
            *(one for one in cluster.get("place", ()) if one),
        ]
    )
