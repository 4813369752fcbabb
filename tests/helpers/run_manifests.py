"""Manifests of runs, for tests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from slurm.runs.manifest import Manifest

RUN_ID = "20260218T160045Z"


def content(**changes: Any) -> dict[str, Any]:
    """What a manifest of a submitted run says, with some keys set."""
    ended = changes.get("status") in ("completed", "failed")
    return {
        "schema_version": "1.0",
        "run_id": RUN_ID,
        "iteration_id": "iter1",
        "host_mode": "slurm",
        "status": "submitted",
        "command": "sbatch run_slurm.sbatch",
        "resource_request": {},
        "job_id": "4711",
        "timestamps": {
            "started_at": "2026-02-18T16:00:45Z",
            **({"completed_at": "2026-02-18T17:00:00Z"} if ended else {}),
        },
        "artifact_sync_to_local": {"status": "pending"},
        **changes,
    }


def manifest(path: str = "run_manifest.json", **changes: Any) -> Manifest:
    """The manifest with that content."""
    return Manifest.checked(content(**changes), path)


def written(root: Path, iteration: str = "iter1", **changes: Any) -> Path:
    """The file of such a manifest, where a project has it."""
    told = content(iteration_id=iteration, **changes)
    path = root / "plan" / iteration / "runs" / str(told["run_id"]) / "run_manifest.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(told))
    return path
