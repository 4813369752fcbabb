"""How a function, and what ``__main__`` defined, is found again on the node.

In this order: an importable module by reference, its own file beside it for a node that has no such
module; a script by its text, which travels and is ``__main__`` there, without its main part; an object that pickles
(a partial, a bound method) as an argument would; everything else (notebook cells, lambdas, closures, what the main
part of a script defines) by value, which needs the same Python minor version there.
"""

from __future__ import annotations

import functools
import os
import pickle
import sys
from collections.abc import Callable, Sequence
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any

from slurm.errors import SerializationError
from slurm.job_dir.arguments import why_unpicklable
from slurm.job_dir.main_guard import has_main_guard
from slurm.job_dir.main_module import (
    MAIN,
    MAIN_NAMES,
    MainModule,
    name_of_main,
    names_main,
    travelled_main,
)
from slurm.job_dir.main_part import is_of_main_part, words_of_main_part
from slurm.job_dir.payload import FunctionReference
from slurm.job_dir.result_file import PROTOCOL
from slurm.packaging.code.own_code import is_installed


def refer_to(function: Callable[..., Any]) -> FunctionReference:
    """The reference under which the node finds `function`. Raises `SerializationError` if there is none."""
    return named(function) or _pickled(function, *_names_of(function))


def named(function: Callable[..., Any]) -> FunctionReference | None:
    """The name under which the node finds `function`; None for one that has to be pickled."""
    module, qualname = _names_of(function)
    if defines(sys.modules.get(module), qualname, function):
        if module not in MAIN_NAMES:
            return FunctionReference("module", module, qualname, source=own_source(module))
        if main_module() is not None and not is_of_main_part(module, qualname):
            return FunctionReference("script", MAIN, qualname)
    return None


def _names_of(function: Callable[..., Any]) -> tuple[str, str]:
    return getattr(function, "__module__", ""), getattr(function, "__qualname__", "<object>")


def defines(module: Any, qualname: str, function: Callable[..., Any]) -> bool:
    """Whether `module` holds `function` under `qualname`, bare or inside a task."""
    found: Any = module
    for name in qualname.split("."):
        found = getattr(found, name, None)
    return found is function or getattr(found, "unwrapped", None) is function


def own_source(module: str) -> str:
    """The file of a module that is the user's own; empty for what is installed with the interpreter."""
    file = getattr(sys.modules[module], "__file__", None) or ""
    if not file.endswith(".py") or module.partition(".")[0] == "slurm" or is_installed(file):
        return ""
    return file


def is_importable(module: str) -> bool:
    """Whether a search of ``sys.path`` finds `module`; one that is merely loaded may not be found."""
    path: Sequence[str] | None = None
    names = module.split(".")
    for count in range(1, len(names) + 1):
        spec = PathFinder.find_spec(".".join(names[:count]), path)
        if spec is None:
            return False
        path = spec.submodule_search_locations
    return True


def main_module() -> MainModule | None:
    """What ``__main__`` is, if it can be had again elsewhere; None in a notebook or prompt."""
    came = travelled_main()
    if came is not None:
        return came
    if name_of_main():
        return MainModule(module=name_of_main())
    file = getattr(sys.modules[MAIN], "__file__", None)
    if file is None or not Path(file).is_file() or "ipykernel" in sys.modules:
        return None
    return MainModule(path=file)


def _pickled(function: Callable[..., Any], module: str, qualname: str) -> FunctionReference:
    by_name = _main_can_be_named()
    try:
        pickled = pickle.dumps(function, PROTOCOL)
        if not names_main(pickled) or (
            by_name and not any(word in pickled for word in words_of_main_part())
        ):
            return FunctionReference("object", module, qualname, pickled)
    except Exception:  # noqa: BLE001 - __reduce__ is the user's and may raise anything; see below
        pass
    from slurm.job_dir.by_value import dumps_by_value  # late: cloudpickle

    try:
        pickled = dumps_by_value(function, main_travels=by_name)
    except Exception as error:  # noqa: BLE001 - a value that is pickled by value may raise anything
        why = why_unpicklable({qualname: function}, main_travels=by_name) or str(error)
        raise SerializationError(
            f"{qualname} cannot be sent to the cluster: {why}. "
            "Or move it to a module, or pass what it captures as arguments"
        ) from None
    return FunctionReference("value", module, qualname, pickled)


def _main_can_be_named() -> bool:
    """Whether a job can load ``__main__``, so that what a function uses of it need not be copied.

    What has no main guard cannot be: functions that are copied with all that they use do without.
    """
    main = main_module()
    path = main.path or getattr(sys.modules[MAIN], "__file__", None) if main else None
    if path is None:
        return False
    try:
        found = os.stat(path)
        return _is_guarded(path, found.st_mtime_ns, found.st_size)
    except OSError:
        return False


@functools.lru_cache(maxsize=16)
def _is_guarded(path: str, modified: int, size: int) -> bool:
    return has_main_guard(Path(path).read_bytes(), path)
