"""The bar that tells failures apart, and the table in a notebook; the notebook's own display is a fake here."""

from __future__ import annotations

import io
import sys
import threading
import types
from typing import Any

import pytest
from rich.console import Console

from slurm.callbacks import RichLoggerCallback
from slurm.callbacks.rich_parts import Bar, NotebookDisplay


@pytest.mark.parametrize(
    ("done", "failed", "total", "parts"),
    [
        (0, 0, 10, (0, 0, 20)),
        (5, 0, 10, (10, 0, 10)),
        (10, 0, 10, (20, 0, 0)),
        (0, 10, 10, (0, 20, 0)),
        (9, 1, 10, (18, 2, 0)),
        (998, 1, 1000, (18, 1, 1)),
        (999, 1, 1000, (19, 1, 0)),
        (0, 0, 0, (0, 0, 20)),
    ],
)
def test_a_bar_with_failures_is_never_all_green(
    done: int, failed: int, total: int, parts: tuple[int, int, int]
) -> None:
    assert Bar(done, failed, total, width=20).parts == parts


def drawn(bar: Bar, **settings: Any) -> str:
    console = Console(file=io.StringIO(), force_terminal=True, width=40, _environ={}, **settings)
    with console.capture() as capture:
        console.print(bar, end="")
    return capture.get()


def test_its_parts_have_colours_and_without_them_the_rest_is_blank() -> None:
    bar = Bar(2, 1, 4, width=4)
    assert (
        drawn(bar, color_system="standard") == "\x1b[32m━━\x1b[0m\x1b[31m━\x1b[0m\x1b[90m━\x1b[0m"
    )
    assert drawn(bar, color_system=None) == drawn(bar, no_color=True) == "━━━ "
    assert drawn(bar, color_system=None, legacy_windows=True) == "--- "


class Notebook:
    """A fake of ``IPython.display``: it remembers what is shown."""

    def __init__(self) -> None:
        self.shown: list[Any] = []
        self.updated = threading.Event()

    def display(self, thing: Any, *, display_id: bool) -> Notebook:
        assert display_id
        self.shown.append(thing)
        return self

    def update(self, thing: Any) -> None:
        self.shown.append(thing)
        self.updated.set()


@pytest.fixture
def notebook(monkeypatch: pytest.MonkeyPatch) -> Notebook:
    made = Notebook()
    module = types.ModuleType("IPython.display")
    module.display = made.display  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "IPython", types.ModuleType("IPython"))
    monkeypatch.setitem(sys.modules, "IPython.display", module)
    return made


def test_a_display_is_drawn_again_until_it_is_stopped(notebook: Notebook) -> None:
    count = iter(range(1000))
    display = NotebookDisplay(lambda: next(count), refresh_per_second=100)
    display.start()
    assert notebook.updated.wait(240)
    display.stop()
    last = notebook.shown[-1]
    assert notebook.shown == list(range(last + 1))


def test_the_table_is_shown_in_a_notebook_without_richs_own_display(notebook: Notebook) -> None:
    console = Console(file=io.StringIO(), force_jupyter=True, width=100)
    callback = RichLoggerCallback(console)
    with callback._displaying:
        assert callback._start()
        assert callback._start()
    callback.close()
    assert [table.row_count for table in notebook.shown][:2] == [0, 0]
