"""What Git says of a copy of a project is what it says of the project: many builds take the version from it."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from slurm.errors import ConfigError
from slurm.packaging.code.source_files import git, is_in_git, run_git

# What a working tree has for itself; all else is in the repository that they share.
OF_ONE_TREE = ("HEAD", "index", "sharedindex.*", "config.worktree", "info/sparse-checkout")


class Repository(NamedTuple):
    """The repository of a project: the top of its working tree, what is this tree's, and what all of its trees share."""

    top: Path
    own: Path
    common: Path

    @classmethod
    def of(cls, project: Path) -> Repository | None:
        """None where there is none, or where Git refuses to read it."""
        if not is_in_git(project):
            return None
        asked = ("--show-toplevel", "--absolute-git-dir", "--git-common-dir")
        try:
            lines = "".join(git(project, "rev-parse", *asked)).splitlines()
        except ConfigError:
            return None
        if len(lines) != len(asked):
            return None
        top, own, common = (Path(os.path.realpath(project / line)) for line in lines)
        return cls(top, own, common) if project.is_relative_to(top) else None

    def give_to(self, copy: Path, folder: Path, project: Path) -> None:
        """Have `copy`, of the top, be a working tree of this repository; in `folder` is what it has for itself.

        Of the files it has those of the project; the others count as they are in the user's tree.
        """
        if (self.common / "reftable").exists():  # where HEAD is no file
            (copy / ".git").write_text(f"gitdir: {self.own}\n")
            return
        for pattern in OF_ONE_TREE:
            for path in self.own.glob(pattern):
                target = folder / path.relative_to(self.own)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(path, target)
        (folder / "commondir").write_text(f"{self.common}\n")
        (folder / "gitdir").write_text(f"{copy / '.git'}\n")
        (copy / ".git").write_text(f"gitdir: {folder}\n")
        if project != self.top:
            _tell(copy, ["--skip-worktree", "-z", "--stdin"], self._unchanged_beside(project))
        _tell(copy, ["-q", "--refresh"])

    def _unchanged_beside(self, project: Path) -> list[str]:
        beside = f":(top,exclude,literal){project.relative_to(self.top).as_posix()}"
        try:
            tracked = git(self.top, "ls-files", "-z", "--cached", "--", ".", beside)
            changed = git(self.top, "diff", "--no-ext-diff", "--name-only", "-z", "--", ".", beside)
        except ConfigError:
            return []
        return sorted(set(tracked) - set(changed))


def _tell(copy: Path, words: Sequence[str], names: Sequence[str] = ()) -> None:
    """Write to the index of a copy. Where Git cannot, it says less of the copy, and the build goes on."""
    text = os.fsencode("".join(f"{name}\0" for name in names if name))
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        run_git(copy, "update-index", *words, given=text)
