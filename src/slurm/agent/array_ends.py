"""Notes on how items of an array ended that could not say so themselves: killed, out of time, never started.

They are lines of JSON in a file of the array's directory that only grows, each with its ``items`` (``0-3,7``), ``status`` and
``ended_at``. Where two are about one item, the later counts.
"""

import json
import os
from typing import Any, Dict, List

from .directory_names import ENDS
from .files import beginning
from .json_files import lock_of

LARGEST_ENDS = 64 << 20  # bytes; what is behind is not read


def add_end(metadata: str, end: Dict[str, Any]) -> None:
    """Add a note to those of an array whose metadata file is there. Raises OSError."""
    os.stat(metadata)  # an array that was removed is not made again
    path = os.path.join(os.path.dirname(metadata), ENDS)
    line = (json.dumps(end) + "\n").encode("utf-8")
    flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
    with lock_of(metadata), os.fdopen(os.open(path, flags, 0o600), "r+b") as file:
        size = file.seek(0, os.SEEK_END)
        if size and not _ends_a_line(
            file, size
        ):  # the disk was full, or the machine lost its power
            line = b"\n" + line
        file.write(line)
        file.flush()
        os.fsync(file.fileno())


def _ends_a_line(file: Any, size: int) -> bool:
    file.seek(size - 1)
    return bool(file.read(1) == b"\n")


def ends_in(data: bytes) -> List[Dict[str, Any]]:
    r"""The notes in such a file; a line that is not whole is passed over.

    >>> ends_in(b'{"items": "0-3", "status": "timeout"}\n{"items": "4", "sta')
    [{'items': '0-3', 'status': 'timeout'}]
    """
    found = []
    for line in data.splitlines():
        try:
            end = json.loads(line.decode("utf-8"))
        except (ValueError, RecursionError):
            continue
        if isinstance(end, dict):
            found.append(end)
    return found


def noted_ends(folder: str) -> List[Dict[str, Any]]:
    """The notes on items of the array in this directory. Raises OSError where they cannot be read."""
    try:
        return ends_in(beginning(os.path.join(folder, ENDS), LARGEST_ENDS))
    except FileNotFoundError:
        return []
