"""A run's artifacts, from the cluster into its ``outputs/``, and what its manifest says of that."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from slurm.api.base import BackendBase
from slurm.config.findings import printable
from slurm.errors import RemoteFileError, RemoteFileMissing
from slurm.runs.arrival import (
    KEPT,
    Arrived,
    alone,
    at_home,
    design_of,
    is_marked,
    is_moved,
    is_same_place,
    remote_of,
    said,
)
from slurm.runs.design import Design
from slurm.runs.fetch import Fetch, Fetched, Told
from slurm.runs.home import Home
from slurm.runs.manifest import Manifest
from slurm.runs.places import outputs_of
from slurm.runs.policy import RSYNC, Policy
from slurm.runs.sync_command import bring_by_command, rsync_source
from slurm.runs.sync_plan import MOST_FILES, Plan, about_missing, missing, plan

if TYPE_CHECKING:
    from slurm.cluster import Cluster

ANY_SIZE = 1 << 62  # bytes
LOOKS = 3  # at artifacts that change meanwhile


def sync_run(
    manifest: Manifest, cluster: Cluster, policy: Policy, progress: Told | None = None
) -> Arrived:
    """Bring a run's artifacts home, as its iteration's ``design.yaml`` and the project's policy say.

    What a person has brought, and marked with ``artifact_sync_to_local.status: ok`` before the run was synced, is only
    looked at: so the manifest has to be the one before `Teller.syncing`. Raises `TransportError` and
    `SchedulerUnreachable` where the cluster cannot be reached, `BeingSynced`, and `ConfigError` for a design or a policy.
    """
    design = design_of(manifest)
    if is_marked(manifest):
        found = at_home(manifest, design)
        if found.complete:
            return found
    backend = cluster.backend
    outputs = outputs_of(manifest)
    remote = remote_of(manifest, design)
    if remote and policy[RSYNC] is not None and not is_same_place(backend, remote, outputs):
        values = {"source": rsync_source(backend, remote), "destination": f"{outputs}/"}
        argv = policy.command(RSYNC, run_id=manifest.run_id, **values)
        return bring_by_command(manifest, design, backend, argv or [], policy.root)
    return bring_home(manifest, design, backend, most_bytes=policy.most_bytes, progress=progress)


def bring_from(folder: Path, manifest: Manifest, progress: Told | None = None) -> Arrived:
    """Take a run's artifacts from a directory of this machine, whatever their size: somebody has brought them there."""
    from slurm.api.slurm_cli import SlurmCliBackend

    there = manifest.having("artifacts", remote=str(folder))
    design = design_of(manifest)
    return bring_home(there, design, SlurmCliBackend(), most_bytes=ANY_SIZE, progress=progress)


def bring_home(
    manifest: Manifest,
    design: Design,
    backend: BackendBase,
    *,
    most_bytes: int,
    progress: Told | None = None,
) -> Arrived:
    """Bring a run's artifacts home over the backend's connection, at most `most_bytes` of them.

    What is here already is not brought again, and what an earlier attempt has begun is continued. Where they are in the
    run's ``outputs/`` by themselves, it is a check. Raises as `sync_run`.
    """
    outputs = outputs_of(manifest)
    remote = remote_of(manifest, design)
    if not remote:
        return _from_nowhere(manifest, design)
    if is_same_place(backend, remote, outputs) or is_moved(backend, remote, manifest):
        return at_home(manifest, design)
    fetch = Fetch(backend, remote, Home(outputs), outputs.parent / KEPT, progress)
    try:
        with alone(manifest):
            chosen, fetched = _brought(fetch, lambda: _chosen(backend, remote, design, most_bytes))
        return _arrived(manifest, design, chosen, fetched)
    except RemoteFileMissing as error:
        wanted = bool(design.required or design.remote)
        here = at_home(manifest, design)
        text = f"the artifacts' directory is not there: {printable(str(error))}"
        return dataclasses.replace(here, error=text if wanted else "")
    except RemoteFileError as error:
        return dataclasses.replace(at_home(manifest, design), error=printable(str(error)))
    except OSError as error:
        here = at_home(manifest, design)
        return dataclasses.replace(here, error=said(outputs, error), came=fetch.so_far.bytes)


def _from_nowhere(manifest: Manifest, design: Design) -> Arrived:
    here = at_home(manifest, design)
    text = (
        "nobody knows where they are on the cluster: name it as artifacts.remote of the design.yaml"
    )
    return dataclasses.replace(here, error=text) if here.missing else here


def _brought(fetch: Fetch, choose: Callable[[], Plan]) -> tuple[Plan, Fetched]:
    """What was chosen and what came of it, at the last of some looks where files change meanwhile."""
    chosen = choose()
    fetched = fetch.bring(chosen.wanted)
    for _ in range(LOOKS - 1):
        if fetched.doubtful:
            chosen = choose()
            fetched = fetch.bring(chosen.wanted)
    return chosen, fetched


def _chosen(backend: BackendBase, remote: str, design: Design, most_bytes: int) -> Plan:
    tree = backend.list_tree(remote, MOST_FILES)
    if not tree.complete:
        raise RemoteFileError(
            f"there are more than {MOST_FILES} files in {remote}: have the job pack them, or name sync.rsync_command"
        )
    return plan(tree.files, design, most_bytes)


def _arrived(manifest: Manifest, design: Design, chosen: Plan, fetched: Fetched) -> Arrived:
    skipped = (*chosen.skipped, *fetched.refused)
    not_here = {one.path for one in (*skipped, *fetched.doubtful)}
    names = [path for path in Home(outputs_of(manifest)).files() if path not in not_here]
    lost = missing(design.required, names)
    doubtful = "; ".join(str(one) for one in fetched.doubtful[:1])
    why = doubtful or about_missing(lost, skipped)
    size = sum(file.size for file in fetched.here)
    return Arrived(
        len(fetched.here), size, lost, skipped, printable(why, most=1000), came=fetched.bytes
    )
