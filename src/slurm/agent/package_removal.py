"""Removing what no job runs with and nobody has used for long.

Whoever submits marks what the job needs as used, and holds a lock until the job is on record. So first, when nobody submits,
the marks are read; then the scheduler is asked at leisure; and then, when nobody submits again, what nobody uses gets
another name, if its mark is as it was. Only then is it removed: nobody finds half of it, and nobody waits for that.
"""

import contextlib
import os
from typing import Any, Dict, List

from .directories import make_private_directory, require_own_base, require_own_directory
from .directory_names import RECEIPTS
from .files import unique_name
from .needed import alone
from .package_listing import of_contents, told, uses_of
from .package_users import Jobs
from .packages import (
    ENVIRONMENTS,
    PACKAGES,
    REMOVED,
    WHEELS,
    Content,
    Disk,
    Package,
    contents_in,
    left_behind,
    locked_here,
    packages_in,
)
from .removal import removed

# Seconds: a submission may be on its way to what it has just found there; and an upload, which takes long, to its files.
JUST_USED, JUST_SENT = 60.0, 3600.0


def remove_unused(base: str, scheduler: Any, older_than: float, dry_run: bool) -> Dict[str, Any]:
    """What was removed, or with `dry_run` would be: ``removed``, what that has ``freed``; ``used`` and ``recent`` are counts.

    Raises `AgentError` where it cannot be known which jobs have not ended.
    """
    if not os.path.isdir(base):
        return {"removed": [], "freed": 0, "used": 0, "recent": 0}
    receipts = own_receipts(base)
    with alone(receipts) as now:
        packages = list(packages_in(base))
    jobs = Jobs(base, scheduler)
    jobs.look(lambda path, content: None)
    return Idle(base, receipts, packages, now).remove(jobs, older_than, dry_run)


def own_receipts(base: str) -> str:
    """The directory of receipts, in which the lock is; it and the base are this user's alone. Raises `AgentError`."""
    require_own_base(base)
    receipts = os.path.join(base, RECEIPTS)
    make_private_directory(receipts)
    require_own_directory(receipts)
    return receipts


class Idle:
    """The `packages` below `base`, whose marks were read `now`, when nobody submitted."""

    def __init__(self, base: str, receipts: str, packages: List[Package], now: float) -> None:
        self.base = base
        self.receipts = receipts
        self.packages = packages
        self.now = now
        self.used: List[Package] = []  # what stays
        self.recent: List[Package] = []

    def remove(self, jobs: Jobs, older_than: float, dry_run: bool) -> Dict[str, Any]:
        """Remove those that none of the jobs uses which were looked at since; see `remove_unused`."""
        uses = uses_of(jobs)
        self.used = [one for one in self.packages if uses[one.name]]
        idle = [one for one in self.packages if not uses[one.name]]
        age = max(older_than, JUST_USED)
        old = [one for one in idle if self.now - one.used / 1e9 >= age]
        if not dry_run:
            for path in left_behind(self.base, self.now - JUST_SENT):
                removed(path)
            old = _set_aside(self.base, self.receipts, old)
        self.recent = [one for one in idle if one not in old]
        answer = _removed(self.base, old, self.now - max(older_than, JUST_SENT), dry_run)
        return dict(answer, used=len(self.used), recent=len(self.recent))


def _set_aside(base: str, receipts: str, packages: List[Package]) -> List[Package]:
    """Give those another name that nobody has used since, and that nobody makes right now."""
    aside = []
    with alone(receipts):
        installing = _is_installing(base)
        for package in packages:
            if installing and package.kind == WHEELS:
                continue
            # What is not there is being removed by somebody else.
            with contextlib.suppress(FileNotFoundError), locked_here(package.locks()) as free:
                if free and package.last_used() == package.used:
                    folder = os.path.dirname(package.path)
                    path = os.path.join(folder, REMOVED + unique_name())
                    os.rename(package.path, path)
                    package.path = path
                    aside.append(package)
    return aside


def _is_installing(base: str) -> bool:
    """Whether an environment is being made, of wheels that nobody knows here."""
    folder = os.path.join(base, PACKAGES, ENVIRONMENTS)
    names = os.listdir(folder) if os.path.isdir(folder) else []
    locks = [os.path.join(folder, name) for name in names if name.endswith(".lock")]
    with locked_here(locks) as free:
        return not free


def _removed(base: str, packages: List[Package], before: float, dry_run: bool) -> Dict[str, Any]:
    """Remove these, and then the contents that nothing has any more and that were sent `before`."""
    disk = Disk(whole=True)
    gone = [told(package, disk) for package in packages]
    if not dry_run:
        for package in packages:
            removed(package.path)
    orphans = _orphans(base, before, disk if dry_run else Disk())
    if not dry_run and orphans:
        orphans = _unlinked(os.path.join(base, PACKAGES), orphans)
    if orphans:
        gone.append(of_contents(orphans, disk))
    return {"removed": gone, "freed": disk.total}


def _orphans(base: str, before: float, gone: Disk) -> List[Content]:
    """Files that no copy has as well, those that are gone left aside."""
    return [
        (path, found)
        for path, found in contents_in(base)
        if found.st_nlink - gone.names_of(found) == 1 and found.st_mtime <= before
    ]


def _unlinked(packages: str, orphans: List[Content]) -> List[Content]:
    """Remove these while no copy is made, but for those that one was made of since."""
    unlinked = []
    with alone(packages):
        for path, before in orphans:
            with contextlib.suppress(FileNotFoundError):
                found = os.lstat(path)
                if found.st_nlink == 1 and found.st_mtime_ns == before.st_mtime_ns:
                    os.unlink(path)
                    unlinked.append((path, before))
    return unlinked
