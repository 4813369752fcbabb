"""The user's ``__main__`` in a job: what it was on the client is ``__main__`` here, without its main part."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import os
import sys
import types
from collections.abc import Iterator
from importlib.machinery import ModuleSpec, SourceFileLoader
from typing import Any

from slurm.context import loading_script
from slurm.errors import NoMainGuard, SlurmError
from slurm.job_dir import main_module
from slurm.job_dir.main_module import MAIN, MAIN_OF_CHILDREN, MainModule

# What `python script.py` has in it; `vars` of a new module has the rest.
LIKE_A_SCRIPT: dict[str, Any] = {"__builtins__": __builtins__, "__cached__": None}


def make_room() -> None:
    """Put an empty ``__main__`` in the place of the runner's, which is none of the user's.

    As at a prompt: processes of multiprocessing then run no file of ours.
    """
    _put(types.ModuleType(MAIN))


def expect(main: MainModule) -> None:
    """Have `main` loaded when something asks for it; see `slurm.job_dir.main_module`."""
    main_module.came_along(main, lambda: _load(main))


def _load(main: MainModule) -> None:
    with loading_script():
        if main.module:
            _load_module(main.module)
        else:
            _load_script(main.path)


def _load_script(path: str) -> None:
    loader = SourceFileLoader(MAIN, path)
    module = types.ModuleType(MAIN)
    vars(module).update({**LIKE_A_SCRIPT, "__file__": path, "__loader__": loader})
    _run(module, loader, path)


def _load_module(name: str) -> None:
    """As ``python -m`` does: under the other name, and with the spec of its own."""
    spec = _spec_of(name)
    path, loader = spec.origin or "", spec.loader
    if not isinstance(
        loader, SourceFileLoader
    ):  # from an archive, or compiled: it has no such source
        _put(importlib.import_module(name))
        return
    module = importlib.util.module_from_spec(spec)
    vars(module).update({**LIKE_A_SCRIPT, "__name__": MAIN, "__cached__": spec.cached})
    _run(module, loader, path)


def _spec_of(name: str) -> ModuleSpec:
    try:
        spec = importlib.util.find_spec(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise  # a package that was found needs a module that is not
        spec = None
    if spec is None:
        raise not_importable(name, name)
    return spec


def not_importable(module: str, missing: str | None) -> ModuleNotFoundError:
    """The error for a task's module that the node does not have."""
    return ModuleNotFoundError(
        f"the task's module {module!r} cannot be imported on the node: name the directory "
        "that holds it there in the packaging's pythonpath",
        name=missing,
    )


def _run(module: types.ModuleType, loader: SourceFileLoader, path: str) -> None:
    from slurm.job_dir.main_guard import code_without_main_part, has_main_guard

    sys.argv[:] = [path]
    _put(module)
    source = loader.get_data(path)
    with told_of_exits(path):
        try:
            exec(code_without_main_part(source, path), vars(module))  # noqa: S102 - the user's own script
        except (ImportError, SyntaxError, SlurmError):
            raise  # what the node lacks is another matter
        except (Exception, SystemExit) as error:
            # Without a main guard it would submit, had it come so far: that is what to mend.
            if has_main_guard(source, path):
                raise
            raise _no_guard(error, path) from None


def _no_guard(error: BaseException, path: str) -> NoMainGuard:
    # Late: most scripts can be loaded.
    from traceback import walk_tb

    from slurm.submit.refusals import no_main_guard

    frames = walk_tb(error.__traceback__)
    lines = [line for frame, line in frames if frame.f_code.co_filename == path]
    where = f" (line {lines[0]})" if lines else ""
    problem = " ".join(f"{type(error).__name__}: {error}".split())
    told = no_main_guard(f"does what a job cannot{where}", problem)
    return told.with_traceback(error.__traceback__)


def _put(main: types.ModuleType) -> None:
    sys.modules[MAIN] = sys.modules[MAIN_OF_CHILDREN] = main


@contextlib.contextmanager
def told_of_exits(path: str) -> Iterator[None]:
    """A ``sys.exit`` of a file that is loaded, which in the task itself would be its end, becomes an ``ImportError``."""
    try:
        yield
    except SystemExit as leaving:
        raise ImportError(
            f"{path} calls sys.exit({leaving.code!r}) when it is loaded: put the part of it that is "
            "not for the node under  if __name__ == '__main__':",
            path=path,
        ) from None


def in_directory(main: MainModule, directory: str) -> MainModule:
    """`main` with the path that its script has in the job's directory."""
    return main._replace(path=os.path.join(directory, main.path)) if main.path else main
