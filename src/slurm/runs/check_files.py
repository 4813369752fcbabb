"""What checks look at of a run, in its directory and its iteration's: read once, and not judged."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from slurm.agent.json_files import LARGEST
from slurm.agent.regular_files import open_regular
from slurm.errors import ConfigError
from slurm.runs.design import Design
from slurm.runs.extract import absent, design_of
from slurm.runs.manifest import Manifest
from slurm.runs.metrics import FILE
from slurm.runs.places import script_of


@dataclass(frozen=True)
class Read:
    """A file, and what it holds; `data` is None where that cannot be had, and `error` then says why."""

    path: Path
    data: bytes | None = None
    error: str = "it is not there"


@dataclass(frozen=True)
class CheckedFiles:
    """What there is of a run: its `directory` (`mode` is None where it is not there), its script, design and metrics.

    `absent` are the required artifacts that are not here; `design_error` says why the design cannot be read.
    """

    directory: Path
    mode: int | None
    script: Read
    metrics: Read
    design: Design | None = None
    design_error: str = ""
    absent: tuple[str, ...] = ()


def look(manifest: Manifest) -> CheckedFiles:
    """What there is of a run. Raises nothing: what cannot be read is said in the place of it.

    >>> from slurm.runs.moments import now
    >>> manifest = Manifest.new("iter1", "run.sh", started_at=now(), token="c0ffee", path="iter1/runs/r1/run_manifest.json")
    >>> look(manifest).metrics.error
    'it is not there'
    """
    directory = Path(manifest.path).absolute().parent
    design, design_error = None, ""
    try:
        design = design_of(manifest)
    except ConfigError as error:
        design_error = str(error)
    return CheckedFiles(
        directory,
        _mode(directory),
        _read(script_of(manifest)),
        _read(directory / FILE),
        design,
        design_error,
        absent(manifest, design),
    )


def _mode(directory: Path) -> int | None:
    try:
        return directory.stat().st_mode & 0o7777 if directory.is_dir() else None
    except OSError:
        return None


def _read(path: Path) -> Read:
    try:
        with open_regular(str(path)) as file:
            data: bytes = file.read(LARGEST + 1)
    except FileNotFoundError:
        return Read(path)
    except OSError as error:
        return Read(path, None, f"it cannot be read: {error.strerror}")
    if len(data) > LARGEST:
        return Read(path, None, f"it is larger than {LARGEST} bytes")
    return Read(path, data, "")
