"""What there is for jobs to run with, in words that a client shows."""

import os
import re
from collections import Counter
from typing import Any, Dict, List
from typing import Counter as Counts

from .errors import AgentError
from .files import beginning
from .json_files import read_json_if_whole
from .package_users import Jobs, code_in, packages_of
from .packages import (
    CONTENTS,
    PACKAGES,
    READY,
    SOURCE,
    Content,
    Disk,
    Package,
    below,
    contents_in,
    packages_in,
)

VERSION = re.compile(rb'__version__ = "([^"]+)"')


def listing(base: str, scheduler: Any) -> Dict[str, Any]:
    """The packages, each as `told`; the contents of files as one; and what all of it takes."""
    about = About()
    jobs, problem = Jobs(base, scheduler), ""
    try:
        jobs.look(about.hear)
    except AgentError as error:
        problem = str(error)
    uses = uses_of(jobs)
    disk = Disk()
    found = []
    for package in packages_in(base):
        said = told(package, disk)
        said["about"] = about.of(package)
        said["jobs"] = None if problem else uses[package.name]
        found.append(said)
    files = list(contents_in(base))
    if files:
        found.append(of_contents(files, disk))
    return {"packages": found, "size": disk.total, "problem": problem}


def told(package: Package, disk: Disk) -> Dict[str, Any]:
    """A package as a client is told of it; its size is added to what `disk` has."""
    return {
        "name": package.name,
        "kind": package.kind,
        "size": disk.add(package.path),
        "used": package.used / 1e9,
    }


def of_contents(files: List[Content], disk: Disk) -> Dict[str, Any]:
    """What a client is told of files that copies and wheels are made of, all together."""
    return {
        "name": os.path.join(PACKAGES, CONTENTS),
        "kind": CONTENTS,
        "size": sum(disk.add(path, found) for path, found in files),
        "used": max(found.st_mtime for _, found in files),
        "about": {"count": len(files)},
    }


def uses_of(jobs: Jobs) -> Counts[str]:
    """How many of the jobs that have not ended use each package."""
    uses: Counts[str] = Counter()
    for path in jobs.unended:
        names = packages_of(path)
        uses.update(names.union(*(below(jobs.base, name) for name in names)))
    return uses


class About:
    """What is known of packages beside their names: from the metadata of jobs, and from what lies in them."""

    def __init__(self) -> None:
        self._code: Dict[str, Dict[str, Any]] = {}
        self._images: Dict[str, str] = {}

    def hear(self, path: str, content: Dict[str, Any]) -> None:
        """Hear what a job has noted of itself."""
        for one in code_in(content):
            known = [key for key in ("project", "revision", "dirty") if key in one]
            self._code[os.path.basename(str(one["copy"]))] = {key: one[key] for key in known}
        image = content.get("image")
        if isinstance(image, dict) and image.get("name"):
            import hashlib

            name = str(image["name"])
            self._images[hashlib.sha256(name.encode("utf-8", "replace")).hexdigest()[:16]] = name

    def of(self, package: Package) -> Dict[str, Any]:
        """What is known of one."""
        name = os.path.basename(package.path)
        if os.path.dirname(package.name) == os.path.join(PACKAGES, SOURCE):
            return self._code.get(name, {"project": name.rpartition("-")[0]})
        if package.kind == "environment":
            ready = read_json_if_whole(os.path.join(package.path, READY))
            return {key: ready[key] for key in ("origin",) if ready.get(key)}
        if package.kind == "SDK":
            return {"version": _version(package.path)}
        if package.kind == "image":
            return {"image": self._images[name]} if name in self._images else {}
        return {"files": _wheels(package.path)}


def _version(path: str) -> str:
    try:
        found = VERSION.search(beginning(os.path.join(path, "slurm", "_version.py"), 1 << 16))
    except OSError:
        return ""
    return found.group(1).decode("ascii", "replace") if found else ""


def _wheels(path: str) -> List[str]:
    return sorted(name for name in os.listdir(path) if name.endswith(".whl"))
