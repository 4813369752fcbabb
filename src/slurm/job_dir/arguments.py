"""A call's arguments, pickled: jobs among them as placeholders, and what a script defined under its name.

A job among the arguments, at any depth and inside any object, is written as a `JobResultPlaceholder`
through pickle's own "persistence of external objects" and read back as that job's result. One that has no id yet
is written as a number, and the placeholder behind it travels in the payload.
"""

from __future__ import annotations

import functools
import io
import pickle
from collections.abc import Callable, Mapping, Sequence
from typing import Any, BinaryIO

from slurm import errors
from slurm.job_dir.large_files import SpooledFile
from slurm.job_dir.main_module import MAIN_WORDS
from slurm.job_dir.main_part import words_of_main_part
from slurm.job_dir.placeholder import JobResultPlaceholder, Placeholder
from slurm.job_dir.result_file import PROTOCOL
from slurm.job_dir.unpickling import Unpickler

# What most arguments are made of; none of it is a job.
PLAIN = frozenset({type(None), bool, int, float, str, bytes, tuple, list, dict})


def dump_arguments(
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    placeholder_of: Callable[[Any], Placeholder],
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
    placeholder_of: Callable[[Any], Placeholder],
    *,
    main_travels: bool = True,
) -> bool:
    """Pickle a call's arguments behind what is in `spool`; returns whether it took ``cloudpickle``.

    `placeholder_of` is asked for every object and answers None for what is to be pickled as it is, and a number for a
    placeholder that `load_arguments` will be given.
    What the script's main part defined is pickled by value, and unless `main_travels`, all that ``__main__`` did. Raises `SerializationError`
    for what cannot be pickled at all.
    """
    return ArgumentsWriter(spool, placeholder_of, main_travels=main_travels).write(args, kwargs)


class ArgumentsWriter:
    """Pickles the arguments of one call after the other behind what is in `spool`; see `write_arguments`."""

    def __init__(
        self,
        spool: SpooledFile,
        placeholder_of: Callable[[Any], Placeholder],
        *,
        main_travels: bool = True,
    ) -> None:
        self._spool = spool
        self._placeholder_of = placeholder_of
        self._main_travels = main_travels
        self._pickler = self._made(_Pickler)

    def write(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
        """Pickle those of one call; returns whether it took ``cloudpickle``. Raises `SerializationError`."""
        start = self._spool.size
        try:
            self._pickler.clear_memo()
            self._pickler.dump((args, kwargs))
            if not self._names_main_part(start):
                return False
        except errors.SlurmError:  # an array among the arguments is submitted now
            raise
        except Exception:  # noqa: BLE001 - __reduce__ is the user's and may raise anything; see below
            self._pickler = self._made(_Pickler)
        self._spool.truncate(start)
        try:
            self._made(_by_value_pickler(self._main_travels)).dump((args, kwargs))
            return True
        except errors.SlurmError:
            raise
        except Exception as error:  # noqa: BLE001 - as above
            raise errors.SerializationError(f"an argument cannot be pickled: {error}") from None

    def _made(self, kind: Any) -> Any:
        pickler = kind(self._spool, PROTOCOL)
        pickler.placeholder_of = self._placeholder_of
        return pickler

    def _names_main_part(self, start: int) -> bool:
        """Whether what was written from `start` on names what does not travel."""
        if not self._spool.contains(MAIN_WORDS, start):
            return False
        words = words_of_main_part() if self._main_travels else MAIN_WORDS
        return bool(words) and self._spool.contains(words, start)


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

    stands_apart = JobResultPlaceholder("")

    def dump(part: Any) -> None:
        pickler = _by_value_pickler(main_travels)(Sink(), PROTOCOL)
        _dump(pickler, part, lambda value: stands_apart if is_future(value) else None)

    for name, root in roots.items():
        culprit = culprit_in(root, name, dump)
        if culprit is not None:
            return culprit.in_words(in_result=in_result)
    return ""


class Sink:
    """What is written to where nothing is wanted of it."""

    def write(self, data: Any) -> int:
        return memoryview(data).nbytes


class _WithPlaceholders:
    """A pickler that asks `placeholder_of`. One class for all: making one takes as long as a small pickle."""

    placeholder_of: Callable[[Any], Placeholder]

    def persistent_id(self, value: Any) -> tuple[Any, ...] | int | None:
        if type(value) in PLAIN:
            return None
        placeholder = self.placeholder_of(value)
        return tuple(placeholder) if isinstance(placeholder, JobResultPlaceholder) else placeholder


class _Pickler(_WithPlaceholders, pickle.Pickler):
    pass


@functools.lru_cache(maxsize=2)
def _by_value_pickler(main_travels: bool) -> Any:
    from slurm.job_dir.by_value import by_value_pickler  # late: cloudpickle

    class ByValue(_WithPlaceholders, by_value_pickler(main_travels=main_travels)):  # type: ignore[misc]
        pass

    return ByValue


def _dump(pickler: Any, value: Any, placeholder_of: Callable[[Any], Placeholder]) -> None:
    pickler.placeholder_of = placeholder_of
    pickler.dump(value)


class _WithResults(Unpickler):
    """An unpickler that puts results in the place of jobs. One class for all: making one takes as long as a small pickle."""

    result_of: Callable[[JobResultPlaceholder], Any]
    later: Sequence[JobResultPlaceholder]
    results: dict[JobResultPlaceholder, Any]

    def persistent_load(self, pid: Any) -> Any:
        placeholder = self.later[pid] if isinstance(pid, int) else JobResultPlaceholder(*pid)
        if placeholder not in self.results:
            self.results[placeholder] = self.result_of(placeholder)
        return self.results[placeholder]


def load_arguments(
    source: bytes | BinaryIO,
    result_of: Callable[[JobResultPlaceholder], Any],
    python: str = "",
    later: Sequence[JobResultPlaceholder] = (),
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Unpickle a call's arguments, each placeholder replaced by `result_of` it, asked once per job.

    `python` is the version that pickled them, `later` are the placeholders that were written as numbers. Raises
    `SerializationError` for code of another version.
    """
    file = io.BytesIO(source) if isinstance(source, bytes) else source
    unpickler = _WithResults(file, python)
    unpickler.result_of, unpickler.later, unpickler.results = result_of, later, {}
    args, kwargs = unpickler.load()
    return args, kwargs
