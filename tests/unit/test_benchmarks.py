"""The arithmetic of the benchmarks; what they measure is for `make bench`."""

from __future__ import annotations

import doctest
from types import ModuleType

import pytest
from benchmarks import curves, measure, page, plot
from benchmarks import growth as powers
from benchmarks.driver import BenchmarkError
from benchmarks.measure import Bar, Line, Series, interleave
from benchmarks.measured import growth, live_jobs, profile_submission
from benchmarks.measured.profile_submission import Call, Event, stages_of
from benchmarks.results import Results


@pytest.mark.parametrize(
    "module", [measure, powers, page, curves, growth, live_jobs, profile_submission]
)
def test_the_examples_of_the_benchmarks_hold(module: ModuleType) -> None:
    assert doctest.testmod(module).failed == 0


def test_ways_are_called_in_turn_and_each_begins_a_round() -> None:
    called: list[str] = []

    def way(name: str) -> float:
        called.append(name)
        return float(len(called))

    found = interleave(
        {name: lambda name=name: way(name) for name in "abc"},  # type: ignore[misc]
        2,
        warm_up=1,
    )
    assert "".join(called) == "abcbcacab"
    assert found == {"a": (6.0, 8.0), "b": (4.0, 9.0), "c": (5.0, 7.0)}


def test_p90_is_not_exceeded_by_nine_in_ten() -> None:
    series = Series("x", "ms", tuple(float(value) for value in range(10, 0, -1)))
    assert {**series.as_json(), "values": None} == {
        "unit": "ms",
        "n": 10,
        "median": 5.5,
        "min": 1.0,
        "p90": 9.0,
        "values": None,
    }


@pytest.mark.parametrize(
    ("line", "ratio", "ok"),
    [
        (Line("x", "ms", 15.0, "bare", 10.0, Bar(2.0, of_ratio=True)), 1.5, True),
        (Line("x", "ms", 25.0, "bare", 10.0, Bar(2.0, of_ratio=True)), 2.5, False),
        (Line("x", "s", 0.6, bar=Bar(0.5)), None, False),
        (Line("x", "/s", 10.0, "bare", 30.0, Bar(15.0, least=True), rate=True), 3.0, False),
        (Line("x", "/s", 20.0, "bare", 30.0, Bar(15.0, least=True), rate=True), 1.5, True),
        (Line("x", "ms", 15.0, "bare", None, Bar(2.0, of_ratio=True)), None, False),
        (Line("x", "ms", 15.0, "bare", 10.0), 1.5, None),
    ],
)
def test_a_bar_is_about_what_was_found_or_about_the_ratio(
    line: Line, ratio: float | None, ok: bool | None
) -> None:
    assert (line.ratio, line.ok) == (ratio, ok)
    assert Line.from_json(line.as_json()) == line


def test_a_peer_that_is_not_there_has_its_reason_in_the_place_of_a_number() -> None:
    line = Line("submit", "ms", 12.0, "a peer", None, note="not possible: needs Python 3.11")
    assert "| a peer: not possible: needs Python 3.11 |" in measure.table([line])


def test_a_missed_bar_and_a_failure_are_problems() -> None:
    results = Results({})
    results.add("a", 1.0, [], [Line("slow", "s", 2.0, bar=Bar(1.0))], None)
    results.add("b", 1.0, [], [], "no cluster")
    assert list(results.problems()) == ["b failed: no cluster", "missed: slow"]


def test_a_peer_that_could_not_be_measured_is_a_problem() -> None:
    results = Results({})
    line = Line("submit", "ms", 12.0, "a peer", None, note="not possible: could not be installed")
    results.add("a", 1.0, [], [line], None)
    said = "nothing to compare with: submit: a peer: not possible: could not be installed"
    assert list(results.problems()) == [said]


def test_the_stages_of_a_submission_add_up_to_its_time() -> None:
    call = Call(called=0.0, sent=1.0, answered=10.0, returned=10.5)
    events = [
        Event("loads", "main", 0.2, 0.3),  # another request's
        Event("loads", "main", 1.5, 1.6),
        Event("mkdir", "worker", 1.7, 1.8),
        Event("fsync", "worker", 2.0, 2.5),
        Event("squeue", "other", 2.0, 4.0),
        Event("sbatch", "worker", 3.0, 7.0),
        Event("fsync", "worker", 10.1, 11.1),
        Event("replace", "worker", 11.1, 11.5),
        Event("mkdir", "worker", 12.5, 13.0),  # the next one's, in a thread of the same number
    ]
    found = dict(stages_of(call, events, until=12.0))
    assert (found.pop("fsync before sbatch"), found.pop("fsync after sbatch")) == (0.5, 1.0)
    assert found["way there"] == 0.5
    assert found["sbatch"] == 4.0
    assert found["way back"] == 3.0
    assert found.pop("receipts") == 4.5  # while the client goes on
    assert sum(found.values()) == 10.5


def test_a_profile_without_sbatch_is_an_error() -> None:
    with pytest.raises(BenchmarkError, match="noted no sbatch"):
        stages_of(Call(0.0, 1.0, 2.0, 3.0), [])


def test_what_the_page_shows_is_in_the_json_beside_it() -> None:
    results = Results.read(page.DATA)
    text = page.PAGE.read_text("utf-8")
    assert page.update(text, page.parts(results)) == text
    assert results.complete


@pytest.mark.parametrize(("power", "ok"), [(0.0, True), (1.0, True), (1.3, False), (2.0, False)])
def test_a_cost_that_grows_faster_than_the_work_misses_its_bar(power: float, ok: bool) -> None:
    costs = {size: {"read": (size / 1000) ** power} for size in (1000, 10_000, 100_000)}
    _, line = growth.lines_of("100000 items: read", "s", costs, "read")
    assert line.found == pytest.approx(power)
    assert line.ok is ok


def test_a_cost_that_is_next_to_nothing_has_no_bar() -> None:
    costs = {size: {"look": size / 1e8} for size in (1000, 10_000, 100_000)}
    [line] = growth.lines_of("100000 items: look", "s", costs, "look")
    assert line.bar is None


def test_curves_have_a_line_for_each_step_and_no_empty_line() -> None:
    series = {
        f"growth, items of an array, {step}: {size}": Series("", "s", (size / 1e5,)).as_json()
        for step in ("map and submit", "a <look>")
        for size in (1000, 10_000)
    }
    drawn = curves.figures(series)
    assert drawn.count("<polyline") - drawn.count('stroke-opacity="0.3"') == 2
    assert "a &lt;look&gt;" in drawn
    assert "\n\n" not in drawn
    assert curves.figures({}) == "Growth was not measured in this run."


def test_the_plot_has_a_bar_for_each_way_and_no_empty_line() -> None:
    series = {
        f"submit one job: {name}": Series(name, "ms", (value,)).as_json()
        for name, value in (("this SDK over ssh", 12.0), ("bare <sbatch>", 8.0))
    }
    drawn = plot.figure(series)
    assert drawn.count("<rect") == 2
    assert "bare &lt;sbatch&gt;" in drawn
    assert "\n\n" not in drawn
