"""A widget with a line for each job."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual.binding import Binding, BindingType
from textual.events import Click, Resize
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from slurm.dash.columns import Layout, Piece
from slurm.dash.line_view import set_size
from slurm.dash.view import identity
from slurm.job_list import ListedJob

HEADERS = 1  # lines


class JobTable(ScrollView, can_focus=True):
    """The jobs, of which those are drawn that can be seen: what an answer with thousands of them costs is the lines on the screen.

    One of them is the `current` one, and stays it when others come and go; any number are marked.
    """

    COMPONENT_CLASSES: ClassVar[set[str]] = {"job-table--current", "job-table--header"}
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "go(-1)", show=False),
        Binding("down,j", "go(1)", show=False),
        Binding("pageup", "go_pages(-1)", show=False),
        Binding("pagedown", "go_pages(1)", show=False),
        Binding("home,g", "go_to(0)", show=False),
        Binding("end,G", "go_to(-1)", show=False),
        Binding("space", "mark", "Mark"),
    ]

    class Looked(Message):
        """Another job is the current one, or there is news of it."""

        def __init__(self, job: ListedJob | None) -> None:
            super().__init__()
            self.job: ListedJob | None = job

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self.jobs: Sequence[ListedJob] = ()
        self.marked: set[tuple[str, ...]] = set()
        self._now = 0.0
        self._place = 0
        self._layout = Layout.of(0)

    @property
    def _width(self) -> int:
        """Characters beside the scrollbar."""
        return self.scrollable_content_region.width

    @property
    def current(self) -> ListedJob | None:
        """The job that is looked at; None where there is none."""
        return self.jobs[self._place] if self._place < len(self.jobs) else None

    def chosen(self) -> list[ListedJob]:
        """Those of the jobs that are marked, or else the current one."""
        marked = [job for job in self.jobs if identity(job) in self.marked]
        return marked or ([self.current] if self.current is not None else [])

    def show(self, jobs: Sequence[ListedJob], now: float) -> None:
        """Show these jobs, as they were at that moment."""
        before, place = self.current, self._place
        self.jobs, self._now = jobs, now
        self._place = self._place_of(before)
        set_size(self, self._width, len(jobs) + HEADERS)
        self._look(scroll=self._place != place)
        self.refresh()

    def unmark(self) -> None:
        """No job is marked any more."""
        self.marked.clear()
        self.refresh()

    def line_text(self, place: int) -> str:
        """What is drawn of the job there."""
        return "".join(text for text, _ in self._line(place))

    def render_line(self, y: int) -> Strip:
        """One line of the screen."""
        if y < HEADERS:
            return self._strip(
                [(" ", ""), *self._layout.headers()], self._component("job-table--header")
            )
        place = y - HEADERS + self.scroll_offset.y
        if place >= len(self.jobs):
            return Strip.blank(self._width, self.rich_style)
        is_current = place == self._place
        style = self._component("job-table--current") if is_current else self.rich_style
        return self._strip(self._line(place), style)

    def on_resize(self, event: Resize) -> None:
        """Lays the columns out for the width there is."""
        self._layout = Layout.of(self._width - 1)
        set_size(self, self._width, len(self.jobs) + HEADERS)
        self._keep_in_sight()

    def on_click(self, event: Click) -> None:
        """The line that was clicked on is the current one."""
        if event.y >= HEADERS:
            self._go(event.y - HEADERS + self.scroll_offset.y)

    def action_go(self, lines: int) -> None:
        """Go some lines down."""
        self._go(self._place + lines)

    def action_go_pages(self, pages: int) -> None:
        """Go some pages down."""
        self._go(self._place + pages * max(1, self.size.height - HEADERS - 1))

    def action_go_to(self, place: int) -> None:
        """Go to a line, counted from the end if it is negative."""
        self._go(place if place >= 0 else len(self.jobs) + place)

    def action_mark(self) -> None:
        """Mark the current job, or take its mark away, and go to the next one."""
        if self.current is not None:
            self.marked ^= {identity(self.current)}
            self.refresh()
            self._go(self._place + 1)

    def _go(self, place: int) -> None:
        before, self._place = self._place, max(0, min(place, len(self.jobs) - 1))
        for one in (before, self._place):
            self.refresh_line(one + HEADERS)
        if self._place != before:
            self._look(scroll=True)

    def _look(self, *, scroll: bool) -> None:
        if scroll:  # once it is known how far it can be scrolled
            self.call_after_refresh(self._keep_in_sight)
        self.post_message(self.Looked(self.current))

    def _keep_in_sight(self) -> None:
        lines = self.size.height - HEADERS
        top = self.scroll_offset.y
        if self._place < top:
            self.scroll_to(y=self._place, animate=False)
        elif lines > 0 and self._place >= top + lines:
            self.scroll_to(y=self._place - lines + 1, animate=False)

    def _place_of(self, job: ListedJob | None) -> int:
        """Where that one is now; near where it was, if it is gone."""
        if job is not None:
            known = identity(job)
            for place, one in enumerate(self.jobs):
                if identity(one) == known:
                    return place
        return max(0, min(self._place, len(self.jobs) - 1))

    def _line(self, place: int) -> list[Piece]:
        job = self.jobs[place]
        mark = ">" if identity(job) in self.marked else " "
        return [(mark, "bold yellow"), *self._layout.line(job, self._now)]

    def _component(self, name: str) -> Style:
        return self.get_component_rich_style(name)

    def _strip(self, pieces: Sequence[Piece], style: Style) -> Strip:
        strip = Strip([Segment(text, style + Style.parse(own)) for text, own in pieces])
        return strip.adjust_cell_length(self._width, style)
