"""Screens above the dashboard: a question before something is done, and the keys."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen
from textual.widgets import Button, Static

HELP = """\
up down pgup pgdn   go through the jobs; home and end as well
space               mark a job, to cancel several at once
/                   search: words in name, id, state, node or reason
esc                 end the search, take marks away
f                   all jobs, those that have not ended, those that failed
s                   another order
e                   the elements of arrays one by one
1 2 3 4             facts, stdout, stderr, tree of the workflow
c                   cancel: asks first
r                   rerun: asks first
u                   ask the cluster now
q                   leave

A name with * behind it is of a job that slurm-tasks has not submitted.
In a bar, █ ended well, ▒ runs, x did not end well, · waits."""


class Question(ModalScreen[bool]):
    """Asks whether to do something; answers True for yes."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "answer(True)", "Yes"),
        Binding("n,escape", "answer(False)", "No"),
    ]

    def __init__(self, text: str, yes: str) -> None:
        super().__init__()
        self.text: str = text
        self._yes = yes

    def compose(self) -> ComposeResult:
        """The question and two buttons, of which the harmless one has the focus."""
        with Vertical(classes="dialog"):
            yield Static(self.text, markup=False)
            with Horizontal():
                no = Button("No (n)", id="no")
                yield no
                yield Button(f"{self._yes} (y)", id="yes", variant="error")

    def on_mount(self) -> None:
        """Enter alone does nothing."""
        self.query_one("#no").focus()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """A button answers."""
        self.dismiss(event.button.id == "yes")

    def action_answer(self, answer: bool) -> None:
        """A key answers."""
        self.dismiss(answer)


class Help(ModalScreen[None]):
    """What the keys do."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,question_mark,q,enter", "close", "Close")
    ]

    def compose(self) -> ComposeResult:
        """The list of keys."""
        with Vertical(classes="dialog"):
            yield Static(HELP, markup=False)

    def action_close(self) -> None:
        """Goes back to the dashboard."""
        self.dismiss(None)
