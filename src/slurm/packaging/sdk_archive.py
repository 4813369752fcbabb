"""The SDK's own code as one content-addressed archive, so that nothing has to be installed on a cluster."""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import io
import logging
import os
import posixpath
from collections.abc import Iterator
from pathlib import Path

from slurm._version import __version__
from slurm.api.requests import Archive
from slurm.errors import PackagingError
from slurm.job_dir.paths import OLD_PYTHON, SDK
from slurm.packaging.environments.sdk_stub import METADATA

logger: logging.Logger = logging.getLogger(__name__)

# Nothing that is imported before the user's code is garbage: looking for some is a tenth of a job's start.
# Any Python reads this file, those that the rest is too new for as well.
ENTRY_POINT = f"""\
import gc
import sys

if sys.version_info < (3, 9):
    sys.stderr.write("slurm: jobs need Python 3.9 or newer, and %s is %s\\n" % (sys.executable, sys.version.split()[0]))
    sys.exit({OLD_PYTHON})
gc.disable()
from slurm.runner import main

main()
"""
MARKER = "SDK_ARCHIVE"
CLIENT_ONLY = ("testing", "cli")
SUFFIXES = (".py", ".css", ".js")  # code, and what the page of a job tree is drawn with
EPOCH = (
    1980,
    1,
    1,
    0,
    0,
    0,
)  # the oldest time a zip file can hold: the same content, the same bytes


def archive_for(base: str) -> Archive:
    """The archive that belongs under `base`; where this code itself runs from one, that one."""
    unpacked = _unpacked_here()
    if unpacked:
        return Archive(unpacked)
    name, _ = _named_files()
    return Archive(posixpath.join(base, SDK, name), _zipped)


@functools.lru_cache(maxsize=1)
def _unpacked_here() -> str:
    """The archive that this code runs from, or nothing."""
    here = Path(__file__).resolve().parents[2]
    return str(here) if (here / MARKER).is_file() else ""


@functools.lru_cache(maxsize=1)
def _named_files() -> tuple[str, dict[str, bytes]]:
    """The content address, and the files it stands for."""
    files = dict(sorted(_files()))
    digest = hashlib.sha256()
    for name, content in files.items():
        digest.update(f"{name}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()[:16], files


@functools.lru_cache(maxsize=1)
def _zipped() -> bytes:
    import zipfile

    name, files = _named_files()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for path, content in {**files, MARKER: name.encode()}.items():
            archive.writestr(zipfile.ZipInfo(path, EPOCH), content, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def _files() -> Iterator[tuple[str, bytes]]:
    yield "__main__.py", ENTRY_POINT.encode()
    # So that pip and `importlib.metadata` find it in a job as well.
    yield f"slurm_tasks-{__version__}.dist-info/METADATA", METADATA.encode()
    for package in ("slurm", "cloudpickle"):
        yield from _package_files(package)


def _package_files(package: str) -> Iterator[tuple[str, bytes]]:
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(
            f"the package {package!r} that travels with every job is not installed"
        )
    if not spec.submodule_search_locations:
        raise PackagingError(
            f"{spec.origin} is not the package {package} that travels with every job: give that module another name"
        )
    root = os.path.dirname(spec.origin)
    if package == "slurm":
        _warn_of_another(Path(root).parent)
    # Without `pathlib`, which takes longer over hundreds of files than it takes to read them: half of a first submission.
    for folder, below, names in os.walk(root):
        left_out = CLIENT_ONLY if folder == root else ()
        below[:] = [one for one in below if one not in left_out and one != "__pycache__"]
        inside = os.path.relpath(folder, os.path.dirname(root)).replace(os.sep, "/")
        for name in names:
            if name.endswith(SUFFIXES):
                with open(os.path.join(folder, name), "rb") as file:
                    yield f"{inside}/{name}", file.read()


def _warn_of_another(installed_in: Path) -> None:
    """Say so where another project's package of the same import name was installed over this one, or under it."""
    if any(installed_in.glob("slurm_sdk-*.dist-info")):
        logger.warning(
            "slurm-sdk, another project's package that is imported as `slurm` too, is installed in %s, "
            "and one of the two has overwritten the other: pip uninstall slurm-sdk, then "
            "pip install --force-reinstall slurm-tasks",
            installed_in,
        )
