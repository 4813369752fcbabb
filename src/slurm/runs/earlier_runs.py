"""The run that an earlier submission with the same token has begun, among the runs of a project."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from slurm.errors import SlurmError
from slurm.runs import ledger_file, store
from slurm.runs.ledger_lines import Ledger
from slurm.runs.manifest import FILE, Manifest, ManifestError
from slurm.runs.project import RUNS


class EarlierRuns:
    """The runs of an iteration by their tokens, which are read once: a run keeps its token."""

    def __init__(self, iteration: Path, root: Path, ledger: Path) -> None:
        self._runs = iteration / RUNS
        self._root = root
        self._ledger = ledger
        self._tokens: dict[str, str] = {}  # by the name of the run's directory

    def with_token(self, token: str) -> Iterator[Manifest]:
        """The runs of the iteration with this token, the earliest first."""
        try:
            names = sorted(os.listdir(self._runs))
        except FileNotFoundError:
            return
        for name in names:
            if name not in self._tokens:
                found = _readable(self._runs / name / FILE)
                if found is None:
                    continue  # it is being begun, perhaps
                self._tokens[name] = str(found.section("submission").get("token", ""))
            if self._tokens[name] == token:
                found = _readable(self._runs / name / FILE)
                if found is not None:
                    yield found

    def with_job(self, job_id: str) -> Iterator[Manifest]:
        """The runs of the project that the ledger says are this job."""
        try:
            entries = Ledger.of(ledger_file.read(self._ledger)).entries(job_id)
            ids = {line.value("run_id") for _, line in entries if line.value("job_id") == job_id}
        except SlurmError:
            return
        if not ids:
            return
        for path in store.find(self._root):
            if path.parent.name in ids:
                found = _readable(path)
                if found is not None and found.job_id == job_id:
                    yield found


def _readable(path: Path) -> Manifest | None:
    try:
        return store.read(path)
    except ManifestError:
        return None
