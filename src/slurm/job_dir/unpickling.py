"""Unpickling what another process of the SDK pickled: under the names it has here, and no code of another Python.

A function or class that was pickled by value is bytecode. Python loads that of another version without a word, and
crashes when it is called.
"""

from __future__ import annotations

import functools
import io
import pickle
import sys
from typing import Any, BinaryIO

from slurm.errors import SerializationError
from slurm.job_dir import main_module
from slurm.job_dir.main_module import MAIN, MAIN_NAMES

# What picklers of code call to make it again. The modules are known by a part of their names: cloudpickle is brought
# along by joblib, Ray and PySpark as well.
CODE_MAKERS: dict[str, tuple[str, ...]] = {
    "cloudpickle": (
        "_make_function",
        "_make_skeleton_class",
        "_make_skeleton_enum",
        "_fill_function",
    ),
    "dill": ("_create_code", "_create_function", "_create_type"),
    "marshal": ("loads",),
    "types": ("CodeType", "FunctionType"),
    "builtins": ("code", "function"),
    "loky": ("_reconstruct_wrapper",),
}
TYPES_BY_NAME = "_builtin_type"  # of cloudpickle; takes the name of a type in `types`


class Unpickler(pickle.Unpickler):
    """Reads what the Python version `python` pickled (all of ``sys.version``, or its beginning).

    `main` is the name under which ``__main__`` could be imported there, empty for a script. Raises
    `SerializationError` for code by value of another minor version.
    """

    def __init__(self, file: BinaryIO, python: str = "", main: str = "") -> None:
        super().__init__(file)
        self._python = python
        self._main = main
        self._foreign = is_another_python(python)

    def find_class(self, module: str, name: str) -> Any:
        if self._foreign and _makes_code(module, name):
            raise self._refusal()
        if module in MAIN_NAMES:
            return self._of_main(name)
        if module == "pathlib._local":  # Python 3.13 alone has its paths there
            module = "pathlib"
        found = super().find_class(module, name)
        if self._foreign and name == TYPES_BY_NAME:
            return lambda kind: self._type_named(found, kind)
        if self._foreign and found is pickle.loads:  # a pickle within the pickle
            return lambda data: Unpickler(io.BytesIO(data), self._python, self._main).load()
        return found

    def _of_main(self, name: str) -> Any:
        if self._main and self._main != main_module.name_of_main():
            return super().find_class(self._main, name)  # another program's, which has a name
        main_module.load_main()
        try:
            return super().find_class(MAIN, name)
        except AttributeError:
            main_module.explain_missing(MAIN, name)
            raise

    def _type_named(self, found: Any, kind: str) -> Any:
        if kind == "CodeType":
            raise self._refusal()
        return found(kind)

    def _refusal(self) -> SerializationError:
        here = ".".join(map(str, sys.version_info[:2]))
        return SerializationError(
            f"a function or class was sent by value, as code of Python {_minor(self._python)}, and this is {here}: "
            "define it in a module or script file, or have the same Python on both sides"
        )


@functools.lru_cache(maxsize=16)
def is_another_python(version: str) -> bool:
    """Whether that is not this Python's minor version; False where it is not known.

    >>> is_another_python("2.7.18"), is_another_python("")
    (True, False)
    """
    return bool(version) and _minor(version) != ".".join(map(str, sys.version_info[:2]))


def _minor(version: str) -> str:
    return ".".join(version.split(maxsplit=1)[0].split(".")[:2])


def _makes_code(module: str, name: str) -> bool:
    last = name.rpartition(".")[2]
    return any(last in CODE_MAKERS[part] for part in module.split(".") if part in CODE_MAKERS)
