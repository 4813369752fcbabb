"""Values from a configuration file against the types that a class says of its options."""

from __future__ import annotations

import collections.abc
import os
import types
import typing
from collections.abc import Callable, Mapping
from typing import Any, Literal, Union

# In words, as a message says what is expected.
PLAIN: Mapping[Any, str] = {
    str: "text",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    type(None): "nothing",
}
LISTS = (list, tuple, set, frozenset, collections.abc.Sequence, collections.abc.Iterable)
TABLES = (dict, collections.abc.Mapping)
UNIONS: tuple[Any, ...] = (Union, getattr(types, "UnionType", Union))


def option_types(function: Callable[..., Any]) -> dict[str, Any]:
    """The types that a function says of its parameters; of none where they are not there when the program runs.

    >>> def load(modules: list[str], quiet: bool = False) -> None: ...
    >>> sorted(option_types(load))
    ['modules', 'quiet']
    """
    import inspect  # late: it takes long

    try:
        hints = typing.get_type_hints(function)
    except (NameError, AttributeError, TypeError):  # a name for type checkers only, or no type
        return {}
    return {name: hints[name] for name in inspect.signature(function).parameters if name in hints}


def mismatch(value: Any, wanted: Any) -> str:
    """What a value should be and is not, in words; empty where it is, or where the type is none that a file can have.

    >>> mismatch("cuda/12.4", list[str])
    'a list of text'
    >>> mismatch(["cuda/12.4", 3], list[str])
    'a list of text'
    >>> mismatch(["cuda/12.4"], list[str])
    ''
    >>> mismatch("fastest", Literal["fast", "slow"])
    "'fast' or 'slow'"
    """
    return "" if _fits(value, wanted) else _words(wanted)


def _fits(value: Any, wanted: Any) -> bool:
    origin, inside = typing.get_origin(wanted) or wanted, typing.get_args(wanted)
    if origin in UNIONS:
        return any(_fits(value, one) for one in inside)
    if origin is Literal:
        return any(value == one and type(value) is type(one) for one in inside)
    if origin in LISTS:
        return isinstance(value, (list, tuple)) and _all_fit(value, origin, inside)
    if origin in TABLES:
        return isinstance(value, Mapping) and (
            len(inside) != 2 or all(_fits(one, inside[1]) for one in value.values())
        )
    if origin is os.PathLike or (isinstance(origin, type) and issubclass(origin, os.PathLike)):
        return isinstance(value, (str, os.PathLike))
    if origin is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    if origin is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return origin not in PLAIN or isinstance(value, origin)


def _all_fit(values: Any, origin: Any, inside: tuple[Any, ...]) -> bool:
    if origin is tuple and inside and inside[-1] is not Ellipsis:
        return len(values) == len(inside) and all(map(_fits, values, inside))
    return not inside or all(_fits(one, inside[0]) for one in values)


def _words(wanted: Any) -> str:
    origin, inside = typing.get_origin(wanted) or wanted, typing.get_args(wanted)
    if origin in UNIONS:
        known = [_words(one) for one in inside if one is not type(None)]
        return " or ".join(dict.fromkeys(known))
    if origin is Literal:
        return " or ".join(map(repr, inside))
    if origin in LISTS:
        known = [_words(one) for one in inside if one is not Ellipsis]
        return " of ".join(["a list", *([" and ".join(dict.fromkeys(known))] if known else [])])
    if origin in TABLES:
        return "a table" + (f" of {_words(inside[1])}" if len(inside) == 2 else "")
    if origin is os.PathLike or (isinstance(origin, type) and issubclass(origin, os.PathLike)):
        return "a path"
    return PLAIN.get(origin, str(getattr(origin, "__name__", origin)))
