"""Where a project begins: the directory to which the paths of its runs are relative."""

from __future__ import annotations

import os
from pathlib import Path

FOLDER = ".slurm"
POLICY = f"{FOLDER}/policy.yaml"
POLICY_OF_COOKBOOK = (
    f"{FOLDER}/verifier_policy.yaml"  # the same, by the name that the cookbook has for it
)
POLICIES = (POLICY, POLICY_OF_COOKBOOK)
LEDGER = "docs/slurm_job_list.md"
DESIGN = "design.yaml"
RUNS = "runs"


def project_root(start: Path | None = None) -> Path:
    """The nearest directory from `start` (the working directory) upwards that a project begins in.

    That is one with ``.slurm/``, ``docs/slurm_job_list.md`` or ``.git``. Where there is none it is `start` itself. Slurm
    keeps files of its own in ``~/.slurm``, so a home directory counts for that only if a policy is there.

    >>> Path("mine/.git").mkdir(parents=True)
    >>> Path("mine/plan/iter1").mkdir(parents=True)
    >>> project_root(Path("mine/plan/iter1")).name
    'mine'
    """
    folder = (start or Path.cwd()).resolve()
    home = os.path.realpath(os.path.expanduser("~"))
    return next((one for one in (folder, *folder.parents) if _begins(str(one), home)), folder)


def _begins(folder: str, home: str) -> bool:
    own = os.path.isdir if folder != home else _has_policy
    return (
        own(os.path.join(folder, FOLDER))
        or os.path.isfile(os.path.join(folder, LEDGER))
        or os.path.exists(os.path.join(folder, ".git"))
    )


def _has_policy(folder: str) -> bool:
    return any(os.path.lexists(os.path.join(folder, os.path.basename(one))) for one in POLICIES)


def iteration_of(start: Path, root: Path) -> Path | None:
    """The iteration that `start` is in: the nearest directory with a ``design.yaml`` or ``runs/``, in `root`.

    >>> Path("plan/iter1/runs/20260218T160045Z").mkdir(parents=True)
    >>> iteration_of(Path("plan/iter1/runs/20260218T160045Z"), Path(".")).name
    'iter1'
    """
    start, root = start.resolve(), root.resolve()
    for folder in (start, *start.parents):
        if not folder.is_relative_to(root):
            break
        if os.path.isfile(folder / DESIGN) or os.path.isdir(folder / RUNS):
            return folder
    return None
