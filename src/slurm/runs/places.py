"""Where the files of a run are on this machine. Pure.

::

    <iteration>/design.yaml, run_slurm.sbatch, run_local.sh
    <iteration>/runs/<run_id>/run_manifest.json
    <iteration>/runs/<run_id>/outputs/            its artifacts
    <iteration>/runs/<run_id>/logs/               what its job has printed
    <iteration>/runs/<run_id>/metrics.json        what is measured of it
"""

from __future__ import annotations

from pathlib import Path

from slurm.runs.detect import SCRIPTS
from slurm.runs.manifest import Manifest
from slurm.runs.project import DESIGN

OUTPUTS = "outputs"


def iteration_of_run(manifest: Manifest) -> Path:
    """The directory of the iteration that a run is of.

    >>> iteration_of_run(Manifest({}, "/plan/iter1/runs/20260218T160045Z/run_manifest.json"))
    PosixPath('/plan/iter1')
    """
    return Path(manifest.path).absolute().parents[2]


def design_path(manifest: Manifest) -> Path:
    """The design of a run's iteration, which need not be there."""
    return iteration_of_run(manifest) / DESIGN


def outputs_of(manifest: Manifest) -> Path:
    """The directory of a run's artifacts."""
    return Path(manifest.path).absolute().parent / OUTPUTS


def script_of(manifest: Manifest) -> Path:
    """The launch script of a run: the file that its command names, else the one that belongs to its host_mode.

    >>> content = {"host_mode": "slurm", "command": "sbatch run_slurm.sbatch"}
    >>> script_of(Manifest(content, "/p/iter1/runs/r1/run_manifest.json"))
    PosixPath('/p/iter1/run_slurm.sbatch')
    """
    command = str(manifest.content["command"])
    is_file = command and not set(command) & set(" \t\n\0")
    return iteration_of_run(manifest) / (
        command if is_file else SCRIPTS[manifest.content["host_mode"]]
    )
