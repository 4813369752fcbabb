"""Pickling by value what has no name to be found by: with cloudpickle, which is imported when it is first needed."""

from __future__ import annotations

import functools
import io
import types
from collections.abc import Callable
from typing import Any

from slurm.job_dir.main_module import MAIN_NAMES, defined_in_main
from slurm.job_dir.main_part import CACHED, is_of_main_part
from slurm.job_dir.result_file import PROTOCOL


def by_value_pickler(*, main_travels: bool) -> Any:
    """A pickler's class: by value what has to be.

    Where the script travels, what it defines keeps its identity there, but for what its main part defines.
    """
    import cloudpickle

    class ByValue(cloudpickle.CloudPickler):  # type: ignore[misc]
        def reducer_override(self, value: Any) -> Any:
            if main_travels and isinstance(value, (type, types.FunctionType, CACHED)):
                if defined_in_main(value) and not is_of_main_part(
                    value.__module__, value.__qualname__
                ):
                    return value.__qualname__
                if isinstance(value, CACHED) and value.__module__ in MAIN_NAMES:
                    return _cached, (value.__wrapped__, *value.cache_parameters().values())
            return super().reducer_override(value)

    return ByValue


def _cached(function: Callable[..., Any], maxsize: int | None, typed: bool) -> Any:
    return functools.lru_cache(maxsize, typed)(function)


def dump_by_value(value: Any, file: Any, *, main_travels: bool) -> None:
    """Pickle `value` into `file`. Raises whatever its parts raise."""
    by_value_pickler(main_travels=main_travels)(file, PROTOCOL).dump(value)


def dumps_by_value(value: Any, *, main_travels: bool) -> bytes:
    """As `dump_by_value`, into memory."""
    spool = io.BytesIO()
    dump_by_value(value, spool, main_travels=main_travels)
    return spool.getvalue()
