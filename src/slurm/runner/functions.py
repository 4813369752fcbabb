"""Finding the user's function again, by the reference that travelled."""

from __future__ import annotations

import importlib
import importlib.util
import os
import pickle
import sys
import types
from collections.abc import Callable
from typing import Any

from slurm import context
from slurm.job_dir import JobDirectory
from slurm.serialization import MAIN_ALIAS, FunctionReference, Payload


def restore_imports(payload: Payload, directory: JobDirectory) -> None:
    """Make the client's imports, and what its ``__main__`` defined, importable here."""
    for entry in payload.sys_path:
        if entry not in sys.path and os.path.isdir(entry):
            sys.path.append(entry)
    if payload.main is None:
        return
    context.set_loading_script(True)
    try:
        if payload.main.module:
            sys.modules["__main__"] = importlib.import_module(payload.main.module)
        else:
            _run_script(os.path.join(directory.path, payload.main.path))
    finally:
        context.set_loading_script(False)


def load_function(reference: FunctionReference) -> Callable[..., Any]:
    """The plain function behind a reference; out of its task, where it is one."""
    found: Any
    if reference.kind == "value":
        found = pickle.loads(reference.pickled)  # noqa: S301 - the user's own file
    else:
        found = _import(reference.module)
        for name in reference.qualname.split("."):
            found = getattr(found, name)
    function: Callable[..., Any] = getattr(found, "unwrapped", found)
    return function


def _import(module: str) -> types.ModuleType:
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise  # a module that was found needs one that is not
        raise ModuleNotFoundError(
            f"the task's module {module!r} cannot be imported on the node. Put it where the node "
            "finds it and name that directory in the packaging's pythonpath, or define the task in "
            "the script that submits it",
            name=error.name,
        ) from None


def _run_script(path: str) -> None:
    """Run the script under another name, as multiprocessing does: its main part stays asleep.

    The module stands under both names, for what was pickled under either.
    """
    spec = importlib.util.spec_from_file_location(MAIN_ALIAS, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} cannot be loaded as a Python script", path=path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[MAIN_ALIAS] = sys.modules["__main__"] = module
    spec.loader.exec_module(module)
