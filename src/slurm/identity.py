"""How a function, and what ``__main__`` defined, is found again on the node.

In this order: an importable module by reference; a script by its text, which travels and is run
there under another name, as ``multiprocessing`` does for spawned processes; everything else
(notebook cells, lambdas, closures) by value, which needs the same Python minor version there.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from slurm.errors import SerializationError
from slurm.serialization import MAIN_ALIAS, PROTOCOL, FunctionReference, MainModule

MAIN_NAMES = ("__main__", MAIN_ALIAS)


def refer_to(function: Callable[..., Any]) -> FunctionReference:
    """The reference under which the node finds `function`. Raises `SerializationError` if there is none."""
    module, qualname = function.__module__, function.__qualname__
    if "<" not in qualname:
        if module in MAIN_NAMES:
            main = main_module()
            if main is not None and main.module:
                return FunctionReference("module", main.module, qualname)
            if main is not None:
                return FunctionReference("script", MAIN_ALIAS, qualname)
        elif defines(sys.modules.get(module), qualname, function):
            return FunctionReference("module", module, qualname)
    return FunctionReference("value", module, qualname, _by_value(function))


def defines(module: Any, qualname: str, function: Callable[..., Any]) -> bool:
    """Whether `module` holds `function` under `qualname`, bare or inside a task."""
    found: Any = module
    for name in qualname.split("."):
        found = getattr(found, name, None)
    return found is function or getattr(found, "unwrapped", None) is function


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


def _by_value(function: Callable[..., Any]) -> bytes:
    import cloudpickle

    try:
        pickled: bytes = cloudpickle.dumps(function, PROTOCOL)
    except Exception as error:
        raise SerializationError(
            f"{function.__qualname__} cannot be sent to the cluster: {error}. "
            "Move it to a module, or pass what it captures as arguments"
        ) from error
    return pickled
