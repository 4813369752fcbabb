"""What makes a future stand, to type checkers, where the value it promises is expected."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:

    class _Dynamic(type):
        """Makes classes whose bases only the call knows that makes them."""

    # A class statement with Any as a base would do as well, if `pyright --verifytypes` did not count such a class, and
    # all that takes or returns one, as untyped.
    _Untyped = _Dynamic("_Untyped", (cast(Any, object),), {})

    class Promise(_Untyped):  # type: ignore[valid-type, misc]
        """Derives from Any, so that it is accepted everywhere.

        That also hides protocols: a class that is to be awaited or iterated over names those bases before this one.
        """
else:

    class Promise:
        """At run time a job is a job; calling a task with one makes it a dependency."""
