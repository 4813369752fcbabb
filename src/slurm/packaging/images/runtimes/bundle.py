"""An OCI bundle for a job: https://github.com/opencontainers/runtime-spec/blob/main/config.md. Pure.

Only file systems are apart, as Slurm's guide has it: processes, network and devices are the node's, so that a job's limits,
its GPUs and its signals are as without a container.
"""

from __future__ import annotations

import json
import posixpath
from collections.abc import Sequence
from typing import Any

from slurm.packaging.images.mounts import Mount
from slurm.packaging.images.runtimes.start import Container

PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
OF_THE_NODE = ("/proc", "/sys", "/dev", "/tmp")  # noqa: S108 - the node's, as without a container
# Without them nobody has a name in there, and no other machine either.
FILES_OF_THE_NODE = ("/etc/hosts", "/etc/resolv.conf", "/etc/passwd", "/etc/group")


def bundle_for(container: Container) -> bytes:
    """``config.json`` for a root file system, or that of a bundle with what a job has to see."""
    given = container.bundle
    config = _of_its_own(container) if given is None else json.loads(json.dumps(given))
    root = config.setdefault("root", {})
    root["path"] = posixpath.join(container.image, root.get("path", "rootfs"))
    config.setdefault("mounts", []).extend(map(_mount, container.mounts))
    process = config.setdefault("process", {})
    process["terminal"] = False
    process.setdefault("args", [container.python])
    process["cwd"] = container.workdir or process.get("cwd", "/")
    process["env"] = [
        line for line in process.get("env", ()) if line.partition("=")[0] not in container.env
    ]
    return json.dumps(config, indent=1, sort_keys=True).encode()


def _of_its_own(container: Container) -> dict[str, Any]:
    user, group = container.user
    mounts = [Mount(path, path) for path in OF_THE_NODE]
    mounts += [Mount(path, path, "ro") for path in FILES_OF_THE_NODE]
    return {
        "ociVersion": "1.0.0",
        "root": {"path": ".", "readonly": False},
        "process": {
            "user": {"uid": user, "gid": group},
            "env": _with_path(container.variables),
            "cwd": "/",
            "noNewPrivileges": True,
        },
        "mounts": [_mount(mount) for mount in mounts],
        "linux": {
            "namespaces": [{"type": "user"}, {"type": "mount"}],
            "uidMappings": [{"containerID": user, "hostID": user, "size": 1}],
            "gidMappings": [{"containerID": group, "hostID": group, "size": 1}],
        },
    }


def _with_path(variables: Sequence[str]) -> list[str]:
    has_path = any(line.startswith("PATH=") for line in variables)
    return [*variables] if has_path else [PATH, *variables]


def _mount(mount: Mount) -> dict[str, Any]:
    options = ["rbind", *([mount.flag] if mount.flag else [])]
    return {"destination": mount.target, "source": mount.source, "type": "none", "options": options}
