"""What a container sees of the cluster's directories. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from slurm.errors import ConfigError
from slurm.packaging.sdk_archive import archive_for

# Pyxis writes mounts into a bash script and an fstab: what means something there cannot be in them.
PATH = re.compile(r"/[^\s:,\"$`\\\x00-\x1f\x7f]*")
FLAGS = ("ro", "rw")
PLAIN = "without spaces, colons, commas, backslashes, dollars, backticks or double quotes"


@dataclass(frozen=True)
class Mount:
    """A directory or file of the host, and where it is in the container."""

    source: str
    target: str
    flag: str = ""

    @property
    def pyxis(self) -> str:
        """As ``srun --container-mounts`` takes it."""
        return ":".join(part for part in (self.source, self.target, self.flag) if part)

    @property
    def enroot(self) -> str:
        """As ``enroot start --mount`` takes it: what Pyxis makes of it."""
        options = ",".join(part for part in ("x-create=auto", "rbind", self.flag) if part)
        return f"{self.source}:{self.target}:{options}"


def mount_of(text: str, home: str = "") -> Mount:
    """A mount from ``source[:target[:ro]]``, a leading ``~`` of which is `home`. Raises `ConfigError`.

    >>> mount_of("/data:/mnt:ro").pyxis
    '/data:/mnt:ro'
    >>> mount_of("~/data", "/home/me").pyxis
    '/home/me/data:/home/me/data'
    """
    parts = text.split(":")
    if len(parts) > 3 or (len(parts) == 3 and parts[2] not in FLAGS):
        raise ConfigError(f"mount {text!r} is none: give source, source:target or source:target:ro")
    source, target, flag = (*parts, parts[0], "")[:3] if len(parts) == 1 else (*parts, "")[:3]
    source, target = (
        home + path[1:] if path.startswith("~/") else path for path in (source, target)
    )
    name = f"mount {text!r}"
    return Mount(mountable(name, source), mountable(name, target), flag)


def mountable(name: str, path: str) -> str:
    """`path`, if it can be mounted; `name` says what it is. Raises `ConfigError`."""
    if not PATH.fullmatch(path):
        raise ConfigError(
            f"{name}: {path!r} cannot be mounted into a container: give an absolute path {PLAIN}"
        )
    return path


def own_mounts(base: str) -> list[Mount]:
    """What every job has to see: its directories, and the SDK, at the same paths."""
    base = mountable("job_base_dir", base)
    sdk = mountable("the SDK's directory", archive_for(base).directory)
    inside = sdk.startswith(f"{base}/")
    return [Mount(path, path) for path in ([base] if inside else [base, sdk])]
