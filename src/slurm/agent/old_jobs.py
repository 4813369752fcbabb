"""Which directories of jobs nobody needs any more, and why the others stay.

What goes or stays is a whole: the directory of a job, of an array with its items, of a workflow with its jobs.
"""

import contextlib
import os
import re
import stat
from typing import Iterator, List, NamedTuple, Optional, Set

from .directory_names import EVENTS, RECEIPTS
from .files import beginning
from .job_marks import dependencies_in
from .package_users import LARGEST_SCRIPT, SCRIPT, Job, Jobs, metadata_in, noted_in
from .packages import Disk, changed

LIVE, NEEDED, RECENT, FOREIGN = "live", "needed", "recent", "foreign"
IN_SCRIPT = re.compile(rb"/" + re.escape(EVENTS.encode("ascii")) + rb"/([^/'\"\s:;,]+)")


class Tree(NamedTuple):
    """The directory of a job with all in it: its `jobs`, and when the directory `changed`, in nanoseconds."""

    path: str
    jobs: List[Job]
    changed: int


class Needs:
    """What the jobs need that have not ended: the `numbers` of jobs that they wait for, `events` that somebody listens to."""

    def __init__(self, jobs: Jobs) -> None:
        self.numbers: Set[str] = set()
        self.events: Set[str] = set()
        for path in jobs.elsewhere.union(jobs.unended):
            for content in metadata_in(path):
                self.numbers.update(dependencies_in(content.get("dependencies")))
            for script in _scripts_in(path):
                self.events.update(os.fsdecode(one) for one in IN_SCRIPT.findall(script))


def _scripts_in(path: str) -> Iterator[bytes]:
    try:
        for name in os.listdir(path):
            if SCRIPT.match(name):
                yield beginning(os.path.join(path, name), LARGEST_SCRIPT)
    except FileNotFoundError:
        pass


def trees_in(base: str) -> Iterator[Optional[Tree]]:
    """The directories in those of tasks; None in the place of what is no job's, or not where the SDK has made it.

    A directory with another name than it was made with was put there by somebody who wants it.
    """
    for task in folders_in(base):
        for path in folders_in(task):
            mark, jobs, made_here = changed(path), [], False
            for place, _, content, at in noted_in(path, 0):
                jobs.append(Job(place, content, at))
                if place == path:
                    made_here = content.get("pre_submission_id") == os.path.basename(path)
            yield Tree(path, jobs, mark) if made_here else None


def folders_in(folder: str) -> Iterator[str]:
    """Directories of this user in a directory, links and hidden ones left aside."""
    try:
        names = os.listdir(folder)
    except OSError:  # gone, or not to be looked into
        return
    for name in names:
        path = os.path.join(folder, name)
        if not name.startswith(".") and _is_own_folder(path):
            yield path


def _is_own_folder(path: str) -> bool:
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid()


class OldJobs:
    """Judges trees, after `jobs` were looked at: those may go that nothing was done to since `before`."""

    def __init__(self, jobs: Jobs, needs: Needs, before: float) -> None:
        self.jobs = jobs
        self.needs = needs
        self.before = before

    def why_it_stays(self, tree: Tree) -> str:
        """The reason that is known without looking at all files of it; nothing where there is none."""
        ids = {one for job in tree.jobs for one in job.ids}
        if ids & self.jobs.live or any(job.path in self.jobs.unended for job in tree.jobs):
            return LIVE
        if ids & self.needs.numbers:
            return NEEDED
        ends = [max(job.changed, self.jobs.ends.get(job.path, 0.0)) for job in tree.jobs]
        return RECENT if max(*ends, tree.changed / 1e9) > self.before else ""


class Contents:
    """What is at `path`, and all in it if it is a directory: what it takes, and why it stays if it does."""

    def __init__(self, path: str, before: float) -> None:
        self.size: int = 0
        self.shared: List[os.stat_result] = []  # files that have other names as well
        self.why_it_stays: str = ""
        self.changed: int = changed(path)
        left: List[str] = []
        with contextlib.suppress(FileNotFoundError):  # somebody else has just removed it
            top = os.lstat(path)
            self._device, self._before = top.st_dev, before
            self._add(top)
            left += [path] if stat.S_ISDIR(top.st_mode) else []
        while left and self.why_it_stays != FOREIGN:
            left += self._look(left.pop())

    def _look(self, folder: str) -> List[str]:
        """Take in what is in a directory; returns the directories in it."""
        below = []
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    with contextlib.suppress(FileNotFoundError):
                        self._add(entry.stat(follow_symlinks=False))
                    if entry.is_dir(follow_symlinks=False):
                        below.append(entry.path)
                        if entry.name == RECEIPTS:  # jobs of another base are in it
                            self.why_it_stays = FOREIGN
        except FileNotFoundError:
            pass
        except OSError:
            self.why_it_stays = FOREIGN
        return below

    def _add(self, found: os.stat_result) -> None:
        if found.st_uid != os.getuid() or found.st_dev != self._device:
            self.why_it_stays = FOREIGN
        elif found.st_mtime > self._before and not self.why_it_stays:
            self.why_it_stays = RECENT
        if stat.S_ISDIR(found.st_mode) or found.st_nlink == 1:
            self.size += found.st_blocks * 512
        else:
            self.shared.append(found)

    def count(self, disk: Disk) -> None:
        """Add it to what is removed."""
        disk.total += self.size
        for found in self.shared:
            disk.add("", found)
