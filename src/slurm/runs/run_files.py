"""The files of a run that follows its job: its manifest first, then the ledger."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator
from pathlib import Path

from slurm.errors import SlurmError
from slurm.runs import ledger_file, store
from slurm.runs.manifest import Manifest

logger: logging.Logger = logging.getLogger(__name__)


class RunFiles:
    """Writes manifests, and the `ledger` after them."""

    def __init__(self, ledger: Path) -> None:
        self.ledger = ledger
        self._cannot_write = False

    def change(
        self, path: Path, function: Callable[[Manifest], Manifest], *, anew: bool = False
    ) -> None:
        """Change a manifest, and have the ledger say so where it says anything of that, or in any case `anew`.

        Raises `ManifestError`, and `LedgerError` when the manifest is written.
        """
        said: list[tuple[object, str]] = []

        def changed(manifest: Manifest) -> Manifest:
            said.append((manifest.status, manifest.job_id))
            return function(manifest)

        manifest = store.change(path, changed)
        news = anew or said[-1] != (manifest.status, manifest.job_id)
        if news and manifest.is_slurm and manifest.job_id:
            ledger_file.append(self.ledger, manifest)

    @contextlib.contextmanager
    def noting(self) -> Iterator[None]:
        """``with files.noting():`` what cannot be written now is logged, once: the job goes on."""
        try:
            yield
        except SlurmError as error:
            if not self._cannot_write:
                self._cannot_write = True
                logger.error("what becomes of a job is not written down: %s", error)
        else:
            self._cannot_write = False
