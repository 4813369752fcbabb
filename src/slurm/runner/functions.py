"""Finding the user's function on the node, by what `slurm.packaging.function_reference` chose."""

from __future__ import annotations

import importlib
import importlib.util
import io
import os
import sys
import types
from collections.abc import Callable
from importlib.machinery import SourceFileLoader
from typing import Any

from slurm.job_dir import main_module
from slurm.job_dir.main_module import packaged_by_main
from slurm.job_dir.paths import JobDirectory
from slurm.job_dir.payload import Payload
from slurm.job_dir.unpickling import Unpickler
from slurm.runner import scripts
from slurm.runner.imports import has_namesake, restore_search_path


def restore_imports(payload: Payload, directory: JobDirectory) -> None:
    """Make the client's imports, and what its ``__main__`` defined, importable here.

    The script is run now where its function is the job's; else when a pickle names it.
    """
    restore_search_path(payload.sys_path, payload.own_modules)
    scripts.make_room()
    if payload.main is None:
        return
    scripts.expect(scripts.in_directory(payload.main, directory.path))
    if payload.function.kind == "script" or packaged_by_main(payload.children):
        main_module.load_main()


def load_function(payload: Payload, directory: JobDirectory) -> Callable[..., Any]:
    """The plain function that a job calls; out of its task, where it is one.

    Raises what importing it does, and `SerializationError` for code of another Python.
    """
    found: Any
    reference = payload.function
    if reference.kind == "script":
        found = main_module.find(reference.module, reference.qualname)
    elif reference.kind == "module":
        found = _import(payload, directory)
        for name in reference.qualname.split("."):
            found = getattr(found, name)
    else:
        found = Unpickler(io.BytesIO(reference.pickled), payload.python).load()
    function: Callable[..., Any] = getattr(found, "unwrapped", found)
    return function


def _import(payload: Payload, directory: JobDirectory) -> types.ModuleType:
    reference = payload.function
    module, source = reference.module, os.path.join(directory.path, reference.source)
    if reference.source and has_namesake(module, source, payload.sys_path):
        return _load_file(module, source)
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise  # a module that was found needs one that is not
        if not reference.source:
            raise scripts.not_importable(module, error.name) from None
    return _load_file(module, source)


class _Loader(SourceFileLoader):
    """Loads a file that travelled, and leaves no ``__pycache__`` in the job directory."""

    def set_data(self, path: str, data: Any, *, _mode: int = 0o666) -> None:
        """Bytecode is not kept: the next job has a directory of its own."""


def _load_file(name: str, path: str) -> types.ModuleType:
    """Run a file as the module `name`."""
    spec = importlib.util.spec_from_file_location(name, path, loader=_Loader(name, path))
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} cannot be loaded as a Python script", path=path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    with scripts.told_of_exits(path):
        spec.loader.exec_module(module)
    return module
