"""Lines of fields as ``-o`` describes them, ``%`` by ``%``."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from .options import has_none

FIELD = re.compile(r"%(\.?)([0-9]*)(.?)", re.DOTALL)


def check_format(command: str, text: str, known: Iterable[str]) -> None:
    """Raises `Refused` for a field that is not `known`."""
    letters = set(known)
    for _, _, letter in FIELD.findall(text):
        if letter not in letters:
            raise has_none(command, f"field %{letter} in {text!r}")


def filled(text: str, value: Callable[[str], str]) -> str:
    """A line, each field in its width: ``%5i`` to the left, ``%.5i`` to the right, and cut there.

    >>> filled("%.4i|%3T|%T", {"i": "7", "T": "RUNNING"}.__getitem__)
    '   7|RUN|RUNNING'
    """

    def field(match: re.Match[str]) -> str:
        right, width, letter = match.groups()
        word = value(letter)
        if not width:
            return word
        size = int(width)
        return word[:size].rjust(size) if right else word[:size].ljust(size)

    return FIELD.sub(field, text)
