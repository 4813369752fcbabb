"""The plain value behind what a program gives for an sbatch option: members of enumerations, numpy's scalars, lists.

Pure. A value is taken for what it is, and never for how it is shown: ``str`` of a member is its name. Nothing of
numpy's is imported; what its scalars have in common with those of others is enough.
"""

from __future__ import annotations

import contextlib
import datetime
import enum
import operator
import os
from collections.abc import Sequence
from typing import Any

# Options whose values are lists, with commas between the items.
LISTS = frozenset(
    (
        *("clusters", "dependency", "exclude", "export", "gres"),
        *("licenses", "mail-type", "nodelist", "partition"),
    )
)
LARGEST = 10**18
SCALARS = (str, int, datetime.timedelta)


def plain(value: Any) -> Any:
    """`value` as a plain ``str``, ``int``, ``bool``, None or `datetime.timedelta`; as it is where it is none of them.

    >>> class Partition(str, enum.Enum):
    ...     GPU = "gpu"
    >>> plain(Partition.GPU)
    'gpu'
    """
    if value is None or isinstance(value, (bool, datetime.timedelta)):
        return value
    if isinstance(value, str):
        return str.__str__(value)  # of a subclass, whose own may say anything
    if isinstance(value, int):
        return int.__int__(value)
    if isinstance(value, enum.Enum):
        inner = plain(value.value)
        return inner if isinstance(inner, SCALARS) else value
    if isinstance(value, os.PathLike):
        path = os.fspath(value)
        return str.__str__(path) if isinstance(path, str) else value
    return _scalar(value)


def joined(name: str, items: Sequence[Any]) -> str:
    """The text of a list. Raises ``ValueError`` that says what to give instead."""
    if name not in LISTS:
        raise ValueError(f"a {type(items).__name__} is no value for --{name}; give one text")
    if not items:
        raise ValueError("an empty list; to leave the option out give None")
    texts = []
    for item in items:
        one = plain(item)
        if isinstance(one, bool) or not isinstance(one, (str, int)) or one == "":
            raise ValueError(f"{_shown(item)} in the list is no text; give a list of texts")
        if _has_outer_comma(str(one)):
            raise ValueError(
                f"{_shown(item)} in the list has a comma, which ends an item; give one text"
            )
        texts.append(str(one))
    return ",".join(texts)


def advice_for(value: Any) -> str:
    """What to give in place of a value that no option can have."""
    what = f"a {type(value).__name__} is no value for sbatch"
    if isinstance(value, (datetime.datetime, datetime.date, datetime.time)):
        return (
            f"{what}; give text, in a Slurmfile with quotes around it, such as {_moment(value)!r}"
        )
    if isinstance(value, enum.Enum):
        return f"{what}, nor is what it stands for; give text or an int"
    if isinstance(value, (set, frozenset, dict)):
        return f"{what}; give text, with the items in the order that they are to have"
    import numbers  # late: for mistakes only

    if isinstance(value, numbers.Number):
        return f"{what}; give {_whole(value)}"
    return f"{what}; give text or an int"


def _scalar(value: Any) -> Any:
    """What a scalar of numpy, torch or their like is in Python; `value` where it is none."""
    if getattr(value, "shape", None) == () and callable(getattr(value, "item", None)):
        item = value.item()
        # Of numpy's times only those in microseconds, or coarser, are times in Python; others are bare numbers.
        is_time = getattr(getattr(value, "dtype", None), "kind", "") in ("m", "M")
        is_bare = is_time and not isinstance(item, datetime.timedelta)
        return value if is_bare or not isinstance(item, SCALARS) else plain(item)
    if hasattr(type(value), "__index__"):
        try:
            return operator.index(value)
        except TypeError:  # an array that is more than a number
            return value
    return value


def _moment(value: datetime.datetime | datetime.date | datetime.time) -> str:
    """As sbatch reads it: in the cluster's own time, without a fraction of a second."""
    if isinstance(value, (datetime.datetime, datetime.time)):
        value = value.replace(tzinfo=None, microsecond=0)
    return value.isoformat()


def _whole(value: Any) -> str:
    with contextlib.suppress(TypeError, ValueError, OverflowError):  # complex, infinite, or NaN
        if (whole := int(value)) == value and abs(whole) < LARGEST:
            return f"the whole number {whole}"
    return "a whole number; for a part of a unit the next smaller one, such as 1536M for 1.5G"


def _has_outer_comma(text: str) -> bool:
    """Whether there is a comma outside of brackets: inside, as in ``c[1,3]``, it ends no item."""
    depth = 0
    for character in text:
        depth += (character == "[") - (character == "]")
        if character == "," and depth <= 0:
            return True
    return False


def _shown(value: Any) -> str:
    return " ".join(repr(value).split())[:80]
