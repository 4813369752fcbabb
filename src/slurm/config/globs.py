"""Patterns of paths, as ``artifacts`` of a design names them: much as in a ``.gitignore``, without its ``!``.

- ``*`` and ``?`` stand for characters of one name, ``[ab]`` for one of some, ``[!ab]`` for one of all others;
- ``**`` as a whole name stands for any directories, also for none;
- a pattern without a ``/`` is a name in any directory; others begin at the artifacts' directory, as does ``./name``;
- what matches a directory matches all in it; one that ends with ``/`` is of directories only.
"""

from __future__ import annotations

import re
from collections.abc import Iterable


def is_inside(path: str) -> bool:
    """Whether a relative path stays below where it begins, and is written in the one way that leads to its file.

    >>> [is_inside(path) for path in ("model/best.pt", "../key", "/etc/passwd", "a//b", "")]
    [True, False, False, False, False]
    """
    return "\0" not in path and not any(part in ("", ".", "..") for part in path.split("/"))


class Globs:
    """Some patterns. With `whole`, those without a ``/`` begin at the artifacts' directory as well.

    >>> Globs(["*.json", "model/**/best.pt"]).match("model/best.pt")
    True
    >>> Globs(["metrics.json"], whole=True).match("old/metrics.json")
    False
    """

    def __init__(self, patterns: Iterable[str], *, whole: bool = False) -> None:
        self._patterns = [re.compile(_regex(pattern, whole), re.DOTALL) for pattern in patterns]

    def match(self, path: str) -> bool:
        """Whether one of the patterns matches; never a path that leads out of the artifacts' directory."""
        return any(one.fullmatch(path) for one in self._patterns) and is_inside(path)


def _regex(pattern: str, whole: bool) -> str:
    begins_here = whole or "/" in pattern.rstrip("/")
    of_directories = pattern.endswith("/")
    parts = [part for part in pattern.split("/") if part not in ("", ".")]
    found = "" if begins_here else "(?:[^/]+/)*"
    for number, part in enumerate(parts, 1):
        last = number == len(parts)
        if part == "**":
            found += ".+" if last else "(?:[^/]+/)*"
        else:
            found += _name(part) + ("" if last else "/")
    return found + ("/.+" if of_directories else "(?:/.+)?")


def _name(part: str) -> str:
    """The regular expression of one name."""
    found = ""
    while part:
        first, part = part[0], part[1:]
        if first == "*":
            part = part.lstrip("*")
            found += "[^/]*"
        elif first == "?":
            found += "[^/]"
        elif first == "\\" and part:
            first, part = part[0], part[1:]
            found += re.escape(first)
        elif first == "[" and (end := part.find("]", 2 if part[:1] in ("!", "^") else 1)) > 0:
            found += _one_of(part[:end])
            part = part[end + 1 :]
        else:
            found += re.escape(first)
    return found


def _one_of(text: str) -> str:
    """The regular expression of what stands in brackets."""
    refused = text[0] in "!^"
    text = text[1:] if refused else text
    members = ""
    while text:
        if len(text) > 2 and text[1] == "-":
            if text[0] <= text[2]:  # else there is nothing in between
                members += f"{re.escape(text[0])}-{re.escape(text[2])}"
            text = text[3:]
        else:
            members += re.escape(text[0])
            text = text[1:]
    if not members:
        return "[^/]" if refused else "(?!)"
    return f"(?!/)[{'^' if refused else ''}{members}]"
