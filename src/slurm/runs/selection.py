"""Which runs a command is about: those that it names, else those of an iteration, else those of the project."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from slurm.config.checks import suggestion
from slurm.errors import ConfigError
from slurm.runs import store
from slurm.runs.manifest import FILE, Manifest, ManifestError
from slurm.runs.policy import Policy, load_policy
from slurm.runs.project import iteration_of


@dataclass(frozen=True)
class Selection:
    """Runs of the project that `policy` is of, by their age; `broken` are manifests that cannot be read."""

    policy: Policy
    manifests: tuple[Manifest, ...]
    broken: tuple[ManifestError, ...] = ()

    @property
    def root(self) -> Path:
        """Where the project begins."""
        return self.policy.root


def select(run_ids: Sequence[str] = (), start: Path | None = None) -> Selection:
    """The runs with these ids; without any, those of the iteration that `start` (the working directory) is in.

    Where it is in none, all of the project. An id is one as a whole, never a part of a longer one; a path of a run or
    of its manifest is taken, too. Raises `ConfigError` for an id that no run has, or that several have.

    >>> select().manifests
    ()
    """
    start = (start or Path.cwd()).resolve()
    policy = load_policy(start)
    below = start if run_ids else (iteration_of(start, policy.root) or policy.root)
    found, broken = _read(policy.root if run_ids else below)
    if not run_ids:
        return Selection(policy, found, broken)
    chosen = [_named(name, found, broken, start) for name in dict.fromkeys(run_ids)]
    return Selection(policy, tuple(chosen))


def _read(root: Path) -> tuple[tuple[Manifest, ...], tuple[ManifestError, ...]]:
    manifests, broken = [], []
    for path in store.find(root):
        try:
            manifests.append(store.read(path))
        except ManifestError as error:
            broken.append(error)
    manifests.sort(key=lambda one: (one.started_at, one.run_id))
    return tuple(manifests), tuple(broken)


def _named(
    name: str, found: Sequence[Manifest], broken: Sequence[ManifestError], start: Path
) -> Manifest:
    matching = [one for one in found if one.run_id == name]
    if len(matching) == 1:
        return matching[0]
    if matching:
        paths = " and ".join(one.path for one in matching)
        raise ConfigError(f"two runs are {name}: {paths}; give one of them another run_id")
    path = start / name
    path = path / FILE if os.path.isdir(path) else path
    if path.name == FILE:
        return store.read(path)
    why = [str(error) for error in broken if name in Path(str(error).split(": ")[0]).parts]
    if why:
        raise ManifestError(why[0])
    known = [one.run_id for one in found]
    near = suggestion(name, known) or (
        f"; the latest is {known[-1]}" if known else "; there is none yet"
    )
    raise ConfigError(f"there is no run {name!r}{near} (slurm runs list)")
