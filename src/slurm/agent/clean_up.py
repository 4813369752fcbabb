"""Removing what no job needs that has not ended, a bit at a time, while submissions go on.

First, when nobody submits, the moment and the marks of packages are noted; then it is found out at leisure which jobs have not
ended. What may go by that, and was not used since, gets another name in a moment in which nobody submits, and only then is it
removed: nobody finds half of it. What is left under such names, of one who was killed, is removed by the next.
"""

import contextlib
import os
import stat
import time
from typing import Any, Callable, Dict, Iterator, List, Set, Tuple

from .aside import Aside, removing_aside
from .directory_names import EVENTS, STAGED
from .needed import alone
from .old_jobs import FOREIGN, LIVE, NEEDED, RECENT, Contents, Needs, OldJobs, Tree, trees_in
from .old_receipts import TOGETHER, Found, Receipts, receipts_of
from .package_removal import JUST_SENT, JUST_USED, Idle, own_receipts
from .package_users import ASKED_FOR, Jobs
from .packages import PACKAGES, Disk, changed, entries_in, packages_in
from .staging_requests import STAGED_KEPT

MOST_TREES = 200  # that are removed together
LONGEST_HOLD = 0.3  # seconds for which nobody can submit
KINDS = ("jobs", "receipts", "events", "staged", "packages", "sdk", "unfinished")
WhyItStays = Callable[[str, os.stat_result], str]


class Count:
    """How many of one kind were removed, the bytes that has freed, and how many stay for which reason."""

    def __init__(self) -> None:
        self.removed: int = 0
        self.freed: int = 0
        self.stay: Dict[str, int] = {LIVE: 0, NEEDED: 0, RECENT: 0, FOREIGN: 0}

    def add(self, freed: int, removed: int = 1) -> None:
        """Count what was removed."""
        self.removed += removed
        self.freed += freed

    def told(self) -> Dict[str, int]:
        """The same as a client is told."""
        return dict(self.stay, removed=self.removed, freed=self.freed)


class CleanUp:
    """Removes what is older than that many seconds below `base`, or with `dry_run` says what that would be.

    `counts` are of what was found so far, by kind; `looked` is at how many jobs it has looked; `problem` is the first that
    has kept something from being removed.
    """

    def __init__(self, base: str, scheduler: Any, older_than: float, dry_run: bool) -> None:
        self.base: str = os.path.realpath(base)
        self.named = base
        self.older_than = older_than
        self.dry_run = dry_run
        self.looked: int = 0
        self.problem: str = ""
        self.counts: Dict[str, Count] = {kind: Count() for kind in KINDS}
        self._jobs = Jobs(base, scheduler)
        self._aside = Aside(self.base)
        self._disk = Disk(whole=True)
        self._receipts = ""
        self._now = 0.0

    def told(self) -> Dict[str, Any]:
        """How far it is."""
        counts = {kind: count.told() for kind, count in self.counts.items()}
        return {"counts": counts, "looked": self.looked, "problem": self.problem}

    def steps(self) -> Iterator[None]:
        """Do it, a step at a time. Raises `AgentError` where it cannot be known which jobs have not ended."""
        if not os.path.isdir(self.base):
            return
        self._receipts = own_receipts(self.base)
        yield from self._finish_others()
        with alone(self._receipts) as self._now:
            packages = list(packages_in(self.base))
        for _ in self._jobs.looking(lambda path, content: None):
            self.looked += 1
            yield
        needs = Needs(self._jobs)
        yield from self._remove_trees(OldJobs(self._jobs, needs, self._before(JUST_USED)))
        yield from self._remove_receipts()
        yield from self._remove_entries("events", EVENTS, self._why_events_stay(needs))
        for folder in (STAGED, os.path.join(PACKAGES, STAGED)):
            yield from self._remove_entries("staged", folder, self._why_a_file_stays)
        self._remove_packages(Idle(self.base, self._receipts, packages, self._now))

    def _before(self, least: float) -> float:
        """The moment since when nothing was done to what is old, for so many seconds at least."""
        return self._now - max(self.older_than, least)

    # Jobs

    def _remove_trees(self, old: OldJobs) -> Iterator[None]:
        count = self.counts["jobs"]
        batch: List[Tuple[Tree, Contents]] = []
        tasks: Set[str] = set()
        for tree in trees_in(self.base):
            yield
            if tree is None:
                count.stay[FOREIGN] += 1
                continue
            why = old.why_it_stays(tree)
            if not why:
                contents = Contents(tree.path, old.before)
                why = contents.why_it_stays
                batch += [] if why else [(tree, contents)]
            if why:
                count.stay[why] += len(tree.jobs)
            elif self.dry_run or len(batch) == MOST_TREES:
                tasks.update(os.path.dirname(one.path) for one, _ in batch)
                yield from self._remove_batch(batch)
        tasks.update(os.path.dirname(one.path) for one, _ in batch)
        yield from self._remove_batch(batch)
        self._remove_empty(tasks)

    def _remove_batch(self, batch: List[Tuple[Tree, Contents]]) -> Iterator[None]:
        """Remove trees, and leave none in the list."""
        aside = []
        while batch:
            if self.dry_run:
                self._count_dry(*batch.pop())
                continue
            with alone(self._receipts):
                until = time.monotonic() + LONGEST_HOLD
                while batch and time.monotonic() < until:
                    aside.append(self._set_aside(*batch.pop()))
            yield
        for path in filter(None, aside):
            yield from self._remove_aside(path)

    def _count(self, tree: Tree, contents: Contents, receipts: List[int]) -> None:
        before = self._disk.total
        contents.count(self._disk)
        self.counts["jobs"].add(self._disk.total - before, len(tree.jobs))
        self.counts["receipts"].add(sum(receipts), len(receipts))

    def _count_dry(self, tree: Tree, contents: Contents) -> None:
        """Count a tree that stays. Its receipts, which stay as well, are not to be counted as such that would."""
        sizes = []
        for path, size in self._receipts_of(tree):
            sizes.append(size)
            young = changed(path) / 1e9 > self._before(ASKED_FOR)
            self.counts["receipts"].stay[RECENT if young else NEEDED] -= 1
        self._count(tree, contents, sizes)

    def _receipts_of(self, tree: Tree) -> Iterator[Tuple[str, int]]:
        for job in tree.jobs:
            yield from receipts_of(self._receipts, self.base, job)

    def _set_aside(self, tree: Tree, contents: Contents) -> str:
        """Where a tree is now, while nobody submits; empty for one that stays, or is gone.

        Its receipts go first: whoever submits with one of their keys after a crash gets a new job, and not one without files.
        """
        try:
            os.lstat(tree.path)
            if changed(tree.path) != tree.changed:
                self.counts["jobs"].stay[RECENT] += len(tree.jobs)
                return ""
            sizes = []
            for path, size in self._receipts_of(tree):
                os.unlink(path)
                sizes.append(size)
            path = self._aside.put(tree.path)
        except FileNotFoundError:  # somebody else is doing the same
            return ""
        except OSError as error:
            self._note(error)
            return ""
        self._count(tree, contents, sizes)
        return path

    def _remove_empty(self, folders: Set[str]) -> None:
        """Remove those directories of tasks in which nothing is any more."""
        if folders and not self.dry_run:
            with alone(self._receipts):
                for folder in folders:
                    with contextlib.suppress(OSError):
                        os.rmdir(folder)

    # Receipts

    def _remove_receipts(self) -> Iterator[None]:
        """Remove those whose jobs somebody else has removed."""
        count, lost = self.counts["receipts"], []
        receipts = Receipts(self._receipts, self.named, self._jobs, self._before(ASKED_FOR))
        for found in receipts.all():
            yield
            if found.why_it_stays:
                count.stay[found.why_it_stays] += 1
                continue
            lost.append(found)
            if len(lost) == TOGETHER:
                self._remove_lost(receipts, lost)
        self._remove_lost(receipts, lost)

    def _remove_lost(self, receipts: Receipts, lost: List[Found]) -> None:
        gone = lost if self.dry_run or not lost else receipts.remove(lost)
        for found in gone:
            self.counts["receipts"].add(found.size)
        lost.clear()

    # Files that belong to no job

    def _remove_entries(self, kind: str, folder: str, why: WhyItStays) -> Iterator[None]:
        """Remove what is in a folder and does not stay for the reason that `why` gives."""
        old: List[Tuple[str, Contents]] = []
        for entry in entries_in(self.base, folder):
            yield
            with contextlib.suppress(FileNotFoundError):
                found = entry.stat(follow_symlinks=False)
                reason = why(entry.name, found) if found.st_uid == os.getuid() else FOREIGN
                if reason:
                    self.counts[kind].stay[reason] += 1
                else:
                    old.append((entry.path, Contents(entry.path, self._now)))
            if len(old) == TOGETHER:
                yield from self._remove_old(kind, old)
        yield from self._remove_old(kind, old)

    def _remove_old(self, kind: str, old: List[Tuple[str, Contents]]) -> Iterator[None]:
        """Remove what is old, and leave nothing in the list."""
        with contextlib.ExitStack() as held:
            if old and not self.dry_run:
                held.enter_context(alone(self._receipts))
            aside = [self._entry_set_aside(kind, *one) for one in old]
        old.clear()
        for path in filter(None, aside):
            yield from self._remove_aside(path)

    def _entry_set_aside(self, kind: str, path: str, contents: Contents) -> str:
        try:
            if not self.dry_run and changed(path) != contents.changed:
                self.counts[kind].stay[RECENT] += 1
                return ""
            place = "" if self.dry_run else self._aside.put(path)
        except FileNotFoundError:
            return ""
        except OSError as error:
            self._note(error)
            return ""
        before = self._disk.total
        contents.count(self._disk)
        self.counts[kind].add(self._disk.total - before)
        return place

    def _why_events_stay(self, needs: Needs) -> WhyItStays:
        before = self._before(JUST_SENT)

        def why(name: str, found: os.stat_result) -> str:
            if name in needs.events:
                return LIVE
            if not stat.S_ISDIR(found.st_mode):
                return FOREIGN
            return RECENT if found.st_mtime > before else ""

        return why

    def _why_a_file_stays(self, name: str, found: os.stat_result) -> str:
        if not stat.S_ISREG(found.st_mode):
            return FOREIGN
        return RECENT if found.st_mtime > self._now - STAGED_KEPT else ""

    # Packages

    def _remove_packages(self, idle: Idle) -> None:
        done = idle.remove(self._jobs, self.older_than, self.dry_run)
        for package in idle.used:
            self._kind_of(package.kind).stay[NEEDED] += 1
        for package in idle.recent:
            self._kind_of(package.kind).stay[RECENT] += 1
        for row in done["removed"]:
            self._kind_of(row["kind"]).add(row["size"])
        packages, sdk = self.counts["packages"], self.counts["sdk"]
        packages.freed = done["freed"] - sdk.freed  # a file that several have counts once

    def _kind_of(self, kind: str) -> Count:
        return self.counts["sdk" if kind == "SDK" else "packages"]

    # What was put aside

    def _finish_others(self) -> Iterator[None]:
        """Remove what others have put aside who were killed, or are at it."""
        for path in self._aside.left():
            with contextlib.suppress(FileNotFoundError):
                contents = Contents(path, self._now)
                before = self._disk.total
                contents.count(self._disk)
                self.counts["unfinished"].add(self._disk.total - before)
                yield
                if not self.dry_run:
                    yield from self._remove_aside(path)

    def _remove_aside(self, path: str) -> Iterator[None]:
        try:
            yield from removing_aside(path)
        except OSError as error:
            self._note(error)

    def _note(self, error: OSError) -> None:
        said = "{}: {}".format(error.strerror, error.filename)
        self.problem = self.problem or said
