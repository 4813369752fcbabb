"""Which jobs are shown, and what a line of the table is made of."""

from __future__ import annotations

import pytest
from rich.cells import cell_len

from slurm.api.requests import FilePlace
from slurm.dash.columns import FAILED, Layout, bar
from slurm.dash.details import details
from slurm.dash.log_text import MOST_LINES, LogLines, lines_of
from slurm.dash.source import LogPart
from slurm.dash.view import View
from slurm.job_list import ListedJob
from slurm.states import JobState as S

JOBS = [
    ListedJob("11", "prepare", state=S.COMPLETED, elapsed=5.0, node="c1"),
    ListedJob(
        "12_[0-9]", "sweep", state=S.RUNNING, states={S.RUNNING: 8, S.TIMEOUT: 2}, elapsed=60.0
    ),
    ListedJob("13", "Train", state=S.PENDING, reason="Priority", partition="gpu"),
    ListedJob("14", "train", state=S.CANCELLED, elapsed=1.0),
    ListedJob("15", "test", state=S.OUT_OF_MEMORY, elapsed=9.0),
]


def ids(view: View) -> list[str]:
    return [job.number for job in view.of(JOBS)]


@pytest.mark.parametrize(
    ("view", "expected"),
    [
        (View(), ["15", "14", "13", "12", "11"]),
        (View("live"), ["13", "12"]),
        (View("failed"), ["15", "12"]),
        (View(search="train"), ["14", "13"]),
        (View(search="GPU prio"), ["13"]),
        (View(search="nothing has this"), []),
        (View(order="name"), ["11", "12", "15", "14", "13"]),
        (View(order="time"), ["12", "15", "11", "14", "13"]),
        (View(order="state"), ["13", "12", "14", "11", "15"]),
        (View("live", "sweep", "time"), ["12"]),
    ],
)
def test_a_view_has_the_jobs_that_match_it_in_its_order(view: View, expected: list[str]) -> None:
    assert ids(view) == expected


@pytest.mark.parametrize("width", [0, 20, 60, 80, 99, 100, 150, 240])
def test_a_line_is_as_wide_as_the_headers_and_never_less_than_the_table(width: int) -> None:
    layout = Layout.of(width)
    wide = ListedJob("123456789_[0-999]", "学習" * 40, states={S.RUNNING: 123456}, reason="R" * 90)
    lines = [layout.headers(), layout.line(wide, 0.0), layout.line(JOBS[0], 0.0)]
    sizes = {sum(cell_len(text) for text, _ in line) for line in lines}
    assert sizes == {max(width, 62)}


def test_one_failure_among_thousands_can_be_seen_in_the_bar() -> None:
    pieces = bar({S.COMPLETED: 4999, S.FAILED: 1})
    assert [(text, style) for text, style in pieces if FAILED in text] == [(FAILED, "red")]
    assert sum(len(text) for text, _ in pieces) == 10


def test_nothing_that_a_job_says_is_a_command_for_the_terminal() -> None:
    bad = "\x1b]0;title\x07\x1b[2J\x9b31m\u202egnp\u200b\r\n"
    job = ListedJob(
        "1", bad, reason=bad, node=bad, directory=bad, task=bad, workflow=bad, partition=bad
    )
    text = "".join(text for text, _ in Layout.of(200).line(job, 0.0))
    for shown in (text, *details(job, error=bad), *lines_of(bad + "x")):
        assert shown.isprintable(), repr(shown)


def test_a_log_keeps_its_last_lines_and_begins_anew_where_the_job_does() -> None:
    log = LogLines()
    log.take(LogPart("first\n" + "more\n" * MOST_LINES + "50 %\r", FilePlace(1)))
    log.take(LogPart("99 %", FilePlace(2)))
    assert (len(log.lines), log.lines[0], log.lines[-1]) == (MOST_LINES + 1, "more", "99 %")
    log.take(LogPart("again\n", FilePlace(3), anew=True))
    assert (log.lines, log.place) == (["again"], FilePlace(3))


def test_a_colour_that_comes_in_two_parts_is_none_of_the_text() -> None:
    log = LogLines()
    for part in ("\x1b[3", "1mred\x1b", "[0m\n"):
        log.take(LogPart(part, FilePlace()))
    assert log.lines == ["red"]
