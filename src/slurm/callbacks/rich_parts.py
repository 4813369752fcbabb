"""What `rich_logger` draws with, beside Rich's own: a bar that tells failures apart, and a table in a notebook's cell."""

from __future__ import annotations

import importlib
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from rich.measure import Measurement
from rich.segment import Segment
from rich.style import Style

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult

DONE, FAILED, LEFT = Style(color="green"), Style(color="red"), Style(color="bright_black")


class Bar:
    """A bar of `width` for `total` jobs, with a part for those that are done and one for those that failed.

    >>> Bar(6, 2, 10, width=10).parts
    (6, 2, 2)
    >>> Bar(999, 1, 1000, width=10).parts  # what failed is seen
    (9, 1, 0)
    """

    def __init__(self, done: int, failed: int, total: int, *, width: int) -> None:
        ended = min(width, width * (done + failed) // max(1, total))
        red = min(ended, -(-width * failed // max(1, total)))
        self.parts: tuple[int, int, int] = (ended - red, red, width - ended)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        plain = options.legacy_windows or options.ascii_only
        for length, style in zip(self.parts, (DONE, FAILED, LEFT)):
            # Without colours the rest is blank, or all bars would look full.
            is_blank = style is LEFT and (console.no_color or console.color_system is None)
            yield Segment((" " if is_blank else "-" if plain else "━") * length, style)

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        return Measurement(sum(self.parts), sum(self.parts))


class NotebookDisplay:
    """Something of Rich's in the output of a notebook's cell, drawn anew in place until it is stopped.

    Rich's own live display needs ipywidgets for that, and warns at each drawing where they are not installed.
    """

    def __init__(self, drawn: Callable[[], Any], refresh_per_second: float) -> None:
        self._drawn = drawn
        self._pause = 1 / refresh_per_second
        self._over = threading.Event()
        self._updating = threading.Lock()
        self._handle: Any = None

    def start(self) -> None:
        """Show it below the cell that runs now."""
        shown = importlib.import_module(
            "IPython.display"
        )  # it is there wherever Rich sees a notebook
        self._handle = shown.display(self._drawn(), display_id=True)
        threading.Thread(target=self._go_on, daemon=True).start()

    def _go_on(self) -> None:
        while not self._over.wait(self._pause):
            self._update()

    def _update(self) -> None:
        with self._updating:  # one after the other, the newest last
            self._handle.update(self._drawn())

    def stop(self) -> None:
        """Leave it as it is now."""
        self._over.set()
        self._update()
