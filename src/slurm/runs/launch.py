"""Begins runs: finds the launch script, writes the manifest, has the run submitted. It never waits for the job."""

from __future__ import annotations

import os
import posixpath
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from slurm.api.requests import JobRequest
from slurm.config.findings import printable
from slurm.errors import ConfigError
from slurm.job_dir.paths import directory_name
from slurm.runs import store
from slurm.runs.clusters import recorded
from slurm.runs.design import read_design
from slurm.runs.detect import SCRIPTS, Detection
from slurm.runs.directives import directives
from slurm.runs.launch_script import JOB_SCRIPT
from slurm.runs.lifecycle import RunStatus
from slurm.runs.manifest import FILE, Manifest
from slurm.runs.moments import now
from slurm.runs.places import OUTPUTS
from slurm.runs.policy import Policy
from slurm.runs.project import DESIGN, RUNS, iteration_of
from slurm.runs.run_ids import new_run_directory
from slurm.runs.submission import ID_KEY, RECORD, job_request, read_script

if TYPE_CHECKING:
    from slurm.cluster import Cluster


@dataclass(frozen=True)
class Launch:
    """What is to be launched: an iteration's script, and whether it is a job of Slurm (``host_mode``)."""

    iteration: Path
    script: Path
    host_mode: str

    @property
    def iteration_id(self) -> str:
        """The name of the iteration."""
        return self.iteration.name


def launch_of(detection: Detection, policy: Policy, iteration: Path | None = None) -> Launch:
    """The launch that the iteration's files and the detected location ask for. Raises `ConfigError`.

    `iteration` is a directory; without it, it is the one that the working directory is in.
    """
    found = iteration or _with_script(Path.cwd()) or iteration_of(Path.cwd(), policy.root)
    if found is None:
        raise ConfigError(
            f"{Path.cwd()} is in no iteration, a directory with {DESIGN}, {SCRIPTS['slurm']} or {SCRIPTS['local']}: "
            "go there, or name it with --iteration"
        )
    found = found.resolve()
    if not found.is_dir():
        raise ConfigError(f"--iteration {found}: there is no such directory")
    require_usable(found, policy)
    script = found / detection.script
    if script.is_file():
        return Launch(found, script, detection.location)
    other = next((one for one in SCRIPTS.values() if (found / one).is_file()), None)
    has = f"; it has {other}: declare its compute.location in {DESIGN}" if other else ""
    raise ConfigError(
        f"{found} has no {detection.script}, which location {detection.location} needs ({detection.why}){has}"
    )


def require_usable(iteration: Path, policy: Policy) -> None:
    """Raises `ConfigError` where an iteration's directory is named so that its runs could not be written down or found."""
    name = iteration.name
    if "|" in name or not name.isprintable():
        raise ConfigError(
            f"{printable(str(iteration))}: the name of an iteration is in the ledger, and has no | and no character that "
            "cannot be printed: rename the directory"
        )
    if iteration.is_relative_to(policy.root):
        for part in iteration.relative_to(policy.root).parts:
            if store.is_passed_over(part):
                raise ConfigError(
                    f"{printable(str(iteration))}: runs are not looked for in {part}: rename or move the directory"
                )


def _with_script(folder: Path) -> Path | None:
    return folder if any((folder / one).is_file() for one in SCRIPTS.values()) else None


def new_manifest(launch: Launch, policy: Policy, cluster: Cluster) -> Manifest:
    """The manifest of a new run, written, in a directory of its own. Nobody has been asked for a job yet.

    Raises `ConfigError` for a script or a design that is none, `ManifestError` where it cannot be written.
    """
    script = read_script(launch.script)
    at, token = now(), os.urandom(16).hex()
    base, shares = cluster.job_base_dir, cluster.backend.shares_filesystem
    remote = declared_remote(launch.iteration, cluster)
    run_id, folder = new_run_directory(launch.iteration, policy.root, at)
    job_dir = _job_dir(base, launch, run_id, token)
    home = str(folder / OUTPUTS)
    manifest = Manifest.new(
        launch.iteration_id,
        launch.script.name,
        started_at=at,
        token=token,
        host_mode=launch.host_mode,
        resource_request=directives(script),
        run_id=run_id,
        path=str(folder / FILE),
    )
    manifest = manifest.having(
        "submission", job_dir=job_dir, script=JOB_SCRIPT, metadata=RECORD, id_key=ID_KEY
    )
    remote = remote or (home if shares else posixpath.join(job_dir, OUTPUTS))
    return store.write(manifest.with_keys(cluster=recorded(cluster), artifacts={"remote": remote}))


def declared_remote(iteration: Path, cluster: Cluster) -> str:
    """Where the iteration's design says that artifacts are on the cluster; empty where it does not."""
    path = iteration / DESIGN
    remote = read_design(path).remote if path.is_file() else None
    if remote and remote.startswith("~/"):
        return posixpath.join(cluster.backend.host().home, remote[2:])
    return remote or ""


def _job_dir(base: str, launch: Launch, run_id: str, token: str) -> str:
    name = directory_name(launch.iteration_id)
    return posixpath.join(base, RUNS, name, f"{run_id}_{token[:8]}")


def preview(launch: Launch, cluster: Cluster) -> JobRequest:
    """What would be submitted; nothing is written, and nobody is asked for a job."""
    script = read_script(launch.script)
    site, run_id, token = cluster.site, "<run id>", "<token>"
    job_dir = posixpath.join(site.shown_base, RUNS, directory_name(launch.iteration_id), run_id)
    shares = cluster.backend.shares_filesystem
    home = launch.iteration / RUNS / run_id
    manifest = Manifest(
        {
            "run_id": run_id,
            "iteration_id": launch.iteration_id,
            "command": launch.script.name,
            "submission": {"job_dir": job_dir, "token": token},
            "artifacts": {"remote": str(home / OUTPUTS) if shares else f"{job_dir}/{OUTPUTS}"},
        },
        str(home / FILE),
    )
    return job_request(manifest, script, shares_filesystem=shares)


def waiting_run(launch: Launch) -> Manifest | None:
    """The iteration's latest run that nobody has submitted: a launch submits that one, rather than a second."""
    runs = [store.read(path) for path in store.find(launch.iteration / RUNS)]
    waiting = [one for one in runs if one.status is RunStatus.PENDING and not one.section("sdk")]
    waiting.sort(key=lambda one: (one.started_at, one.run_id))
    return waiting[-1] if waiting else None
