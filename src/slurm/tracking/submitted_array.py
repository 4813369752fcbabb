"""An array that the scheduler has, as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from slurm.job_dir.paths import ArrayDirectory
    from slurm.sbatch.array_layout import ArrayLayout
    from slurm.tracking.upstream import Dependency


class SubmittedArray(NamedTuple):
    """An array that the scheduler has: the `ids` of its submissions, and how its items lie in them.

    `options` are sbatch's in the script of each submission, where this process has made them.
    """

    ids: tuple[str, ...]
    directory: ArrayDirectory
    layout: ArrayLayout
    token: str
    waits_for: tuple[Dependency, ...] = ()
    reattached: bool = False
    options: tuple[Mapping[str, str], ...] = ()
