"""What a notebook shows of jobs, arrays, clusters and trees: escaped, without asking or submitting anything."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from tests.helpers.fakes import FakeBackend, job_on
from tests.helpers.noted import a_run

from slurm import Cluster, Job, task
from slurm.job_tree import cards, markup
from slurm.states import JobState, JobStatus

SHARP = "<script>alert('x')</script>&\x1b[31m"


class Page(HTMLParser):
    """Collects text and tags; fails where tags do not fit together."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.text = ""
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.open.append(tag)
        self.tags.add(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def shown(thing: Any) -> str:
    return Page(thing._repr_html_()).text


@task
def double(number: int) -> int:
    return 2 * number


def test_a_job_shows_why_it_waits_and_how_it_ended(
    fake_cluster: Cluster, backend: FakeBackend
) -> None:
    backend.say("7", "PENDING", reason="Resources")
    job: Job[Any] = job_on(fake_cluster, "7")
    job.get_status()
    assert "PENDING (Resources)" in shown(job)
    assert job.job_dir in shown(job)
    assert shown(job).startswith(f"Job 7 {job.task_name}")
    backend.finish(job, 42)
    assert job.get_result(240) == 42
    assert "COMPLETED" in shown(job)


def test_an_array_that_is_not_submitted_says_so_and_stays_so(fake_cluster: Cluster) -> None:
    with fake_cluster:
        array = double.map([1, 2, 3])
        assert "not submitted yet" in shown(array)
        assert not array.is_submitted


def test_an_array_shows_its_progress(local: Cluster) -> None:
    array = double.map([1, None, 3], pack=3)
    array.wait(240)
    page = array._repr_html_()
    assert "3/3: 2 COMPLETED, 1 FAILED" in Page(page).text
    assert re.findall(r"width:([\d.]+)%", page) == ["66.67", "33.33"]
    assert array.job_dir in Page(page).text
    assert 'href="file:///' in page


def test_a_cluster_shows_where_jobs_go_and_whether_it_is_active(tmp_path: Path) -> None:
    cluster = Cluster("ssh", hostname="hpc", submit={"account": "physics"}, job_base_dir="~/x")
    for words in ("Cluster hpc", "backendssh", "~/x", "account=physics", "activeno"):
        assert words in shown(cluster)
    with cluster:
        assert "activehere" in shown(cluster)
    cluster.close()
    assert "activeclosed" in shown(cluster)


def test_a_tree_is_a_line_and_in_a_notebook_a_drawing() -> None:
    tree = a_run().tree()
    assert repr(tree).startswith("<JobTree /jobs/sweep: ")
    assert "\n" not in repr(tree)
    page = Page(tree._repr_html_())
    assert tree.to_text() in page.text
    assert "pre" in page.tags


@pytest.mark.parametrize(
    "html",
    [
        cards.card(SHARP, [(SHARP, markup.escaped(SHARP))]),
        cards.state_in_words(JobStatus(reason=SHARP)),
        cards.state_in_words(JobStatus(JobState.FAILED, True, exit_code=SHARP)),
        cards.path(f"/{SHARP}", is_here=True),
        cards.path(f"/{SHARP}", is_here=False),
        cards.drawing(SHARP),
    ],
)
def test_nothing_that_is_shown_is_markup(html: str) -> None:
    assert "script" not in Page(html).tags
    assert "<script" not in html


def test_a_bar_has_a_part_for_each_kind() -> None:
    counts = {JobState.COMPLETED: 5, JobState.FAILED: 2, JobState.RUNNING: 1}
    bar = cards.progress(counts, 10)
    colours = re.findall(r"width:([\d.]+)%;background:(#\w+)", bar)
    kinds = ("completed", "failed", "running")
    assert colours == [
        (width, cards.COLOURS[kind]) for width, kind in zip(("50", "20", "10"), kinds)
    ]
    assert bar.endswith("7/10: 5 COMPLETED, 2 FAILED, 2 PENDING, 1 RUNNING")


def test_an_empty_array_has_nothing_to_do(fake_cluster: Cluster) -> None:
    with fake_cluster:
        assert "nothing to do" in shown(double.map([]))
