"""A widget with lines of plain text, which follows their end."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len
from rich.segment import Segment
from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.strip import Strip


class LineView(ScrollView, can_focus=True):
    """Lines, of which those are drawn that can be seen. Who has scrolled to their end stays there as more come."""

    def __init__(self, *, id: str, follows: bool = False) -> None:
        super().__init__(id=id)
        self.lines: Sequence[str] = ()
        self._follows = follows
        self._of: object = None

    def show(self, lines: Sequence[str], of: object) -> None:
        """Show the lines in place of those before; `of` what they tell, which begins anew at another one."""
        if of == self._of and lines == self.lines:
            return
        another = of != self._of
        at_end = self.scroll_offset.y >= self.max_scroll_y
        self._of, self.lines = of, lines
        set_size(self, max(map(cell_len, lines), default=0), len(lines))
        if self._follows and (another or at_end):
            self.scroll_end(animate=False, x_axis=False)
        elif another:
            self.scroll_home(animate=False)
        self.refresh()

    def render_line(self, y: int) -> Strip:
        """One line of the screen."""
        left, top = self.scroll_offset
        width = self.size.width
        text = self.lines[top + y] if top + y < len(self.lines) else ""
        strip = Strip([Segment(text)]).crop_extend(left, left + width, self.rich_style)
        return strip.apply_style(self.rich_style)


def set_size(view: ScrollView, width: int, height: int) -> None:
    """How much there is to see in a widget, by scrolling through it.

    A function, for the attribute has no type of its own in Textual: set in a class, it would be one of that class to pyright.
    """
    view.virtual_size = Size(width, height)
