"""Room for what comes from a cluster: in memory, or on the disk of this machine."""

from __future__ import annotations

import io
import os

from slurm.errors import FileTooLarge
from slurm.job_dir.large_files import scratch_directory, scratch_file


def require_memory(path: str, size: int) -> None:
    """Raise `FileTooLarge` if `size` bytes of `path` cannot be held here; what may be is not touched."""
    try:
        machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError):  # it does not tell
        machine = size
    try:
        if size > machine:
            raise MemoryError
        bytearray(size)
    except MemoryError:
        raise too_large(path, size) from None


def file_for(path: str, size: int) -> io.FileIO:
    """A temporary file with room for the `size` bytes of `path`. Raises `FileTooLarge`."""
    import shutil

    try:
        if shutil.disk_usage(scratch_directory()).free < size:
            raise _no_disk(path, size)
        return scratch_file()
    except OSError as error:
        raise _no_disk(path, size) from error


def no_room(path: str, size: int, error: MemoryError | OSError) -> FileTooLarge:
    """The error for a file that could not be kept as it came."""
    return too_large(path, size) if isinstance(error, MemoryError) else _no_disk(path, size)


def too_large(path: str, size: int) -> FileTooLarge:
    """The error for a file for which there is not the memory."""
    limit = "this process has memory for"
    return FileTooLarge(f"{path}: {size} bytes are more than {limit}", size=size, limit=limit)


def _no_disk(path: str, size: int) -> FileTooLarge:
    limit = f"{scratch_directory()} has room for (TMPDIR chooses another folder)"
    return FileTooLarge(f"{path}: {size} bytes are more than {limit}", size=size, limit=limit)
