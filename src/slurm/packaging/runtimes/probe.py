"""Which runtimes of containers a cluster has, asked of its login node, and what else only it can tell."""

from __future__ import annotations

import weakref
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from slurm import forks
from slurm.errors import PackagingError, SlurmError

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
STATE = 'stat -L -c "%F %s %Y" -- "$1"'
DIGEST = 'sha256sum -- "$1"'


@dataclass(frozen=True)
class Found:
    """The runtimes on a login node, and the user's and the group's id there."""

    runtimes: tuple[str, ...]
    user: tuple[int, int]


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


def digest_of(backend: BackendBase, path: str) -> Mapping[str, str]:
    """What tells a file from its later versions: its digest, computed there once per version. Nothing where there is none."""
    try:
        status, printed = backend.run_program(["sh", "-c", STATE, "sh", path], timeout=TIMEOUT)
        state = printed.decode("utf-8", "replace").strip()
        if status != 0 or not state.startswith("regular"):
            return {}
        with _asking:
            known = _digests.setdefault(backend, {})
            if known.get(path, ("", ""))[0] != state:
                known[path] = state, _digest(backend, path)
            return {"digest": known[path][1]}
    except SlurmError:  # a job does not need it
        return {}


def _digest(backend: BackendBase, path: str) -> str:
    status, printed = backend.run_program(["sh", "-c", DIGEST, "sh", path], timeout=DIGEST_TIMEOUT)
    if status != 0:
        raise PackagingError(f"{path} could not be read")
    return "sha256:" + printed.decode("utf-8", "replace").lstrip("\\").partition(" ")[0]
