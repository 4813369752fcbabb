"""How a function, and what ``__main__`` defined, is found again on the node.

In this order: an importable module by reference, its own file beside it for a node that has no such
module; a script by its text, which travels and is run there under another name, as
``multiprocessing`` does for spawned processes; everything else (notebook cells, lambdas, closures)
by value, which needs the same Python minor version there.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any

from slurm.errors import SerializationError
from slurm.job_dir.arguments import MAIN_ALIAS, MAIN_NAMES, why_unpicklable
from slurm.job_dir.payload import FunctionReference, MainModule
from slurm.job_dir.result_file import PROTOCOL


def refer_to(function: Callable[..., Any]) -> FunctionReference:
    """The reference under which the node finds `function`. Raises `SerializationError` if there is none."""
    module = getattr(function, "__module__", "")
    qualname = getattr(function, "__qualname__", "<object>")
    if defines(sys.modules.get(module), qualname, function):
        if module not in MAIN_NAMES:
            return FunctionReference("module", module, qualname, source=own_source(module))
        main = main_module()
        if main is not None and main.module:
            return FunctionReference("module", main.module, qualname)
        if main is not None:
            return FunctionReference("script", MAIN_ALIAS, qualname)
    return FunctionReference("value", module, qualname, _by_value(function, qualname))


def defines(module: Any, qualname: str, function: Callable[..., Any]) -> bool:
    """Whether `module` holds `function` under `qualname`, bare or inside a task."""
    found: Any = module
    for name in qualname.split("."):
        found = getattr(found, name, None)
    return found is function or getattr(found, "unwrapped", None) is function


def own_source(module: str) -> str:
    """The file of a module that is the user's own; empty for what is installed with the interpreter."""
    file = getattr(sys.modules[module], "__file__", None) or ""
    installed = {Path(prefix).resolve() for prefix in (sys.prefix, sys.base_prefix)}
    path = Path(file).resolve()
    if path.suffix != ".py" or module.partition(".")[0] == "slurm" or installed & set(path.parents):
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
    main = sys.modules.get(MAIN_ALIAS) or sys.modules["__main__"]
    spec = getattr(main, "__spec__", None)
    if spec is not None and spec.name not in MAIN_NAMES:
        return MainModule(module=spec.name)
    file = getattr(main, "__file__", None)
    if file is None or not Path(file).is_file() or "ipykernel" in sys.modules:
        return None
    return MainModule(path=file)


def _by_value(function: Callable[..., Any], name: str) -> bytes:
    import cloudpickle

    try:
        pickled: bytes = cloudpickle.dumps(function, PROTOCOL)
    except Exception as error:  # noqa: BLE001 - a value that is pickled by value may raise anything
        why = why_unpicklable({name: function}, main_travels=False) or str(error)
        raise SerializationError(
            f"{name} cannot be sent to the cluster: {why}. "
            "Or move it to a module, or pass what it captures as arguments"
        ) from None
    return pickled
