"""Two calls of Linux that Python does not offer. Elsewhere, and without ``ctypes``, they do nothing and say so."""

from __future__ import annotations

import functools
from typing import Any

PR_SET_CHILD_SUBREAPER = 36  # Linux 3.4
FALLOC_FL_KEEP_SIZE = 1


@functools.lru_cache(maxsize=1)
def c_library() -> Any:
    """The C library, None where this Python cannot call it. A daemon loads it once, before it forks."""
    try:
        import ctypes

        return ctypes.CDLL(None)
    except (ImportError, OSError):
        return None


def adopt_orphans() -> bool:
    """Have what this process's descendants leave behind become its children; whether that can be done."""
    library = c_library()
    return hasattr(library, "prctl") and library.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0


def keep_room(file: int, offset: int, size: int) -> bool:
    """Have the disk keep room for an open file, behind its end and without making it longer; whether it does."""
    library = c_library()
    if not hasattr(library, "fallocate64"):
        return False
    import ctypes

    begin, length = ctypes.c_longlong(offset), ctypes.c_longlong(size)
    return bool(library.fallocate64(file, FALLOC_FL_KEEP_SIZE, begin, length) == 0)
