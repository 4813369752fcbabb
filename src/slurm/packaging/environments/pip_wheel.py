"""A wheel of pip, which is a program as it is: it travels, and no Python need have one."""

from __future__ import annotations

import email
import importlib.util
import shutil
import sys
import sysconfig
import zipfile
from collections.abc import Sequence
from pathlib import Path

from slurm.errors import PackagingError
from slurm.packaging.environments.target import Target
from slurm.packaging.programs import run


def add_pip(folder: Path, target: Target, download: Sequence[str]) -> Path:
    """Make sure that a folder has a wheel of pip, for a target, and say which. Raises `PackagingError`.

    It is the one that this Python has for its own environments, unless the target is newer than that: then the one that the
    command `download` gets, if it can.
    """
    for path in folder.glob("pip-*.whl"):
        return path
    bundled = bundled_pip(target)
    if bundled is None or target.version[:2] > sys.version_info[:2]:
        try:
            run("pip itself could not be downloaded", download)
            return next(folder.glob("pip-*.whl"))
        except PackagingError as error:
            if bundled is None:
                raise PackagingError(str(error).partition("\n")[0]) from None
    return Path(shutil.copy(bundled, folder))


def bundled_pip(target: Target) -> Path | None:
    """The wheel of pip that came with this Python, where the target can run it."""
    from packaging.specifiers import SpecifierSet

    for path in _bundled():
        with zipfile.ZipFile(path) as archive:
            [about] = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
            wanted = email.message_from_bytes(archive.read(about)).get("Requires-Python", "")
        if SpecifierSet(wanted).contains(target.python_version, prereleases=True):
            return path
    return None


def _bundled() -> list[Path]:
    """Where `ensurepip` has it: distributions put it elsewhere."""
    elsewhere = sysconfig.get_config_var("WHEEL_PKG_DIR")
    spec = importlib.util.find_spec("ensurepip")
    own = [Path(folder) / "_bundled" for folder in (spec and spec.submodule_search_locations) or ()]
    folders = [*([Path(elsewhere)] if elsewhere else []), *own]
    return [path for folder in folders for path in sorted(folder.glob("pip-*.whl"), reverse=True)]
