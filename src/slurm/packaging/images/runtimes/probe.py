"""Which runtimes of containers a cluster has, asked of its login node, and what else only it can tell."""

from __future__ import annotations

import json
import posixpath
import re
import weakref
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from slurm import forks
from slurm.errors import ConfigError, PackagingError, RemoteFileMissing, SlurmError

if TYPE_CHECKING:
    from slurm.api.base import BackendBase

TIMEOUT = 60.0
DIGEST_TIMEOUT = 1800.0
# Slurm reads oci.conf beside slurm.conf, or where slurmd puts what the controller sends.
FIND = r"""
printf 'user %s %s\n' "$(id -u)" "$(id -g)"
srun --help 2>/dev/null | grep -q -e --container-image && echo has pyxis
for name in apptainer singularity enroot podman; do command -v "$name" >/dev/null 2>&1 && echo "has $name"; done
command -v ch-run >/dev/null 2>&1 && echo has charliecloud
for conf in "${SLURM_CONF:-/etc/slurm/slurm.conf}" /run/slurm/conf/slurm.conf /etc/slurm-llnl/slurm.conf
do [ -e "${conf%/*}/oci.conf" ] && { echo has slurm-oci; break; }; done
exit 0
"""
# A file's version; and, in an unpacked root file system, which Python a name leads to, which nobody has to run for that.
LOOK = r"""
stat -L -c '%F %s %Y' -- "$1" || exit 1
for root in "$1" "$1/rootfs"; do for name in "usr/local/bin/$2" "usr/bin/$2" "$2"; do
[ -L "$root/$name" ] && { readlink -- "$root/$name"; exit 0; }; done; done
exit 0
"""
DIGEST = 'sha256sum -- "$1"'


@dataclass(frozen=True)
class Found:
    """The runtimes on a login node, and the user's and the group's id there."""

    runtimes: tuple[str, ...]
    user: tuple[int, int]


@dataclass(frozen=True)
class Image:
    """An image on the cluster: the digest of a file, and the version of the Python in a directory, where it can be told."""

    digest: str = ""
    python: tuple[int, int] | None = None


_found: weakref.WeakKeyDictionary[BackendBase, Found] = weakref.WeakKeyDictionary()
_digests: weakref.WeakKeyDictionary[BackendBase, dict[str, tuple[str, str]]] = (
    weakref.WeakKeyDictionary()
)
_asking = forks.Lock()


def found_on(backend: BackendBase) -> Found:
    """What the login node has: asked once, and again where it had no runtime. Raises `PackagingError`."""
    with _asking:
        known = _found.get(backend)
        if known is None or not known.runtimes:
            _, printed = backend.run_program(["sh", "-c", FIND], timeout=TIMEOUT)
            known = _found[backend] = parse(printed.decode("utf-8", "replace"))
        return known


def parse(printed: str) -> Found:
    """What `FIND` printed; a login shell may have said something before. Raises `PackagingError`.

    >>> parse("Welcome!\\nuser 1000 100\\nhas podman\\n")
    Found(runtimes=('podman',), user=(1000, 100))
    """
    words = [line.split() for line in printed.splitlines()]
    users = [line[1:] for line in words if line[:1] == ["user"] and len(line) == 3]
    if not users or not all(map(str.isdecimal, users[-1])):
        raise PackagingError(
            "the login node could not be asked for its runtimes of containers: it printed "
            f"{printed[-200:]!r}; name one with the packaging's runtime"
        )
    user, group = map(int, users[-1])
    return Found(tuple(line[1] for line in words if line[:1] == ["has"]), (user, group))


def look_at(backend: BackendBase, path: str, python: str) -> Image:
    """What can be told of an image on the cluster; nothing of one that the login node has not."""
    try:
        command = ["sh", "-c", LOOK, "sh", path, python]
        status, printed = backend.run_program(command, timeout=TIMEOUT)
        state, *links = printed.decode("utf-8", "replace").splitlines() or [""]
        if status != 0:
            return Image()
        if not state.startswith("regular"):
            return Image(python=version_in(links[0]) if links else None)
        with _asking:
            known = _digests.setdefault(backend, {})
            if known.get(path, ("", ""))[0] != state:
                known[path] = state, _digest(backend, path)
            return Image(known[path][1])
    except SlurmError:  # a job does not need it
        return Image()


def bundle_at(backend: BackendBase, image: str) -> dict[str, Any] | None:
    """The configuration of an OCI bundle; None for a directory that is a root file system. Raises `ConfigError`."""
    path = posixpath.join(image, "config.json")
    try:
        found = json.loads(backend.read_file(path))
    except RemoteFileMissing:
        return None
    except ValueError as error:
        raise ConfigError(f"{path} is no JSON: {error}") from None
    if not isinstance(found, dict) or "ociVersion" not in found:
        raise ConfigError(f"{path} is not the configuration of an OCI bundle: it has no ociVersion")
    return found


def version_in(python: str) -> tuple[int, int] | None:
    """The version in an interpreter's name.

    >>> version_in("/usr/bin/python3.12"), version_in("python3")
    ((3, 12), None)
    """
    found = re.search(r"python(3)\.([0-9]+)\Z", python)
    return (int(found[1]), int(found[2])) if found else None


def _digest(backend: BackendBase, path: str) -> str:
    """Computed there, once per version of the file."""
    status, printed = backend.run_program(["sh", "-c", DIGEST, "sh", path], timeout=DIGEST_TIMEOUT)
    if status != 0:
        raise PackagingError(f"{path} could not be read")
    return "sha256:" + printed.decode("utf-8", "replace").lstrip("\\").partition(" ")[0]
