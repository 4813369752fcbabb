"""What is here of a run's artifacts, where they are, and what the run's manifest says of them."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from slurm.api.base import BackendBase
from slurm.config.findings import printable
from slurm.errors import SlurmError
from slurm.runs.design import Design, read_design
from slurm.runs.home import Home
from slurm.runs.lifecycle import RunStatus, SyncStatus
from slurm.runs.manifest import Manifest
from slurm.runs.moments import text_of
from slurm.runs.places import OUTPUTS, design_path, outputs_of
from slurm.runs.project import RUNS
from slurm.runs.sharing import group_rights, make_directory
from slurm.runs.step import Teller
from slurm.runs.sync_plan import Skipped, missing

KEPT = ".sync"
MOST_SAID = 20  # skipped files that a manifest names


class BeingSynced(SlurmError):
    """Another process brings the artifacts of this run home right now.

    >>> raise BeingSynced("run 20260218T160045Z: another process brings its artifacts home")
    Traceback (most recent call last):
        ...
    slurm.runs.arrival.BeingSynced: run 20260218T160045Z: another process brings its artifacts home
    """


@dataclass(frozen=True)
class Arrived:
    """What is here of a run's artifacts: how many `files`, how many `bytes`, and how many of those came now.

    `missing` are the required ones that are not here; `skipped` others that were left where they are; `error` says what
    went wrong, in one line.

    >>> Arrived(files=2, bytes=17).complete, Arrived(missing=("metrics.json",)).complete
    (True, False)
    """

    files: int = 0
    bytes: int = 0
    missing: tuple[str, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    error: str = ""
    came: int = 0

    @property
    def complete(self) -> bool:
        """Whether everything is here that has to be."""
        return not self.missing and not self.error


def design_of(manifest: Manifest) -> Design:
    """What the run's iteration says of its artifacts; nothing where it has no ``design.yaml``. Raises `ConfigError`.

    It says nothing of what the SDK's own tasks leave: they return values.
    """
    path = design_path(manifest)
    if manifest.section("sdk") or not os.path.lexists(path):
        return Design(path)
    return read_design(path)


def remote_of(manifest: Manifest, design: Design) -> str:
    """Where they are on the cluster; empty where nobody knows."""
    return str(manifest.section("artifacts").get("remote") or design.remote or "")


def is_marked(manifest: Manifest) -> bool:
    """Whether somebody has written into the manifest that the artifacts are here, before the run was synced."""
    live = manifest.status in (RunStatus.SUBMITTED, RunStatus.RUNNING)
    return live and manifest.sync is SyncStatus.OK


def at_home(manifest: Manifest, design: Design) -> Arrived:
    """What is here already; no cluster is asked."""
    home = Home(outputs_of(manifest))
    try:
        sizes = {path: about.st_size for path in home.files() if (about := home.find(path))}
    except OSError as error:
        return Arrived(missing=design.required, error=said(home.folder, error))
    return Arrived(len(sizes), sum(sizes.values()), missing(design.required, sizes))


def is_same_place(backend: BackendBase, remote: str, outputs: Path) -> bool:
    """Whether a directory of the cluster is this one here."""
    there = os.path.realpath(os.path.expanduser(remote))
    return backend.shares_filesystem and there == os.path.realpath(outputs)


def told(teller: Teller, manifest: Manifest, arrived: Arrived) -> Manifest:
    """What becomes of the manifest. A run that failed stays so; one that was synced is not undone."""
    if arrived.complete and manifest.status is RunStatus.FAILED:
        changed = manifest.having(
            "artifact_sync_to_local", status=str(SyncStatus.OK), missing=None, error=None
        )
    elif manifest.status in (RunStatus.SYNCED, RunStatus.COMPLETED):
        if not arrived.complete:
            return manifest
        changed = manifest
    elif arrived.complete:
        changed = teller.synced(manifest)
    else:
        changed = teller.not_synced(manifest, arrived.missing, arrived.error)
    skipped = [printable(str(one)) for one in arrived.skipped[:MOST_SAID]]
    if len(arrived.skipped) > MOST_SAID:
        skipped.append(f"and {len(arrived.skipped) - MOST_SAID} more")
    return changed.having(
        "artifact_sync_to_local",
        files=arrived.files,
        bytes=arrived.bytes,
        skipped=skipped or None,
        at=text_of(teller.at),
        by=teller.by,
    )


def is_moved(backend: BackendBase, remote: str, manifest: Manifest) -> bool:
    """Whether a directory of the cluster was the run's ``outputs/``, and the run has been moved since, with what is in it."""
    there = os.path.expanduser(remote).rstrip("/")
    own = there.endswith(f"/{RUNS}/{manifest.run_id}/{OUTPUTS}")
    return backend.shares_filesystem and own and not os.path.lexists(there)


@contextlib.contextmanager
def alone(manifest: Manifest) -> Iterator[None]:
    """Nobody else brings the artifacts of this run meanwhile. Raises `BeingSynced`."""
    from filelock import FileLock, Timeout

    kept = outputs_of(manifest).parent / KEPT
    make_directory(kept)
    mode = 0o600 | group_rights(kept) & 0o060
    lock = FileLock(str(kept / "lock"), timeout=0, mode=mode)
    try:
        lock.acquire()
    except NotImplementedError:
        raise OSError(errno.ENOLCK, "the file system has no locks", str(kept)) from None
    except Timeout:
        raise BeingSynced(
            f"run {manifest.run_id}: another process brings its artifacts home; try again when it has ended"
        ) from None
    try:
        yield
    finally:
        lock.release()


def said(folder: Path, error: OSError) -> str:
    """An error of this machine, in one line."""
    reason = (error.strerror or str(error)).strip()
    name = os.fsdecode(error.filename) if isinstance(error.filename, (str, bytes)) else ""
    where = os.path.join(folder, name) if name else str(folder)
    return printable(f"{where}: {reason[:1].lower()}{reason[1:]}", most=1000)
