"""The ledger's file: read and changed under its lock, whatever else may stand in its place."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TypeVar

from slurm.runs import ledger, locked_files, store
from slurm.runs.ledger import HEADING, LedgerConflict, Outcome, Rebuilt
from slurm.runs.ledger_lines import LedgerError
from slurm.runs.manifest import Manifest, ManifestError

T = TypeVar("T")


def read(path: Path) -> str:
    """The text of the ledger; empty where there is none. Raises `LedgerError`."""
    with locked_files.said(path, LedgerError):
        return _text(path, locked_files.read_bytes(path)) or ""


def append(path: Path, manifest: Manifest) -> Outcome:
    """Have the ledger say what a manifest says. Raises `LedgerConflict` and `LedgerError`; then it is as it was.

    What is in the manifest's file is taken where somebody has changed that meanwhile, so that no entry goes back.
    """

    def appended(text: str) -> tuple[str, Outcome]:
        after, [outcome] = _upserted(text, [manifest])
        if isinstance(outcome, LedgerError):
            raise outcome
        return after, outcome

    return _change(path, appended)


def append_all(path: Path, manifests: Iterable[Manifest]) -> list[Outcome | LedgerError]:
    """`append` for many runs in one write: what became of each, `Outcome` or why its entry was left as it is.

    Raises `LedgerError` where the ledger cannot be read or written.
    """
    all_of_them = list(manifests)
    if not all_of_them:
        return []
    return _change(path, lambda text: _upserted(text, all_of_them))


def _upserted(text: str, manifests: Sequence[Manifest]) -> tuple[str, list[Outcome | LedgerError]]:
    after, outcomes = ledger.upsert_all(text, manifests)
    latest = [
        one if outcome is Outcome.UNCHANGED else _latest(one)
        for one, outcome in zip(manifests, outcomes)
    ]
    if all(one is other for one, other in zip(manifests, latest)):
        return after, outcomes
    return ledger.upsert_all(text, latest)


def _latest(manifest: Manifest) -> Manifest:
    """The manifest as it is in its file, where that is a later one."""
    try:
        found = store.read(Path(manifest.path))
    except ManifestError:
        return manifest
    is_later = found.run_id == manifest.run_id and found.revision > manifest.revision
    return found if is_later else manifest


def rebuild(path: Path, manifests: Iterable[Manifest]) -> Rebuilt:
    """Have the ledger say what all these manifests say. Raises `LedgerError`; then it is as it was."""
    all_of_them = list(manifests)
    return _change(path, lambda text: ledger.rebuild(text, all_of_them))


def _change(path: Path, function: Callable[[str], tuple[str, T]]) -> T:
    results: list[T] = []

    def changed(data: bytes | None) -> bytes:
        text = _text(path, data)
        try:
            after, result = function(HEADING if text is None else text)
        except LedgerConflict as error:
            raise LedgerConflict(
                f"{path}: {error}",
                line=error.line,
                in_ledger=error.in_ledger,
                in_manifest=error.in_manifest,
            ) from None
        except LedgerError as error:
            raise LedgerError(f"{path}: {error}") from None
        results.append(result)
        try:
            return after.encode()
        except UnicodeEncodeError as error:
            raise LedgerError(
                f"{path}: an entry cannot be written as UTF-8 ({error.reason})"
            ) from None

    with locked_files.said(path, LedgerError):
        path.parent.mkdir(parents=True, exist_ok=True)
    locked_files.change(path, changed, LedgerError)
    return results[-1]


def _text(path: Path, data: bytes | None) -> str | None:
    try:
        return None if data is None else data.decode()
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise LedgerError(f"{path}: it is no UTF-8 text (line {line}: {error.reason})") from None
