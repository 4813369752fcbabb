"""RichLoggerCallback: its table, its live display, and what it does without a terminal."""

from __future__ import annotations

import io
import itertools
import sys
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from rich.errors import LiveError
from rich.live import Live
from tests.helpers.fakes import DEADLINE, FakeBackend

from slurm import Cluster, JobState, task
from slurm.callbacks import (
    CallbackContext,
    CompletedContext,
    JobStatusUpdatedContext,
    PackagingBeginContext,
    PackagingEndContext,
    RichLoggerCallback,
    SubmitBeginContext,
    SubmitEndContext,
)
from slurm.errors import ConfigError

NOON = datetime(2026, 1, 1, 12, tzinfo=timezone.utc)
HOOKS = {
    PackagingBeginContext: "on_begin_package_ctx",
    PackagingEndContext: "on_end_package_ctx",
    SubmitBeginContext: "on_begin_submit_job_ctx",
    SubmitEndContext: "on_end_submit_job_ctx",
    JobStatusUpdatedContext: "on_job_status_update_ctx",
    CompletedContext: "on_completed_ctx",
}


@task
def same(number: int) -> int:
    return number


class Screen:
    """A terminal of 100 columns that remembers what was written to it."""

    def __init__(self, terminal: bool = True, **settings: Any) -> None:
        self.file = io.StringIO()
        console = Console(file=self.file, force_terminal=terminal, width=100, _environ={})
        settings = {"linger_secs": 60.0, "refresh_per_second": 10.0, **settings}
        self.callback = RichLoggerCallback(console, **settings)

    def tell(self, *contexts: CallbackContext) -> None:
        for context in contexts:
            getattr(self.callback, HOOKS[type(context)])(context)

    def table(self) -> list[list[str]]:
        """The rows of the table, without headings and bars; a caption is a row of its own."""
        console = Console(file=io.StringIO(), width=100, record=True)
        console.print(self.callback.table())
        lines = console.export_text().replace("━", "").replace("╸", "").replace("╺", "")
        return [line.split() for line in lines.splitlines()[1:]]

    @property
    def text(self) -> str:
        return self.file.getvalue()


@pytest.fixture
def screen() -> Iterator[Screen]:
    made = Screen()
    yield made
    made.callback.close()


def submitted(number: int, task_name: str = "train", **more: Any) -> SubmitEndContext:
    return SubmitEndContext(task_name, str(number), f"/jobs/{number}", timestamp=NOON, **more)


def state(number: int, name: str = "RUNNING", **more: Any) -> JobStatusUpdatedContext:
    context = {"job_id": str(number), "job_dir": f"/jobs/{number}", **more}
    return JobStatusUpdatedContext("train", state=JobState(name), **context)


def ended(number: int, name: str = "COMPLETED", **more: Any) -> CompletedContext:
    context = {"job_id": str(number), "job_dir": f"/jobs/{number}", **more}
    moment = NOON + timedelta(seconds=75)
    return CompletedContext("train", state=JobState(name), timestamp=moment, **context)


def element(index: int, array: int = 8) -> dict[str, Any]:
    return {
        "job_id": f"{array}_{index}",
        "job_dir": f"/jobs/{array}/{index}",
        "array_index": index,
        "array_dir": f"/jobs/{array}",
    }


# --- the table -----------------------------------------------------------------------------------


def test_the_jobs_of_a_task_share_a_row(screen: Screen) -> None:
    screen.tell(*map(submitted, range(4)), submitted(9, "evaluate"))
    screen.tell(state(0), state(1), ended(0), state(2), ended(2, "FAILED"), ended(3, "CANCELLED"))
    assert [row[:5] for row in screen.table()] == [
        ["train", "1/4", "1", "-", "2"],
        ["evaluate", "0/1", "-", "1", "-"],
    ]


def test_an_array_has_a_row_of_its_own(screen: Screen) -> None:
    screen.tell(submitted(8, array_size=5, array_dir="/jobs/8"), submitted(1))
    screen.tell(*(state(0, **element(index)) for index in range(3)), ended(0, **element(0)))
    table = screen.table()  # once: the clock of a row that waits goes on
    assert [row[:6] for row in table] == [
        ["train", "8", "1/5", "2", "2", "-"],
        ["train", "0/1", "-", "1", "-", table[1][5]],
    ]


def test_what_waits_says_why(screen: Screen) -> None:
    screen.tell(submitted(8, array_size=6, array_dir="/jobs/8"), submitted(1))
    reasons = ("Resources", "Priority", "Priority", "None")
    waiting = [state(0, "PENDING", reason=why, **element(n)) for n, why in enumerate(reasons)]
    for context in [*waiting, state(1, "PENDING", reason="Dependency")]:
        screen.callback.reason_changed(context)
    shown = [" ".join(row) for row in screen.table()]
    assert "6 (Priority, Resources)" in shown[0]
    assert "1 (Dependency)" in shown[1]
    screen.tell(*(state(0, **element(n)) for n in range(1, 3)), state(1), ended(1))
    shown = [" ".join(row) for row in screen.table()]
    assert "2 4 (Resources)" in shown[0]
    assert "Dependency" not in shown[1]


def test_the_reason_comes_with_what_is_asked_anyway(tmp_path: Path, backend: FakeBackend) -> None:
    screen = Screen()
    cluster = Cluster(backend, job_base_dir=tmp_path, callbacks=[screen.callback])
    job = same.submit(cluster)(1)
    backend.say(job.id, "PENDING", reason="Resources")
    job.get_status()
    assert cluster.drain_callbacks(DEADLINE)
    assert "1 (Resources)" in " ".join(screen.table()[0])
    assert "Resources" not in screen.text, "no line for it, beside the table"
    asked = len(backend.queries)
    backend.say(job.id, "PENDING", reason="Priority")
    backend.finish(job, 1)
    job.get_result(DEADLINE)
    assert len(backend.queries) <= asked + 1
    cluster.close()


def test_without_a_terminal_a_reason_is_a_line_once_for_each_job_or_array() -> None:
    plain = Screen(terminal=False)
    for reason in ("Resources", "Priority", "Resources", "None", ""):
        plain.callback.reason_changed(state(1, "PENDING", reason=reason))
    for index in range(3):
        plain.callback.reason_changed(state(0, "PENDING", reason="Priority", **element(index)))
    assert plain.text.splitlines() == [
        "train 1: still PENDING (Resources)",
        "train 1: still PENDING (Priority)",
        "train 8_0: still PENDING (Priority)",
    ]
    plain.callback.close()


def test_jobs_of_another_client_are_counted_when_they_are_heard_of(screen: Screen) -> None:
    screen.tell(state(1), state(1, "COMPLETING"), ended(2))
    screen.tell(state(0, **element(0)), ended(0, **element(0)), state(0, **element(1)))
    assert [row[:-2] for row in screen.table()] == [
        ["train", "1/2", "1", "-", "-"],
        ["train", "8", "1/2", "1", "-", "-"],
    ]


def test_the_time_stops_when_the_last_job_has_ended(screen: Screen) -> None:
    screen.tell(submitted(1), ended(1))
    assert screen.table() == [["train", "1/1", "-", "-", "-", "1:15"]]


def test_the_bar_grows(screen: Screen) -> None:
    def bar() -> int:
        """How long the bar is; without colours, what is left of it is blank."""
        console = Console(file=io.StringIO(), width=100, record=True)
        console.print(screen.callback.table())
        return console.export_text().count("━")

    screen.tell(*map(submitted, range(2)))
    assert bar() == 0
    screen.tell(ended(0))
    assert bar() == 15
    screen.tell(ended(1))
    assert bar() == 30


def test_what_is_being_done_stands_below(screen: Screen) -> None:
    screen.tell(PackagingBeginContext("train"), PackagingEndContext("train"))
    screen.tell(*[SubmitBeginContext("train")] * 2, PackagingBeginContext("evaluate"))
    assert screen.table()[-1] == ["submitting", "train,", "packaging", "evaluate"]
    screen.tell(PackagingEndContext("evaluate", error=OSError("full")))
    screen.tell(submitted(1), SubmitEndContext("train", error=OSError("full")))
    assert [row[:2] for row in screen.table()] == [["train", "0/1"]]


def test_a_long_table_is_cut_where_it_matters_least() -> None:
    screen = Screen(max_rows=3)
    names = ["first", "second", "third", "fourth", "fifth"]
    screen.tell(*(submitted(n, name) for n, name in enumerate(names)))
    screen.tell(*(CompletedContext(names[n], str(n), f"/jobs/{n}") for n in (1, 4)))
    assert [row[0] for row in screen.table()] == ["first", "third", "fourth", "2"]
    assert screen.table()[-1] == ["2", "more", "rows"]
    screen.callback.close()


def test_names_are_text_and_no_markup(screen: Screen) -> None:
    screen.tell(submitted(1, "[bold]x[/bold]"))
    assert screen.table()[0][0] == "[bold]x[/bold]"


# --- live ----------------------------------------------------------------------------------------


def test_the_table_is_live_and_stays_when_the_cluster_is_closed(
    screen: Screen, capsys: pytest.CaptureFixture[str]
) -> None:
    screen.tell(submitted(1), state(1))
    print("the program's own")
    assert capsys.readouterr().out == "the program's own\n"
    screen.tell(ended(1))
    screen.callback.close()
    assert "\x1b[?25l" in screen.text, "the cursor is hidden while the table is drawn"
    last = screen.text.rpartition("\x1b[?25h")[0]
    assert "1/1" in last.rpartition("task")[2]
    written = screen.text
    screen.callback.close()
    assert screen.text == written


def test_failures_stand_above_the_table_with_their_reason(screen: Screen) -> None:
    screen.tell(submitted(1), ended(1, "FAILED", error=ValueError("[bad] rate")))
    screen.tell(SubmitEndContext("train", error=OSError("no such account")))
    screen.callback.close()
    assert "train 1: FAILED: ValueError: [bad] rate" in screen.text
    assert "train: not submitted: OSError: no such account" in screen.text


def test_the_table_ends_by_itself_when_nothing_is_left() -> None:
    screen = Screen(linger_secs=0.0)
    screen.tell(submitted(1), ended(1))
    ending = [one for one in threading.enumerate() if isinstance(one, threading.Timer)]
    for timer in ending:
        timer.join(DEADLINE)
    assert screen.text.endswith("\x1b[?25h"), "the terminal is the program's again"
    screen.tell(submitted(2, "evaluate"))
    assert [row[0] for row in screen.table()] == ["evaluate"]
    screen.callback.close()


def test_what_comes_meanwhile_keeps_the_table_live(screen: Screen) -> None:
    screen.tell(submitted(1), ended(1), submitted(2))
    assert not [
        one
        for one in threading.enumerate()
        if isinstance(one, threading.Timer) and not one.finished.is_set()
    ]
    assert [row[:2] for row in screen.table()] == [["train", "1/2"]]


def test_events_may_come_from_several_threads_at_once(screen: Screen) -> None:
    numbers = itertools.count()

    def tell() -> None:
        for _ in range(25):
            number = next(numbers)
            screen.tell(submitted(number), state(number), ended(number))

    threads = [threading.Thread(target=tell) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(DEADLINE)
    assert [row[:5] for row in screen.table()] == [["train", "200/200", "-", "-", "-"]]


def test_a_cluster_ends_the_display(tmp_path: Path, backend: FakeBackend) -> None:
    screen = Screen()
    fake_cluster = Cluster(backend, job_base_dir=tmp_path, callbacks=[screen.callback])
    array = fake_cluster.map(same, range(3))
    for job in array:
        backend.finish(job, 1)
    array.get_results(DEADLINE)
    fake_cluster.close()
    assert screen.text.endswith("\x1b[?25h")
    assert "3/3" in screen.text.rpartition("task")[2]


# --- without a terminal --------------------------------------------------------------------------


def test_without_a_terminal_every_event_is_a_line() -> None:
    screen = Screen(terminal=False)
    screen.tell(PackagingBeginContext("train"), submitted(1), state(1), ended(1, error=None))
    screen.tell(submitted(2, error=OSError("x" * 150)))
    screen.callback.close()
    assert screen.text.splitlines() == [
        "train: packaging (none)",
        "train 1: submitted in 0.00 s",
        "train 1: PENDING -> RUNNING",
        "train 1: COMPLETED",
        "train 2: not submitted: OSError: " + "x" * 150,
    ]


def test_where_another_display_has_the_terminal_events_are_lines(
    screen: Screen, monkeypatch: pytest.MonkeyPatch
) -> None:
    def taken(*args: Any, **kwargs: Any) -> None:
        raise LiveError("Only one live display may be active at once")

    monkeypatch.setattr(Live, "start", taken)
    screen.tell(submitted(1), state(1))
    assert screen.text.splitlines() == [
        "train 1: submitted in 0.00 s",
        "train 1: PENDING -> RUNNING",
    ]


def test_without_rich_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rich.console", None)
    with pytest.raises(ConfigError, match=r"needs Rich.*pip install 'slurm-tasks\[rich\]'"):
        RichLoggerCallback()


def test_by_default_it_writes_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    callback = RichLoggerCallback()
    callback.on_end_submit_job_ctx(submitted(1))
    callback.close()
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", "train 1: submitted in 0.00 s\n")
