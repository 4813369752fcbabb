"""Near matches for names that somebody mistyped."""

from __future__ import annotations

from collections.abc import Iterable


def suggestion(name: str, known: Iterable[str]) -> str:
    """`` (did you mean 'x'?)`` when `name` is close to one of `known`, else nothing.

    >>> suggestion("partiton", ["partition", "time"])
    " (did you mean 'partition'?)"
    """
    import difflib  # half of what importing the SDK would cost, for mistakes only

    close = difflib.get_close_matches(name, list(known), n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""
