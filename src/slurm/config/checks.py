"""Values from files and callers, checked where they come in."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from typing import Any

from slurm.errors import ConfigError

CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def own_copy(value: Any) -> Any:
    """A mapping of settings with all that is in it, which its giver may go on changing; anything else as it is."""
    if not isinstance(value, Mapping):
        return value
    import copy  # late: most settings are names

    return {key: copy.deepcopy(one) for key, one in value.items()}


def check_positive(name: str, value: object) -> None:
    """Raises `ConfigError` unless `value` is a number above zero and below infinity."""
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not number or not 0 < float(value) < float("inf"):  # type: ignore[arg-type]
        raise ConfigError(f"{name} {value!r} is not a number of seconds above zero")


def check_seconds(name: str, value: object) -> None:
    """Raises `ConfigError` unless `value` is a number from zero to below infinity."""
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not number or not 0 <= float(value) < float("inf"):  # type: ignore[arg-type]
        raise ConfigError(f"{name} {value!r} is not a number of seconds, zero or more")


def check_port(name: str, value: object) -> None:
    """Raises `ConfigError` unless `value` is None or a TCP port."""
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value < 65536:
        raise ConfigError(f"{name} {value!r} is not a port: give a whole number from 1 to 65535")


def check_count(name: str, value: object) -> None:
    """Raises `ConfigError` unless `value` is None or a whole number of at least 1."""
    if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
        raise ConfigError(f"{name} {value!r} is not a whole number of at least 1")


def check_text(name: str, value: object) -> None:
    """Raises `ConfigError` unless `value` is text, or a path, of one line and not empty."""
    if not isinstance(value, (str, os.PathLike)) or not os.fspath(value):
        raise ConfigError(f"{name} {value!r} is not text")
    if CONTROL.search(str(value)):
        raise ConfigError(
            f"{name} {str(value)!r} has a line break or control character: take it out"
        )
    check_encodable(name, str(value))


def check_encodable(name: str, text: str) -> None:
    """Raises `ConfigError` unless `text` can be written down as UTF-8."""
    if not is_encodable(text):
        raise ConfigError(f"{name} {text!r} has bytes that are no UTF-8 text: take them out")


def is_encodable(text: str) -> bool:
    """Whether text can be written as UTF-8: it has none of the halves of characters that Python makes of other bytes.

    >>> is_encodable("plain"), is_encodable(os.fsdecode(b"\\xfc"))
    (True, False)
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def check_flag(name: str, value: object) -> None:
    """Raises `ConfigError` unless `value` is True or False."""
    if not isinstance(value, bool):
        raise ConfigError(f"{name} {value!r} is neither true nor false")


def expand_home(name: str, path: str | os.PathLike[str]) -> str:
    """`path` with a leading ``~`` replaced by a home directory of this machine. Raises `ConfigError`."""
    check_text(name, path)
    expanded = os.path.expanduser(path)
    if expanded.startswith("~") and os.fspath(path).split("/")[0] == "~":
        raise ConfigError(
            f"{name} {os.fspath(path)!r}: this user has no home directory here: set HOME, or give a path "
            "that begins with /"
        )
    if expanded.startswith("~"):
        raise ConfigError(f"{name} {os.fspath(path)!r}: there is no such user on this machine")
    return expanded


def suggestion(name: str, known: Iterable[str]) -> str:
    """`` (did you mean 'x'?)`` when `name` is close to one of `known`, else nothing.

    >>> suggestion("partiton", ["partition", "time"])
    " (did you mean 'partition'?)"
    """
    import difflib  # half of what importing the SDK would cost, for mistakes only

    close = difflib.get_close_matches(name, list(known), n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""
