"""The dashboard as an application of Textual."""

from __future__ import annotations

import time
from asyncio import Event
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import ClassVar

from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.content import Content
from textual.types import CSSPathType
from textual.widgets import Footer, Input, Static, TabbedContent, TabPane

from slurm.dash.asking import answer_of, told
from slurm.dash.details import details
from slurm.dash.dialogs import Help, Question
from slurm.dash.job_table import JobTable
from slurm.dash.line_view import LineView
from slurm.dash.log_text import LogLines, lines_of
from slurm.dash.source import Answer, LogPart, Source
from slurm.dash.view import FAILURES, ORDERS, WHICH, View, after, changed, identity
from slurm.errors import SlurmError
from slurm.job_list import ListedJob
from slurm.job_tree.words import counted, plain, some
from slurm.tracking.poll_interval import PollInterval

FACTS, STDOUT, STDERR, TREE = "facts", "stdout", "stderr", "tree"
WIDE = 150  # characters, from which on the job is beside the table
NO_ANSWER = (SlurmError, OSError)


class Dash(App[None]):
    """Jobs in a table, and what is known of the current one below it or beside it.

    Two things go on at once: one asks for all jobs, again and again; the other for what is wanted to be known of the
    current job. Each asks one question at a time.
    """

    CSS_PATH: ClassVar[CSSPathType | None] = "dash.tcss"
    TITLE: str | None = "slurm dash"
    ENABLE_COMMAND_PALETTE: ClassVar[bool] = False
    HORIZONTAL_BREAKPOINTS: list[tuple[int, str]] | None = [  # noqa: RUF012 - Textual's declaration
        (0, "-narrow"),
        (WIDE, "-wide"),
    ]
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "search", "Search", key_display="/"),
        Binding("f", "which", "Filter"),
        Binding("s", "order", "Sort"),
        Binding("e", "elements", "Elements"),
        Binding("c", "cancel", "Cancel"),
        Binding("r", "rerun", "Rerun"),
        Binding("u", "refresh_now", "Refresh"),
        Binding("question_mark", "help", "Help", key_display="?"),
        Binding("q", "quit", "Quit"),
        Binding("escape", "leave_search", show=False),
        *(
            Binding(str(number), f"tab('{name}')", show=False)
            for number, name in enumerate((FACTS, STDOUT, STDERR, TREE), start=1)
        ),
    ]

    def __init__(self, source: Source) -> None:
        super().__init__()
        self.source: Source = source
        self.view: View = View()
        self.answer: Answer = Answer(0.0, ())
        self.answers: int = 0  # to the question for all jobs, and failures to get one
        self.lost: str = ""  # why there was none the last time
        self._elements = False
        self._seen_at = ""
        self._errors: dict[tuple[object, ...], str] = {}
        self.table: JobTable = JobTable(id="jobs")
        self._head = Static(id="head", markup=False)
        self._search = Input(placeholder="words in name, id, state, node or reason", id="search")
        self._about = TabbedContent(id="about")
        self._lines = {
            tab: LineView(id=f"{tab}-lines", follows=tab in (STDOUT, STDERR))
            for tab in (FACTS, STDOUT, STDERR, TREE)
        }
        self._looked_at: ListedJob | None = None
        self._logs = {tab: LogLines() for tab in (STDOUT, STDERR)}
        self._pace = PollInterval(*source.pauses)
        self._ask_now, self._look_now = Event(), Event()

    def compose(self) -> ComposeResult:
        """The parts, from the top."""
        yield self._head
        yield self._search
        with Container(id="body"):
            yield self.table
            with self._about:
                for name, lines in self._lines.items():
                    with TabPane(name, id=name):
                        yield lines
        yield Footer()

    def on_mount(self) -> None:
        """Begin to ask."""
        self.table.focus()
        self._say()
        self.run_worker(self._ask_for_jobs())
        self.run_worker(self._ask_for_details())

    @property
    def tab(self) -> str:
        """What is shown of the current job."""
        return self._about.active or FACTS

    # All jobs

    async def _ask_for_jobs(self) -> None:
        while True:
            began, news = time.monotonic(), False
            try:
                answer = await answer_of(self._question())
            except NO_ANSWER as error:
                answer, self.lost = None, plain(str(error)) or type(error).__name__
            if not self.table.is_attached:  # the dashboard has been left meanwhile
                return
            if answer is not None:
                news = changed(self.answer.jobs, answer.jobs)
                self.lost, self.answer = "", answer
                self._seen_at = time.strftime("%H:%M:%S")
                self._show()
            self.answers += 1
            self._say()
            pause = self._pace.after(changed=news, took=time.monotonic() - began)
            await told(self._ask_now, pause)

    def _question(self) -> Callable[[], Answer]:
        elements = self._elements
        return lambda: self.source.rows(elements=elements)

    def _show(self) -> None:
        self.table.show(self.view.of(self.answer.jobs), self.answer.now)

    def _say(self) -> None:
        """The line at the top: which cluster, what is shown, of when, and whether it still answers."""
        self._head.set_class(bool(self.lost), "lost")
        parts = [self.source.name]
        if self.lost:
            seen = f"as of {self._seen_at}; " if self._seen_at else ""
            parts.append(f"NO ANSWER, {seen}trying again: {self.lost}")
        elif self.answers:
            parts += [self._numbers(), f"{self.view.which}, by {self.view.order}"]
            parts += [f"as of {self._seen_at}", *filter(None, [plain(self.answer.problem)])]
        else:
            parts.append("asking ...")
        self._head.update(Content(" | ".join(parts)))

    def _numbers(self) -> str:
        shown, there = len(self.table.jobs), len(self.answer.jobs)
        states = Counter(job.state for job in self.answer.jobs if job.live or job.state in FAILURES)
        jobs = f"{shown} jobs" if shown == there else f"{shown} of {there} jobs"
        return ", ".join(filter(None, [jobs, counted(states)]))

    def _look_at(self, view: View) -> None:
        self.view = view
        self._show()
        self._say()

    # The current one

    async def _ask_for_details(self) -> None:
        while self.table.is_attached:
            job, tab = self.table.current, self.tab
            again = job is not None and await self._answered(job, tab)
            await told(self._look_now, self.source.log_pause if again else None)

    async def _answered(self, job: ListedJob, tab: str) -> bool:
        """Ask what the tab shows of the job; whether there may be more of it later."""
        question = self._question_of(job, tab)
        if question is None:
            return False
        failed = ""
        try:
            said = await answer_of(question)
        except NO_ANSWER as error:
            said, failed = str(error), str(error)
        current = self.table.current if self.table.is_attached else None
        if current is None or identity(current) != identity(job):
            return False
        self._show_detail(current, tab, said)
        return tab in (STDOUT, STDERR) and job.live and (not failed or bool(self.lost))

    def _question_of(self, job: ListedJob, tab: str) -> Callable[[], str | LogPart] | None:
        if tab == TREE:
            return lambda: self.source.tree(job)
        if tab in (STDOUT, STDERR):
            place = self._logs[tab].place
            return lambda: self.source.log(job, stderr=tab == STDERR, place=place)
        if job.state in FAILURES and _end_of(job) not in self._errors:
            return lambda: self.source.error(job)
        return None

    def _show_detail(self, job: ListedJob, tab: str, said: str | LogPart) -> None:
        if tab == FACTS:
            self._errors[_end_of(job)] = str(said)
            self._show_facts(job)
        elif isinstance(said, LogPart):
            self._logs[tab].take(said)
            none = ["(nothing yet)" if job.live else "(nothing)"]
            self._lines[tab].show(self._logs[tab].lines or none, identity(job))
        else:
            self._lines[tab].show(lines_of(said), identity(job))

    def _show_facts(self, job: ListedJob) -> None:
        lines = details(job, self._errors.get(_end_of(job), ""))
        self._lines[FACTS].show(lines, identity(job))

    def on_job_table_looked(self, event: JobTable.Looked) -> None:
        """Show what is known at once, and ask for the rest: of another job, or of news of this one."""
        job, before = event.job, self._looked_at
        self._looked_at = job
        if job is None or before is None or identity(job) != identity(before):
            self._logs = {tab: LogLines() for tab in (STDOUT, STDERR)}
            for tab in (STDOUT, STDERR, TREE):
                self._lines[tab].show([], None)
        if job is None:
            self._lines[FACTS].show([], None)
        else:
            self._show_facts(job)
        if job is None or before is None or job.live or changed([before], [job]):
            self._look_now.set()

    def on_tabbed_content_tab_activated(self, event: TabbedContent.TabActivated) -> None:
        """Another tab asks another question."""
        self._look_now.set()

    # What keys do

    def action_which(self) -> None:
        """All jobs, those that have not ended, or those that failed."""
        self._look_at(replace(self.view, which=after(self.view.which, WHICH)))

    def action_order(self) -> None:
        """The next order."""
        self._look_at(replace(self.view, order=after(self.view.order, list(ORDERS))))

    def action_elements(self) -> None:
        """A line for each element of an array, or one for the array."""
        self._elements = not self._elements
        self.action_refresh_now()

    def action_refresh_now(self) -> None:
        """Ask for all jobs and for what is shown of the current one now."""
        self._pace.hurry()
        for event in (self._ask_now, self._look_now):
            event.set()

    def action_tab(self, name: str) -> None:
        """Show something else of the job."""
        self._about.active = name

    def action_help(self) -> None:
        """What the keys do."""
        self.push_screen(Help())

    def action_search(self) -> None:
        """Have words typed that must be in what is shown."""
        self._search.add_class("open")
        self._search.focus()

    def on_input_changed(self, event: Input.Changed) -> None:
        """What was typed holds at once."""
        self._look_at(replace(self.view, search=event.value))

    def on_input_submitted(self) -> None:
        """Go back to the jobs, of which those stay that were found."""
        self.table.focus()

    def action_leave_search(self) -> None:
        """All jobs again, none of them marked."""
        self._search.value = ""
        self._search.remove_class("open")
        self.table.unmark()
        self.table.focus()

    def action_cancel(self) -> None:
        """Cancel the chosen jobs, after a question."""
        chosen = self.table.chosen()
        live = [job for job in chosen if job.live]
        if live:
            named = some([_named(job) for job in live])
            self._after_yes(
                f"Cancel {named}?", "Cancel", lambda: self.source.cancel(live), f"cancelled {named}"
            )
        elif chosen:
            self._tell(f"{some([_named(job) for job in chosen])}: ended already", failed=True)

    def action_rerun(self) -> None:
        """Submit the current job once more, after a question."""
        job = self.table.current
        if job is None:
            return
        refused = _why_no_rerun(job)
        if refused:
            self._tell(refused, failed=True)
            return
        what = f"what failed of {_named(job)}" if job.states else _named(job)
        self._after_yes(
            f"Submit {what} once more?", "Rerun", lambda: self.source.rerun(job), "submitted"
        )

    def _after_yes(self, text: str, yes: str, do: Callable[[], str | None], done: str) -> None:
        def go_on(answer: bool | None) -> None:
            if answer:
                self.run_worker(self._do(do, done))

        self.push_screen(Question(text, yes), go_on)

    async def _do(self, do: Callable[[], str | None], done: str) -> None:
        try:
            said = await answer_of(do)
        except NO_ANSWER as error:
            self._tell(str(error), failed=True)
        else:
            self._tell(f"{done} {said or ''}".strip())
            self.table.unmark()
        self.action_refresh_now()

    def _tell(self, text: str, *, failed: bool = False) -> None:
        self.notify(plain(text), severity="error" if failed else "information", markup=False)


def _end_of(job: ListedJob) -> tuple[object, ...]:
    """By what the end of a job is told from that of a later attempt."""
    return (*identity(job), job.started, job.ended)


def _named(job: ListedJob) -> str:
    return plain(f"{job.job_id} {job.name}")


def _why_no_rerun(job: ListedJob) -> str:
    if not job.ours:
        return f"{_named(job)} was not submitted by slurm-tasks, which does not know how to submit it again"
    return f"{_named(job)} has not ended" if job.live else ""
