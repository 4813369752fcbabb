"""A call's arguments, pickled: jobs among them as placeholders, and what a script defined under its name.

A job among the arguments, at any depth and inside any object, is written as a `JobResultPlaceholder`
through pickle's own "persistence of external objects" and read back as that job's result.
"""

from __future__ import annotations

import io
import pickle
import sys
import types
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO, NamedTuple

from slurm import errors
from slurm.job_dir.large_files import SpooledFile
from slurm.job_dir.result_file import PROTOCOL

MAIN_ALIAS = "__slurm_main__"
MAIN_NAMES = ("__main__", MAIN_ALIAS)
MAIN_WORDS = tuple(name.encode() for name in MAIN_NAMES)


class JobResultPlaceholder(NamedTuple):
    """Stands for the result of another job inside pickled arguments.

    Attributes: `job_id`, the scheduler's id; `job_dir`, where its result file is or will be;
    `count`, for a whole array the number of its items, whose results make a list.
    """

    job_id: str
    job_dir: str = ""
    count: int | None = None  # type: ignore[assignment]  # a tuple has a method of that name


def dump_arguments(
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    placeholder_of: Callable[[Any], JobResultPlaceholder | None],
    *,
    main_travels: bool = True,
) -> tuple[bytes, bool]:
    """As `write_arguments`, into memory: the pickle, and whether it took ``cloudpickle``."""
    spool = SpooledFile()
    copied = write_arguments(spool, args, kwargs, placeholder_of, main_travels=main_travels)
    return spool.getvalue(), copied


def write_arguments(
    spool: SpooledFile,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    placeholder_of: Callable[[Any], JobResultPlaceholder | None],
    *,
    main_travels: bool = True,
) -> bool:
    """Pickle a call's arguments behind what is in `spool`; returns whether it took ``cloudpickle``.

    `placeholder_of` is asked for every object and answers None for what is to be pickled as it is.
    Unless `main_travels`, what ``__main__`` defined is pickled by value. Raises `SerializationError`
    for what cannot be pickled at all.
    """
    start = spool.size
    try:
        _dump(pickle.Pickler, (args, kwargs), placeholder_of, spool)
        if main_travels or not spool.contains(MAIN_WORDS, start):
            return False
    except errors.SlurmError:  # an array among the arguments is submitted now
        raise
    except Exception:  # noqa: BLE001 - __reduce__ is the user's and may raise anything; see below
        pass
    spool.truncate(start)
    try:
        _dump(_pickler_by_value(main_travels), (args, kwargs), placeholder_of, spool)
        return True
    except errors.SlurmError:
        raise
    except Exception as error:  # noqa: BLE001 - as above
        raise errors.SerializationError(f"an argument cannot be pickled: {error}") from None


def _pickler_by_value(main_travels: bool) -> Any:
    import cloudpickle

    class ByValue(cloudpickle.CloudPickler):  # type: ignore[misc]
        """By value what has to be; what the travelling script defines keeps its identity there."""

        def reducer_override(self, value: Any) -> Any:
            if main_travels and _is_of_main(value):
                return value.__qualname__
            return super().reducer_override(value)

    return ByValue


def why_unpicklable(
    roots: Mapping[str, Any],
    *,
    is_future: Callable[[Any], bool] = lambda value: False,
    main_travels: bool = True,
    in_result: bool = False,
) -> str:
    """One line about what among `roots`, by their names, cannot be pickled, and the way to it; empty for nothing.

    What `is_future` is not pickled, for something else stands in its place.

    >>> why_unpicklable({"args": (1, {"rows": iter([])}), "kwargs": {}})
    ''
    >>> import threading
    >>> why_unpicklable({"args": (1, {"lock": threading.Lock()})})
    "args[1]['lock'] is a _thread.lock: make it inside the task"
    """
    from slurm.job_dir.unpicklable import culprit_in

    pickler, stands_apart = _pickler_by_value(main_travels), JobResultPlaceholder("")

    def dump(part: Any) -> None:
        _dump(pickler, part, lambda value: stands_apart if is_future(value) else None, Sink())

    for name, root in roots.items():
        culprit = culprit_in(root, name, dump)
        if culprit is not None:
            return culprit.in_words(in_result=in_result)
    return ""


class Sink:
    """What is written to where nothing is wanted of it."""

    def write(self, data: Any) -> int:
        return memoryview(data).nbytes


def _is_of_main(value: Any) -> bool:
    """Whether a class or function is found in ``__main__`` under its own name."""
    if not isinstance(value, (type, types.FunctionType)) or value.__module__ not in MAIN_NAMES:
        return False
    found: Any = sys.modules[value.__module__]
    for name in value.__qualname__.split("."):
        found = getattr(found, name, None)
    return found is value


def names_main(data: bytes) -> bool:
    """Whether a pickle may refer to something that ``__main__`` defined."""
    return any(word in data for word in MAIN_WORDS)


def _dump(
    pickler_type: Any,
    value: Any,
    placeholder_of: Callable[[Any], JobResultPlaceholder | None],
    spool: SpooledFile | Sink,
) -> None:
    class Pickler(pickler_type):  # type: ignore[misc]
        def persistent_id(self, value: Any) -> tuple[Any, ...] | None:
            placeholder = placeholder_of(value)
            return None if placeholder is None else tuple(placeholder)

    Pickler(spool, PROTOCOL).dump(value)


def load_arguments(
    source: bytes | BinaryIO, result_of: Callable[[JobResultPlaceholder], Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Unpickle a call's arguments, each placeholder replaced by `result_of` it, asked once per job."""
    results: dict[JobResultPlaceholder, Any] = {}

    class WithResults(Unpickler):
        def persistent_load(self, pid: Any) -> Any:
            placeholder = JobResultPlaceholder(*pid)
            if placeholder not in results:
                results[placeholder] = result_of(placeholder)
            return results[placeholder]

    file = io.BytesIO(source) if isinstance(source, bytes) else source
    args, kwargs = WithResults(file).load()
    return args, kwargs


class Unpickler(pickle.Unpickler):
    """Finds what a script defined, whichever of the two names the script ran under when it was pickled."""

    def find_class(self, module: str, name: str) -> Any:
        main = sys.modules["__main__"]
        spec = getattr(main, "__spec__", None)
        if (module == MAIN_ALIAS and MAIN_ALIAS not in sys.modules) or (
            spec is not None and module == spec.name
        ):
            module = "__main__"
        if module == "pathlib._local":  # Python 3.13 alone has its paths there
            module = "pathlib"
        return super().find_class(module, name)
