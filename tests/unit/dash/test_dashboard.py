"""The dashboard, driven by keys; what is on its screen is read as text."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest
from tests.helpers.dashboards import FakeSource, OpenPilot, drive, press, refresh, seen, until

from slurm.dash import job_table
from slurm.dash.app import Dash
from slurm.dash.columns import Layout
from slurm.dash.source import Answer
from slurm.job_list import ListedJob
from slurm.states import JobState as S

# A screen takes a quarter of a second, and Textual as long to be imported.
pytestmark = pytest.mark.local

RUN = "/home/me/slurm_jobs/train/20260218_160045_0a1b2c3d"
TRAIN = ListedJob(
    *("21", "train"),
    ours=True,
    state=S.RUNNING,
    node="c1",
    elapsed=75.0,
    started=900.0,
    directory=RUN,
)
ARRAY = ListedJob(
    *("22_[0-9]", "sweep", "array"),
    ours=True,
    state=S.RUNNING,
    states={S.COMPLETED: 5, S.RUNNING: 2, S.FAILED: 1, S.PENDING: 2},
    reason="Resources",
)
WAITS = ListedJob("23", "theirs", state=S.PENDING, reason="Priority")
BAD = ListedJob("24", "score", ours=True, state=S.FAILED, exit_code="1:0", directory=f"{RUN}4")
ALL = (TRAIN, ARRAY, WAITS, BAD)


def rows(pilot: OpenPilot) -> list[str]:
    """The ids in the table, from the top, as they are drawn."""
    table = pilot.app.query_one(job_table.JobTable)
    return [table.line_text(place).split()[0] for place in range(len(table.jobs))]


def test_the_table_has_the_jobs_and_below_it_is_what_is_known_of_one() -> None:
    async def steps(pilot: OpenPilot) -> None:
        # The error is asked for, and the keys at the bottom come a moment after the rest.
        await until(pilot, lambda: {"unlucky", "Quit"} <= set(seen(pilot.app).split()))
        screen = seen(pilot.app)
        head, headers, *lines = screen.splitlines()
        assert "test | 4 jobs, 2 RUNNING, 1 PENDING, 1 FAILED | all, by submitted" in head
        assert headers.split() == [
            "JOB",
            "NAME",
            "STATE",
            "PROGRESS",
            "TIME",
            "SUBMITTED",
            "WHERE",
            "OR",
            "WHY",
        ]
        assert [line.split()[:3] for line in lines[:2]] == [
            ["24", "score", "FAILED"],
            ["23", "theirs", "*"],
        ]
        assert "█████▒▒x·· 5/10" in lines[2]
        assert "(Resources)" in lines[2]
        assert lines[3].split() == ["21", "train", "RUNNING", "00:01:15", "c1"]
        assert "state        FAILED exit code 1:0" in screen
        assert "ValueError: unlucky" in screen
        for key in ("Filter", "Cancel", "Rerun", "Refresh", "Help"):
            assert key in screen.splitlines()[-1]

    drive(Dash(FakeSource(*ALL)), steps)


def test_keys_filter_sort_and_search() -> None:
    async def steps(pilot: OpenPilot) -> None:
        assert rows(pilot) == ["24", "23", "22_[0-9]", "21"]
        await press(pilot, "f")
        assert rows(pilot) == ["23", "22_[0-9]", "21"]
        await press(pilot, "f")
        assert rows(pilot) == ["24", "22_[0-9]"]
        await press(pilot, "f", "s")
        assert rows(pilot) == ["24", "22_[0-9]", "23", "21"]
        await press(pilot, "slash", *"prio")
        assert rows(pilot) == ["23"]
        assert "1 of 4 jobs" in seen(pilot.app)
        await press(pilot, "enter", "c")
        assert "Cancel 23 theirs?" in seen(pilot.app)
        await press(pilot, "n", "escape")
        assert len(rows(pilot)) == 4

    drive(Dash(FakeSource(*ALL)), steps)


def test_cancelling_asks_first() -> None:
    source = FakeSource(*ALL)

    async def steps(pilot: OpenPilot) -> None:
        await press(pilot, "down", "c")
        assert "Cancel 23 theirs?" in seen(pilot.app)
        await press(pilot, "enter")  # the button with the focus is the one that does nothing
        assert source.done == []
        await press(pilot, "c", "y")
        await until(pilot, lambda: source.done)
        assert source.done == [("cancel", ["23"])]
        await until(pilot, lambda: "cancelled 23 theirs" in seen(pilot.app))

    drive(Dash(source), steps)


def test_those_that_are_marked_are_cancelled_together_and_what_has_ended_is_left_out() -> None:
    source = FakeSource(*ALL)

    async def steps(pilot: OpenPilot) -> None:
        await press(pilot, "c")
        await until(pilot, lambda: "24 score: ended already" in seen(pilot.app))
        await press(pilot, "space", "space", "space", "c")
        assert "Cancel 23 theirs, 22_[0-9] sweep?" in seen(pilot.app)
        await press(pilot, "y")
        await until(pilot, lambda: source.done)
        assert source.done == [("cancel", ["23", "22_[0-9]"])]

    drive(Dash(source), steps)


def test_rerun_asks_first_and_says_what_cannot_be_submitted_again() -> None:
    source = FakeSource(*ALL)

    async def steps(pilot: OpenPilot) -> None:
        await press(pilot, "r")
        assert "Submit 24 score once more?" in seen(pilot.app)
        await press(pilot, "y")
        await until(pilot, lambda: "submitted 4712" in seen(pilot.app))
        assert source.done == [("rerun", ["24"])]
        await press(pilot, "down", "r")
        await until(pilot, lambda: "23 theirs was not submitted by slurm-tasks" in seen(pilot.app))
        await press(pilot, "down", "r")
        await until(pilot, lambda: "22_[0-9] sweep has not ended" in seen(pilot.app))
        assert len(source.done) == 1

    drive(Dash(source), steps)


def test_what_the_cluster_refuses_is_said_and_the_dashboard_goes_on() -> None:
    source = FakeSource(*ALL)
    source.refused = "job 23 is [bold]not yours\x1b[2J"

    async def steps(pilot: OpenPilot) -> None:
        await press(pilot, "down", "c", "y")
        await until(pilot, lambda: "job 23 is [bold]not yours?[2J" in seen(pilot.app))
        assert len(rows(pilot)) == 4

    drive(Dash(source), steps)


def test_a_cluster_that_gives_no_answer_is_asked_again_and_what_was_seen_stays() -> None:
    source = FakeSource(*ALL)

    async def steps(pilot: OpenPilot) -> None:
        source.lost = "login.example.org: connection refused"
        await refresh(pilot)
        head = seen(pilot.app).splitlines()[0]
        assert "NO ANSWER" in head
        assert "connection refused" in head
        assert len(rows(pilot)) == 4
        source.lost, source.jobs = "", ALL[:2]
        await refresh(pilot)
        assert "NO ANSWER" not in seen(pilot.app)
        assert rows(pilot) == ["22_[0-9]", "21"]

    drive(Dash(source), steps)


def test_a_cluster_that_gives_no_answer_from_the_beginning_is_waited_for() -> None:
    source = FakeSource(*ALL)
    source.lost = "no route"

    async def steps(pilot: OpenPilot) -> None:
        assert "NO ANSWER, trying again: no route" in seen(pilot.app)
        source.lost = ""
        await refresh(pilot)
        assert len(rows(pilot)) == 4

    drive(Dash(source), steps)


def test_a_dashboard_is_left_at_once_while_the_cluster_is_silent() -> None:
    asked, gate = threading.Event(), threading.Event()

    class Silent(FakeSource):
        def rows(self, *, elements: bool) -> Answer:
            if self.questions:
                asked.set()
                gate.wait()
            return super().rows(elements=elements)

    async def steps(pilot: OpenPilot) -> None:
        await press(pilot, "u")
        await until(pilot, asked.is_set)
        await press(pilot, "q")

    app = Dash(Silent(*ALL))
    drive(app, steps)
    assert not gate.is_set()
    gate.set()
    assert app.answers == 1


def test_a_log_is_followed_and_that_of_another_job_is_another() -> None:
    source = FakeSource(TRAIN, WAITS)
    source.log_pause = 0.01
    source.logs = {False: "step 1\n", True: "a warning\n"}

    async def steps(pilot: OpenPilot) -> None:
        await press(pilot, "down", "2")
        await until(pilot, lambda: "step 1" in seen(pilot.app))
        source.logs[False] += "".join(f"step {number}\n" for number in range(2, 100))
        await until(pilot, lambda: "step 99" in seen(pilot.app))  # the end of it is in sight
        source.logs[False] += "[red]\x1b[31mstep\x1b[0m 100\n"
        await until(pilot, lambda: "[red]step 100" in seen(pilot.app))
        await press(pilot, "3")
        await until(pilot, lambda: "a warning" in seen(pilot.app))
        source.logs[False] = "begun anew\n"
        await press(pilot, "2")
        await until(pilot, lambda: "begun anew" in seen(pilot.app))
        assert "step" not in seen(pilot.app)
        source.logs[False] = ""
        await press(pilot, "shift+tab", "up")
        await until(pilot, lambda: "(nothing yet)" in seen(pilot.app))

    drive(Dash(source), steps)


def test_the_log_of_a_job_that_has_ended_is_asked_for_once() -> None:
    source = FakeSource(BAD)
    source.log_pause = 0.0

    async def steps(pilot: OpenPilot) -> None:
        await press(pilot, "2")
        await until(pilot, lambda: "(nothing)" in seen(pilot.app))
        await refresh(pilot)
        await press(pilot, "1", "4")
        await until(pilot, lambda: "└── score" in seen(pilot.app))
        assert source.questions.count("log") <= 2  # the refresh is one that somebody wanted

    drive(Dash(source), steps)


def test_elements_of_arrays_are_shown_one_by_one() -> None:
    source = FakeSource(ARRAY)
    source.elements = [
        replace(ARRAY, job_id=f"22_{task}", kind="element", states={}) for task in range(3)
    ]

    async def steps(pilot: OpenPilot) -> None:
        await press(pilot, "e")
        await until(pilot, lambda: rows(pilot) == ["22_2", "22_1", "22_0"])
        await press(pilot, "e")
        await until(pilot, lambda: rows(pilot) == ["22_[0-9]"])

    drive(Dash(source), steps)


def test_the_job_that_is_looked_at_stays_it_when_others_come_and_go() -> None:
    source = FakeSource(*ALL)

    async def steps(pilot: OpenPilot) -> None:
        await press(pilot, "down", "down")
        more = [ListedJob(str(number), "new", state=S.PENDING) for number in range(30, 90)]
        source.jobs = [*ALL[:2], *more]
        await refresh(pilot)
        table = pilot.app.query_one(job_table.JobTable)
        assert table.current is ARRAY
        assert "22_[0-9]" in seen(pilot.app).split("facts")[0]  # and is in sight
        source.jobs = more
        await refresh(pilot)
        assert table.current is not None
        source.jobs = []
        await refresh(pilot)
        assert table.current is None

    drive(Dash(source), steps)


def test_a_refresh_with_thousands_of_jobs_draws_the_lines_in_sight_and_asks_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    jobs = [
        ListedJob(str(number), f"train-{number}", state=S.RUNNING, elapsed=1.0)
        for number in range(5000)
    ]
    source = FakeSource(*jobs)
    drawn: list[str] = []
    line = Layout.line

    def counted(self: Layout, job: ListedJob, now: float) -> list[tuple[str, str]]:
        drawn.append(job.job_id)
        return line(self, job, now)

    async def steps(pilot: OpenPilot) -> None:
        monkeypatch.setattr(Layout, "line", counted)
        source.jobs = [
            replace(job, state=S.COMPLETED) if place % 100 == 0 else job
            for place, job in enumerate(jobs)
        ]
        source.questions.clear()
        await refresh(pilot)
        height = pilot.app.query_one(job_table.JobTable).size.height
        assert source.questions == ["rows"]
        assert 0 < len(drawn) <= 3 * height  # a refresh of the screen draws each line at most once
        assert "5000 jobs, 4950 RUNNING" in seen(pilot.app)
        drawn.clear()
        await press(pilot, "end")
        assert pilot.app.query_one(job_table.JobTable).current is source.jobs[0]
        assert len(drawn) <= 3 * height

    drive(Dash(source), steps)


@pytest.mark.parametrize("size", [(20, 8), (80, 24), (200, 60)])
def test_it_fits_into_terminals_of_all_sizes(size: tuple[int, int]) -> None:
    async def steps(pilot: OpenPilot) -> None:
        assert "24" in seen(pilot.app)
        await press(pilot, "question_mark")
        await press(pilot, "escape")
        if size[0] >= 80:
            assert "FAILED exit code 1:0" in seen(pilot.app)

    drive(Dash(FakeSource(*ALL)), steps, size)
