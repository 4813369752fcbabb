"""Where a project begins: the directory below which its runs and its ledger are."""

from __future__ import annotations

from pathlib import Path

MARKS = (".slurm", "docs/slurm_job_list.md", ".git")


def project_root(start: Path) -> Path:
    """The nearest directory, `start` or one above it, that has one of `MARKS`; `start` itself where none has.

    >>> (Path("project/.slurm").mkdir(parents=True), Path("project/plan/iter1").mkdir(parents=True))
    (None, None)
    >>> project_root(Path("project/plan/iter1")) == Path("project").resolve()
    True
    """
    start = start.resolve()
    for folder in (start, *start.parents):
        if any((folder / mark).exists() for mark in MARKS):
            return folder
    return start
