"""Near matches for names that somebody mistyped."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def suggestion(name: str, known: Iterable[str]) -> str:
    """`` (did you mean 'x'?)`` when `name` is close to one of `known`, else nothing.

    >>> suggestion("partiton", ["partition", "time"])
    " (did you mean 'partition'?)"
    """
    close = difflib.get_close_matches(name, list(known), n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""
