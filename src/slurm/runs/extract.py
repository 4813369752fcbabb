"""The metrics of a run, from the files that it left or from its task's value, into its ``metrics.json``."""

from __future__ import annotations

import datetime
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slurm.agent.json_files import LARGEST
from slurm.agent.regular_files import open_regular
from slurm.config.findings import printable
from slurm.errors import ConfigError, SchedulerUnreachable, SlurmError, TransportError
from slurm.runs import locked_files
from slurm.runs.arrival import at_home
from slurm.runs.design import Design, read_design
from slurm.runs.evidence import ARRAY
from slurm.runs.lifecycle import RunStatus, SyncStatus
from slurm.runs.manifest import Manifest
from slurm.runs.metrics import (
    FILE,
    NOT_ASKED,
    NOT_THERE,
    Artifacts,
    Missing,
    document,
    in_progress,
)
from slurm.runs.moments import now
from slurm.runs.places import OUTPUTS, design_path, outputs_of
from slurm.runs.sdk_children import OVER, children_of

if TYPE_CHECKING:
    from slurm.cluster import Cluster

LONGEST = 60.0  # seconds for the value of a job that has ended


class InProgress(ConfigError):
    """A run has not ended yet: there is nothing to extract.

    >>> raise InProgress("run 20260218T160045Z is running")
    Traceback (most recent call last):
        ...
    slurm.runs.extract.InProgress: run 20260218T160045Z is running
    """


class MetricsError(SlurmError):
    """The metrics of a run cannot be written.

    >>> raise MetricsError("runs/1/metrics.json: it is a directory")
    Traceback (most recent call last):
        ...
    slurm.runs.extract.MetricsError: runs/1/metrics.json: it is a directory
    """


def extract(
    manifest: Manifest,
    *,
    at: datetime.datetime,
    cluster: Callable[[], Cluster] | None = None,
) -> dict[str, Any]:
    """Write the metrics of a run that ended, ``metrics.json`` beside its manifest; returns what is in it.

    `cluster` opens the run's cluster, for the value of a task; it is called where that is needed. `Teller.extracted` then
    tells the manifest. The same once more changes nothing, not even `extracted_at`. Raises `InProgress`, `ConfigError`
    for a design that cannot be read, `TransportError` and `SchedulerUnreachable` where a value cannot be asked for now,
    and `MetricsError`.

    >>> manifest = Manifest.new("iter1", "run.sh", started_at=now(), token="c0ffee", run_id="r1")
    >>> extract(manifest, at=now())
    Traceback (most recent call last):
        ...
    slurm.runs.extract.InProgress: run r1 is pending: it has not ended, and there is nothing to extract yet (slurm runs monitor r1)
    """
    require_ended(manifest)
    design = design_of(manifest)
    value: Any = NOT_ASKED
    if needs_value(manifest) and cluster is not None:
        value = value_of(manifest, cluster())
    return write(manifest, document(manifest, design, look(manifest, design), at=at, value=value))


def extract_run(manifest: Manifest, cluster: Callable[[], Cluster] | None = None) -> str:
    """Write the metrics of a run that ended, as `extract` does, now; returns their status, for `Teller.extracted`.

    >>> path = Path("iter1/runs/r1/run_manifest.json")
    >>> path.parent.mkdir(parents=True)
    >>> content = {"run_id": "r1", "iteration_id": "iter1", "status": "synced", "artifact_sync_to_local": {"status": "ok"}}
    >>> extract_run(Manifest(content, str(path)))
    'completed'
    """
    return str(extract(manifest, at=now(), cluster=cluster)["status"])


def require_ended(manifest: Manifest) -> None:
    """Raises `InProgress` for a run that is in progress."""
    if in_progress(manifest):
        raise InProgress(
            f"run {manifest.run_id} is {manifest.status}: it has not ended, and there is nothing to extract yet "
            f"(slurm runs monitor {manifest.run_id})"
        )


def design_of(manifest: Manifest) -> Design | None:
    """The design of a run's iteration; None where there is none. Raises `slurm.runs.yaml_files.YamlError`."""
    path = design_path(manifest)
    return read_design(path) if os.path.lexists(path) else None


def look(manifest: Manifest, design: Design | None) -> Artifacts:
    """What there is of a run's artifacts, beside its manifest. Files are read only where the artifacts have arrived."""
    outputs = outputs_of(manifest)
    if manifest.sync is not SyncStatus.OK:
        return Artifacts()
    files = {name: _content(outputs / name, name) for name in files_of(design)}
    return Artifacts(files, absent(manifest, design))


def files_of(design: Design | None) -> tuple[str, ...]:
    """The files among a run's artifacts that metrics stand in: the declared ones, else ``metrics.json``.

    >>> files_of(None)
    ('metrics.json',)
    """
    declared = design.metrics if design else {}
    return tuple(dict.fromkeys(one.file for one in declared.values())) or (FILE,)


def absent(manifest: Manifest, design: Design | None) -> tuple[str, ...]:
    """The required artifacts that are not beside a run's manifest; none of a run that the SDK submitted itself."""
    if design is None or not design.required or manifest.section("sdk"):
        return ()
    return at_home(manifest, design).missing


def needs_value(manifest: Manifest) -> bool:
    """Whether a run's metrics are what its task returned, and that can be had."""
    failed = manifest.status is RunStatus.FAILED
    sdk = manifest.section("sdk")
    if not sdk or manifest.sync is not SyncStatus.OK:
        return False
    return sdk.get("kind") == ARRAY or not failed


def value_of(manifest: Manifest, cluster: Cluster) -> Any:
    """What the task of a run returned; of an array, the states of its elements. `Missing` where that cannot be had.

    Raises `TransportError` and `SchedulerUnreachable`: then it is not missing, only out of reach.

    >>> manifest = Manifest.new("iter1", "double", started_at=now(), token="c0ffee")
    >>> value_of(manifest.with_keys(job_id=job.id, sdk={"kind": "job"}), cluster)
    42
    """
    try:
        if manifest.section("sdk").get("kind") == ARRAY:
            return _states(manifest, cluster)
        return cluster.get_job(manifest.job_id).get_result(timeout=LONGEST)
    except (TransportError, SchedulerUnreachable):
        raise
    except Exception as error:  # noqa: BLE001 - what the task raised, or what its value needs to be loaded here
        return Missing(printable(f"{type(error).__name__}: {error}"))


def _states(manifest: Manifest, cluster: Cluster) -> list[str] | Missing:
    """From the manifest if it has them all, else from the cluster; `Missing` as long as one has not ended."""
    sdk = manifest.section("sdk")
    states = [str(one.get("state") or "") for one in sdk.get("children") or ()]
    if len(states) != int(sdk.get("array_size") or -1) or not OVER.issuperset(states):
        states = [one["state"] for one in children_of(manifest, cluster)]
    going = len([state for state in states if state not in OVER])
    if going:
        return Missing(f"how {going} of its {len(states)} elements ended is not known")
    return states


def write(manifest: Manifest, said: Mapping[str, Any]) -> dict[str, Any]:
    """Put metrics beside a run's manifest; returns what is there. Raises `MetricsError`.

    Where only the time differs, what is there stays.
    """
    path = Path(manifest.path).parent / FILE
    after = _dumped(said)

    def changed(data: bytes | None) -> bytes:
        before = None if data is None else _parsed(data, FILE)
        if isinstance(before, dict):
            moment = before.get("extracted_at")
            if data is not None and _dumped({**said, "extracted_at": moment}) == data:
                return data
        return after

    there = locked_files.change(path, changed, MetricsError, mode=0o600, sync=True)
    found: dict[str, Any] = json.loads(there)
    return found


def _dumped(said: Mapping[str, Any]) -> bytes:
    return (json.dumps(said, indent=2, allow_nan=False) + "\n").encode()


def _content(path: Path, name: str) -> Any:
    """The JSON value in a file; `Missing` where there is none."""
    try:
        with open_regular(str(path)) as file:
            data: bytes = file.read(LARGEST + 1)
    except FileNotFoundError:
        return NOT_THERE
    except OSError as error:
        return Missing(f"{OUTPUTS}/{name} cannot be read: {error.strerror}")
    if len(data) > LARGEST:
        return Missing(f"{OUTPUTS}/{name} is not read: it is larger than {LARGEST} bytes")
    return _parsed(data, f"{OUTPUTS}/{name}")


def _parsed(data: bytes, where: str) -> Any:
    try:
        return json.loads(data.decode("utf-8"))
    except json.JSONDecodeError as error:
        return Missing(
            f"{where} is no JSON (line {error.lineno}, column {error.colno}: {error.msg})"
        )
    except UnicodeDecodeError as error:
        return Missing(f"{where} is no UTF-8 text ({error.reason})")
    except RecursionError:
        return Missing(f"{where} is nested too deeply")
    except ValueError:  # of a whole number with thousands of digits
        return Missing(f"{where} has a number that is too long")
