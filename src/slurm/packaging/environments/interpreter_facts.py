"""What an interpreter tells of itself. The text of this file is run on the cluster as well; standard library only."""

from __future__ import annotations

import glob
import os
import platform
import re
import subprocess
import sys
import sysconfig
from typing import Any

LOADERS = "/lib/ld-musl-*.so.1"


def facts() -> dict[str, Any]:
    """What of this interpreter decides which packages it can have."""
    return {
        "version": list(sys.version_info[:3]),
        "implementation": sys.implementation.name,
        "abi": abi(),
        "platform": sysconfig.get_platform(),
        "libc": _libc(),
        "markers": _markers(),
    }


def abi() -> str:
    """The tag of wheels that are compiled for it alone."""
    free = "t" if sysconfig.get_config_var("Py_GIL_DISABLED") else ""
    return "cp{}{}{}".format(*sys.version_info[:2], free)


def _libc() -> list[Any]:
    """The C library by its name, and its version: ``["glibc", 2, 41]``."""
    try:
        name, _, version = (os.confstr("CS_GNU_LIBC_VERSION") or "").partition(" ")
    except (ValueError, AttributeError, OSError):
        name = version = ""
    for loader in () if name else glob.glob(LOADERS):
        said = subprocess.run([loader], capture_output=True, check=False).stderr
        found = re.search(r"Version (\d+\.\d+)", said.decode("ascii", "replace"))
        name, version = "musl", found.group(1) if found else "1.1"
    return [name, *map(int, re.findall(r"\d+", version)[:2])]


def _markers() -> dict[str, str]:
    """What the conditions of requirements ask for, PEP 508."""
    info = sys.implementation.version
    kind = "" if info.releaselevel == "final" else info.releaselevel[0] + str(info.serial)
    return {
        "implementation_name": sys.implementation.name,
        "implementation_version": f"{info.major}.{info.minor}.{info.micro}{kind}",
        "os_name": os.name,
        "platform_machine": platform.machine(),
        "platform_release": platform.release(),
        "platform_system": platform.system(),
        "platform_version": platform.version(),
        "python_full_version": platform.python_version(),
        "platform_python_implementation": platform.python_implementation(),
        "python_version": "{}.{}".format(*sys.version_info[:2]),
        "sys_platform": sys.platform,
    }
