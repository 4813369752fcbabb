"""What the script's main part has defined on the client. It does not run in a job, where its names mean nothing."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Sequence
from types import FunctionType
from typing import Any

from slurm.job_dir.main_module import MAIN, MAIN_NAMES, travelled_main

CACHED = type(functools.lru_cache(len))  # pickled by its name, as a function is
KINDS = (type, FunctionType, CACHED)


def is_of_main_part(module: str, qualname: str) -> bool:
    """Whether a function or class is one that the main part of this process's script defines."""
    return module in MAIN_NAMES and qualname.partition(".")[0] in names_here()


def words_of_main_part() -> Sequence[bytes]:
    """What stands in a pickle that names anything of the main part; empty where that defines nothing."""
    words: list[bytes] = []
    for name in names_here():
        encoded = name.encode()
        words.append(b"\x8c" + bytes([len(encoded) % 256]) + encoded)  # a whole text, in a pickle
        if isinstance(vars(sys.modules[MAIN])[name], type):
            words.append(encoded + b".")  # what is in a class is found by a dotted name
    return words


def names_here() -> Sequence[str]:
    """The functions, tasks and classes that the main part of this process's script defines."""
    if travelled_main() is not None:  # a job: the main part has not run
        return ()
    main = sys.modules[MAIN]
    path = getattr(main, "__file__", None)
    if path is None:
        return ()
    try:
        found = os.stat(path)
        names = _names_in(path, found.st_mtime_ns, found.st_size)
    except OSError:
        return ()
    return [name for name in names if _is_defined(name, vars(main).get(name))]


@functools.lru_cache(maxsize=16)
def _names_in(path: str, modified: int, size: int) -> frozenset[str]:
    from slurm.job_dir.main_guard import names_of_main_part  # late: a job needs it no more

    with open(path, "rb") as file:
        return names_of_main_part(file.read(), path)


def _is_defined(name: str, value: Any) -> bool:
    if hasattr(type(value), "unwrapped"):  # a task
        value = value.unwrapped
    return (
        isinstance(value, KINDS)
        and value.__module__ in MAIN_NAMES
        and getattr(value, "__qualname__", "") == name
    )
