"""A project whose runs are jobs of the dockerised cluster, through ssh."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.conformance.waiting import PATIENCE, wait_until
from tests.helpers.run_project import RunProject

from slurm.runs.manifest import Manifest
from slurm.testing import DockerCluster

DESIGN = """\
compute: {location: slurm}
artifacts: {required: [metrics.json]}
metrics:
  accuracy: {file: metrics.json, key: accuracy}
"""
WAITS = "#!/bin/bash\n#SBATCH --time=5\nsleep 300\n"


class ClusterProject(RunProject):
    """A project whose cluster is the dockerised one."""

    def __init__(self, root: Path, docker: DockerCluster) -> None:
        super().__init__(root, root / "jobs")
        self.docker = docker
        self.write("Slurmfile.toml", docker.slurmfile.read_text())
        self.design(DESIGN)

    def slurm(self, *argv: str) -> str:
        """What a command of Slurm prints on the login node."""
        return self.docker.exec("login", argv, user="dev").stdout

    def jobs_of(self, manifest: Manifest) -> set[str]:
        """The jobs there have been of a run, by Slurm's accounts."""
        job_dir = manifest.section("submission")["job_dir"]

        def found() -> set[str]:
            argv = ["sacct", "-D", "-n", "-P", "-X", "-S", "now-1days", "-o", "JobID,SubmitLine"]
            lines = [line.partition("|") for line in self.slurm(*argv).splitlines()]
            return {job_id for job_id, _, submitted in lines if f"{job_dir}/" in submitted}

        wait_until(found, "accounts know the job", PATIENCE, 0.2)
        return found()

    def edit(self, change: Callable[[dict[str, Any]], object]) -> None:
        """Change the only run's manifest with an editor that renames."""
        path = self.path
        content = json.loads(path.read_text())
        change(content)
        path.with_name("edited").write_text(json.dumps(content, indent=4))
        path.with_name("edited").rename(path)

    @property
    def path(self) -> Path:
        """The only run's manifest, whatever is in it."""
        [path] = self.iteration.glob("runs/*/run_manifest.json")
        return path

    def metrics(self) -> Any:
        """The metrics of the only run."""
        found = json.loads((self.path.parent / "metrics.json").read_text())
        return found["status"], found["metrics"]
