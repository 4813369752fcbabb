"""A project with an iteration whose runs are jobs of the local scheduler, and the commands that a user types in it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.conformance.waiting import wait_until
from tests.helpers import clicked
from tests.helpers.clicked import Said

from slurm import Cluster
from slurm.cli import commands
from slurm.runs import store
from slurm.runs.clusters import Clusters
from slurm.runs.manifest import Manifest

SCRIPT = """\
#!/bin/bash
#SBATCH --time=5
echo "$RUN_ID in $PWD"
echo '{"accuracy": 0.9}' >"$RUN_OUTPUTS/metrics.json"
"""


class RunProject:
    """The project at `root`; its Slurmfile names a local scheduler below `base`. The design says that runs are Slurm's."""

    def __init__(self, root: Path, base: Path) -> None:
        self.root = root
        self.base = base
        self.iteration = root / "plan" / "iter1"
        self.iteration.mkdir(parents=True)
        (root / ".git").mkdir()
        self.write(
            "Slurmfile.toml", f'[default.cluster]\nbackend = "local"\njob_base_dir = "{base}"\n'
        )
        self.design("compute: {location: slurm}\n")
        self.script(SCRIPT)

    def write(self, path: str, text: str) -> None:
        """Write a file of the project."""
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(text)

    def design(self, text: str) -> None:
        """Write the iteration's design."""
        self.write("plan/iter1/design.yaml", text)

    def script(self, text: str, name: str = "run_slurm.sbatch") -> None:
        """Write the iteration's launch script."""
        self.write(f"plan/iter1/{name}", text)

    def run(self, *arguments: object, status: int | None = None) -> Said:
        """What ``slurm`` with these arguments says, in the working directory."""
        said = clicked.run(commands.root(), *arguments)
        assert status is None or said.status == status, said
        return said

    def json(self, *arguments: object, status: int | None = None) -> Any:
        """The same, as JSON."""
        return json.loads(self.run(*arguments, "--json", status=status).out)

    def manifests(self) -> list[Manifest]:
        """All runs, the oldest first."""
        return [store.read(path) for path in store.find(self.root)]

    @property
    def manifest(self) -> Manifest:
        """The only run."""
        [one] = self.manifests()
        return one

    @property
    def folder(self) -> Path:
        """The directory of the only run."""
        return Path(self.manifest.path).parent

    @property
    def ledger(self) -> str:
        """The text of the ledger."""
        return (self.root / "docs/slurm_job_list.md").read_text()

    def launched(self, *arguments: object) -> Manifest:
        """The run that ``slurm launch`` begins."""
        before = {one.path for one in self.manifests()}
        self.run("launch", *arguments, status=0)
        [new] = [one for one in self.manifests() if one.path not in before]
        return new

    def job_ended(self, manifest: Manifest | None = None) -> None:
        """Wait until the job of a run has ended. The manifest does not know of that then."""
        job_id = (manifest or self.manifest).job_id
        with Clusters(start=self.root) as clusters:
            backend = clusters.for_mode("slurm").backend
            wait_until(
                lambda: backend.get_job_status(job_id).ended_at is not None, "the job has ended"
            )


class Fixed(Clusters):
    """All runs are of one cluster."""

    def __init__(self, cluster: Cluster) -> None:
        super().__init__()
        self._cluster = cluster

    def for_mode(self, host_mode: str) -> Cluster:
        return self._cluster

    def of(self, manifest: Manifest) -> Cluster:
        return self._cluster
