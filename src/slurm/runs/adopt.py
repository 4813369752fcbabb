"""Makes a run of a job that somebody has submitted by hand."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slurm.errors import ConfigError, SlurmError
from slurm.runs import store
from slurm.runs.advance import Advance
from slurm.runs.clusters import about, recorded
from slurm.runs.detect import SCRIPTS
from slurm.runs.launch import declared_remote, require_usable
from slurm.runs.manifest import FILE, SLURM, Manifest
from slurm.runs.moments import now
from slurm.runs.observe import observe
from slurm.runs.places import OUTPUTS
from slurm.runs.project import iteration_of
from slurm.runs.report import Report
from slurm.runs.run_ids import new_run_directory
from slurm.runs.step import Action, Teller

if TYPE_CHECKING:
    from slurm.cluster import Cluster
    from slurm.runs.clusters import Clusters
    from slurm.runs.policy import Policy

BY = "slurm runs adopt"
JOB_ID = re.compile("[0-9]+(_[0-9]+)?")


def adopt(
    job_id: str,
    clusters: Clusters,
    policy: Policy,
    *,
    run: Manifest | None = None,
    iteration: Path | None = None,
    remote: str = "",
) -> Report:
    """The run whose job this is from now on: `run`, or a new one of an iteration.

    `remote` is where the job leaves its artifacts. Raises `ConfigError` for a job that the scheduler does not know, or that is
    another run's already.
    """
    if not JOB_ID.fullmatch(job_id):
        raise ConfigError(f"{job_id!r} is no job id, such as 4711 or 4711_3")
    cluster = clusters.for_mode(SLURM) if run is None else clusters.of(run)
    here = about(cluster)
    for path in store.find(policy.root):
        other = store.read(path)
        if (
            other.job_id == job_id
            and _is_of(other, here)
            and (run is None or other.path != run.path)
        ):
            raise SlurmError(f"job {job_id} is run {other.run_id}'s already ({other.path})")
    if run is None:
        manifest = _new(job_id, cluster, policy, iteration, remote)
    else:
        _require_known(job_id, run, cluster)
        manifest = store.change(Path(run.path), lambda m: Teller(now(), BY).adopted(m, job_id))
    [report] = Advance(clusters, policy, BY, actions={Action.OBSERVE}).all([manifest])
    return report


def _new(
    job_id: str, cluster: Cluster, policy: Policy, iteration: Path | None, remote: str
) -> Manifest:
    folder = (iteration or iteration_of(Path.cwd(), policy.root) or Path.cwd()).resolve()
    require_usable(folder, policy)
    at, script = now(), SCRIPTS[SLURM]
    shape = Manifest.new(folder.name, script, started_at=at, token="-")
    _require_known(job_id, shape, cluster)
    remote = remote or declared_remote(folder, cluster)
    run_id, home = new_run_directory(folder, policy.root, at)
    manifest = Manifest.new(
        folder.name, script, started_at=at, token="-", run_id=run_id, path=str(home / FILE)
    )
    if not remote and cluster.backend.shares_filesystem:
        remote = str(home / OUTPUTS)
    known = manifest.with_keys(
        submission={"outcome": "unknown"},
        cluster=recorded(cluster),
        artifacts={"remote": remote} if remote else {},
    )
    return store.write(Teller(at, BY).adopted(known, job_id))


def _is_of(manifest: Manifest, here: Mapping[str, Any]) -> bool:
    """Whether a job id of this run means a job of the cluster; of one that does not say it, it may."""
    was = manifest.section("cluster")
    return manifest.is_slurm and (not was or all(was.get(key) == here[key] for key in here))


def _require_known(job_id: str, manifest: Manifest, cluster: Cluster) -> None:
    [seen] = observe(cluster, [manifest.with_keys(job_id=job_id, submission={})])
    if seen.source == "absent":
        raise ConfigError(f"the scheduler knows no job {job_id} of yours on {cluster}")
