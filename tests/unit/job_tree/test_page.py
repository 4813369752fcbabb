"""The page: one file that needs nothing, says nothing but its own markup, and holds thousands of jobs."""

from __future__ import annotations

import base64
import datetime
import hashlib
import re
from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st
from tests.helpers.noted import Noted, a_run, array, at, job

from slurm.job_tree.bars import crowd
from slurm.job_tree.scale import Scale, timelines

VOID = {"meta", "path", "line", "br"}


class Page(HTMLParser):
    """A page's elements, with what encloses each, and the text in them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.text: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] not in ("script", "style"):
            self.text.append(data)

    def having(self, word: str) -> list[dict[str, str]]:
        """The attributes of the elements with a class."""
        return [attrs for _, attrs in self.elements if word in attrs.get("class", "").split()]


def page_of(noted: Noted) -> Page:
    return Page(noted.tree().to_html())


# --- what is on it -------------------------------------------------------------------------------


def test_every_job_has_a_row_and_a_title_that_tells_about_it() -> None:
    page = page_of(a_run())
    rows = page.having("row")
    assert len(rows) == 12
    titles = [attrs["title"] for tag, attrs in page.elements if tag == "summary" and attrs]
    assert len(titles) == 12
    [failed] = [title for title in titles if "no data" in title]
    assert failed.splitlines() == [
        "job: train 4",
        "state: FAILED",
        "error: ValueError: no data",
        "dependencies: after 2",
        "submitted: 2025-03-01 12:00:01 UTC",
        "started: 2025-03-01 12:00:04 UTC",
        "ended: 2025-03-01 12:00:08 UTC",
        "waited: 3.4 s",
        "ran: 3.4 s",
        "node: c1",
        "directory: sweep/w/tasks/train/c",
    ]


def test_a_row_says_why_its_job_went_wrong_before_anybody_points_at_it() -> None:
    text = a_run().tree().to_html()
    assert '<span class="why">ValueError: no data</span>' in text


def test_a_folded_row_says_why_the_first_of_its_jobs_went_wrong() -> None:
    noted = a_run()
    element = job("7_1", "count", (3, 5, 7), "failed", error="ValueError: NaN")
    noted["sweep/w/tasks/inner/e/tasks/count/f/tasks/001"] = element
    assert '<span class="why">[1] ValueError: NaN</span>' in noted.tree().to_html()


def test_states_are_words_and_not_only_colours() -> None:
    text = " ".join(page_of(a_run()).text)
    for word in ("COMPLETED", "TIMEOUT", "FAILED", "CANCELLED", "11 jobs"):
        assert word in text


def test_workflows_are_open_and_arrays_are_folded_with_their_count() -> None:
    page = page_of(a_run())
    assert all("open" in attrs for attrs in page.having("workflow"))
    [folded] = page.having("folded")
    assert "open" not in folded
    assert any("count × 4" in text for text in page.text)


def test_bars_lie_where_their_times_are() -> None:
    noted = Noted()
    noted["train/a"] = job("1", times=(0, 2.5, 10))
    page = page_of(noted)
    assert [bar["style"] for bar in page.having("wait")] == ["left:0%;width:25%"]
    assert [bar["style"] for bar in page.having("run")] == ["left:25%;width:75%"]


def test_arrows_go_from_the_end_of_one_bar_to_the_beginning_of_another() -> None:
    noted = Noted()
    noted["a/1"] = job("1", "a", (0, 0, 4))
    noted["b/1"] = job("2", "b", (0, 5, 10), after=["1"])
    page = page_of(noted)
    [arrow] = page.having("arrow")
    assert (arrow["data-from"], arrow["data-to"]) == ("r0", "r1")
    lines = [attrs for tag, attrs in page.elements if tag == "line"]
    assert [(line["x1"], line["x2"]) for line in lines] == [("40%", "40%"), ("40%", "50%")]


def test_what_is_not_all_there_says_so() -> None:
    from dataclasses import replace

    tree = a_run().tree()
    assert not Page(tree.to_html()).having("note")
    assert Page(replace(tree, complete=False).to_html()).having("note")


def test_hours_without_a_job_are_not_drawn() -> None:
    noted = Noted()
    noted["train/a"] = job("1", times=(0, 1, 3))
    noted["train/b"] = job("2", times=(2, 3, 5))
    noted["train/c"] = job("3", times=(9000, 9001, 9003))
    drawn = timelines(noted.nodes(), _time(9100))
    assert [(scale.seconds, len(nodes)) for scale, nodes in drawn] == [(5, 2), (3, 1)]
    assert len(page_of(noted).having("timeline")) == 2


def test_a_job_whose_end_nobody_noted_does_not_stretch_the_time_until_today() -> None:
    noted = Noted()
    noted["train/a"] = job("1", times=(0, 1), status="running")
    noted["train/b"] = job("2", times=(0, 1, 50))
    [(soon, _)] = timelines(noted.nodes(), _time(70))
    [(late, _)] = timelines(noted.nodes(), _time(700_000))
    assert (soon.seconds, late.seconds) == (70, 50)


def test_ticks_are_round_and_few() -> None:
    for seconds in (0.01, 0.3, 7, 61, 3599, 86_400, 40 * 86_400, 4000 * 86_400):
        ticks = Scale(_time(0), _time(seconds)).ticks()
        assert 2 <= len(ticks) <= 11, seconds
        assert len({label for _, label in ticks}) == len(ticks)
    assert [label for _, label in Scale(_time(0), _time(300)).ticks()] == [
        *("0", "1 min", "2 min", "3 min", "4 min", "5 min")
    ]


def test_the_crowd_of_a_folded_row_is_how_many_ran_at_once() -> None:
    noted = Noted()
    noted["a/1"] = job("1", times=(0, 0, 60))
    noted["a/2"] = job("2", times=(0, 30, 60))
    heights = crowd(noted.nodes(), Scale(_time(0), _time(60)), _time(60))
    assert heights == [0.5] * 30 + [1.0] * 30


def test_hundreds_of_jobs_are_a_page_of_few_rows() -> None:
    noted = Noted()
    noted["sweep/w"] = job("1", "sweep", (0, 1, 3000), is_workflow=True)
    noted["sweep/w/tasks/count/a"] = array("5000", 300)
    for n in range(400):
        noted[f"sweep/w/tasks/train/{n:05}x"] = job(str(n + 2), "train", (n, n + 1, n + 2))
        if n < 300:
            noted[f"sweep/w/tasks/count/a/tasks/{n:03}"] = job(f"5000_{n}", times=(n, n + 1, n + 5))
    page = page_of(noted)
    assert len(page.having("row")) == 1 + 401 + 301
    assert len([attrs for attrs in page.having("row") if "open" in attrs]) == 1
    assert len(page.having("crowd")) == 2


# --- what is not on it ---------------------------------------------------------------------------


def test_it_needs_nothing_but_itself() -> None:
    html = a_run().tree().to_html()
    page = Page(html)
    assert not {"link", "img", "iframe", "object", "base"} & {tag for tag, _ in page.elements}
    for _, attrs in page.elements:
        assert not {"src", "srcset", "xlink:href"} & attrs.keys()
        assert attrs.get("href", "#").startswith("#")
    assert "http" not in re.sub(r'http-equiv="[\w-]+"', "", html)
    assert "@import" not in html
    assert "url(" not in html.replace("url(#tip)", "")


def test_its_policy_lets_no_script_run_but_its_own() -> None:
    html = a_run().tree().to_html()
    [script] = re.findall(r"<script>(.*?)</script>", html, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    [policy] = re.findall(r'Content-Security-Policy" content="([^"]*)"', html)
    assert policy == (
        f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
    )


def test_light_and_dark_are_the_readers_choice() -> None:
    html = a_run().tree().to_html()
    assert "color-scheme: light dark" in html
    assert "prefers-color-scheme: dark" in html


NASTY = st.one_of(
    st.text(),
    st.sampled_from(
        [
            *("</script><script>alert(1)</script>", "<img src=x onerror=alert(1)>", '" onclick="x'),
            *("' style='x", "</details></main>", "&lt;b&gt;", "javascript:alert(1)", "{0}{policy}"),
            *("\x00", "\ud800", "]]>", "<!--", "${1}"),
        ]
    ),
)


@given(NASTY, NASTY, NASTY)
def test_no_text_of_a_file_becomes_markup(task: str, error: str, job_id: str) -> None:
    def drawn(task: str, error: str, job_id: str, kind: str) -> Page:
        noted = Noted()
        more = {"error": error, "node": error, "status": "failed"}
        noted["sweep/w"] = {**job("w" + job_id, task, is_workflow=True), **more}
        noted["sweep/w/tasks/a/1"] = {**job("x" + job_id, task), **more}
        noted["sweep/w/tasks/b/2"] = {
            **job("3", "t" + task, after=[("x" + job_id, kind), (job_id or "4", kind)]),
            **more,
        }
        html = noted.tree().to_html()
        html.encode()
        return Page(html)

    plain, nasty = drawn("task", "error", "0", "afterany"), drawn(task, error, job_id, error)
    assert shape(nasty) == shape(plain)


def shape(page: Page) -> list[tuple[str, list[str]]]:
    """Elements and their attributes, but for those that are left out where there is nothing to say."""
    every = [(tag, attrs) for tag, attrs in page.elements if attrs.get("class") != "why"]
    return [(tag, sorted(attrs)) for tag, attrs in every if tag not in ("dt", "dd")]


def _time(seconds: float) -> datetime.datetime:
    time = at(seconds)
    assert time is not None
    return time
