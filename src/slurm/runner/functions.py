"""Finding the user's function on the node, by what `slurm.packaging.function_reference` chose."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import os
import pickle
import sys
import types
from collections.abc import Callable, Iterator
from importlib.machinery import SourceFileLoader
from typing import Any

from slurm import context
from slurm.job_dir.arguments import MAIN_ALIAS
from slurm.job_dir.paths import JobDirectory
from slurm.job_dir.payload import FunctionReference, Payload


def restore_imports(payload: Payload, directory: JobDirectory) -> None:
    """Make the client's imports, and what its ``__main__`` defined, importable here."""
    for entry in payload.sys_path:
        if entry not in sys.path and os.path.isdir(entry):
            sys.path.append(entry)
    if payload.main is None:
        return
    with _loading():
        if payload.main.module:
            sys.modules["__main__"] = importlib.import_module(payload.main.module)
        else:
            _load_file(MAIN_ALIAS, os.path.join(directory.path, payload.main.path))


def load_function(reference: FunctionReference, directory: JobDirectory) -> Callable[..., Any]:
    """The plain function behind a reference; out of its task, where it is one."""
    found: Any
    if reference.kind == "value":
        found = pickle.loads(reference.pickled)  # noqa: S301 - the user's own file
    else:
        found = _import(reference, directory)
        for name in reference.qualname.split("."):
            found = getattr(found, name)
    function: Callable[..., Any] = getattr(found, "unwrapped", found)
    return function


def _import(reference: FunctionReference, directory: JobDirectory) -> types.ModuleType:
    module = reference.module
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise  # a module that was found needs one that is not
        if not reference.source:
            raise ModuleNotFoundError(
                f"the task's module {module!r} cannot be imported", name=error.name
            ) from None
    with _loading():
        return _load_file(module, os.path.join(directory.path, reference.source))


@contextlib.contextmanager
def _loading() -> Iterator[None]:
    """While a user's file is loaded, nothing may be submitted: its main part must stay asleep."""
    context.set_loading_script(True)
    try:
        yield
    finally:
        context.set_loading_script(False)


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
    if name == MAIN_ALIAS:  # as multiprocessing does, for what was pickled under either name
        sys.modules["__main__"] = module
    try:
        spec.loader.exec_module(module)
    except SystemExit as leaving:  # which, raised by the task itself, would be its end
        raise ImportError(
            f"{path} calls sys.exit({leaving.code!r}) when it is loaded: put the part of it that is "
            "not for the node under  if __name__ == '__main__':",
            path=path,
        ) from None
    return module
