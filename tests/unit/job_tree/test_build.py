"""The tree of jobs that metadata files tell of: who submitted whom, states, times, dependencies."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.helpers.counted import assert_linear
from tests.helpers.fakes import FakeBackend
from tests.helpers.noted import NOON, Noted, a_run, array, at, job
from tests.helpers.recorded import RecordFile

from slurm import Cluster, JobState
from slurm.agent.record_frames import SHARED, VALUE, encoded
from slurm.errors import RemoteFileError, RemoteFileMissing
from slurm.job_tree import JobTree, Wait, tree
from slurm.job_tree.build import build


@pytest.fixture
def noted() -> Noted:
    return Noted()


# --- from a directory ----------------------------------------------------------------------------


def test_a_workflows_directory_is_a_tree_of_what_it_submitted(tmp_path: Path) -> None:
    [workflow] = JobTree.from_dir(a_run().write(tmp_path) / "sweep" / "w").nodes
    assert (workflow.task_name, workflow.kind, workflow.path) == ("sweep", "workflow", ".")
    names = [child.task_name for child in workflow.children]
    assert names == ["prepare", "train", "train", "report", "inner"]
    inner = workflow.children[-1]
    assert [child.kind for child in inner.children] == ["array", "job"]
    assert [element.job_id for element in inner.children[0].children] == [
        "7_0",
        "7_1",
        "7_2",
        "7_3",
    ]


@pytest.mark.parametrize("below", ["", "sweep"])
def test_the_directory_of_a_task_or_of_all_jobs_is_a_tree_too(below: str, tmp_path: Path) -> None:
    noted = a_run()
    noted["sweep/x"] = job("20", "sweep", (50, 51, 52))
    tree = JobTree.from_dir(noted.write(tmp_path) / below)
    assert tree.path == str(tmp_path / below).rstrip("/")
    assert [node.job_id for node in tree.nodes] == ["1", "20"]
    assert len(list(tree.walk())) == 13
    assert sum(tree.states().values()) == 12, "an array is its elements"
    assert tree.complete


def test_an_array_s_directory_is_a_tree(tmp_path: Path) -> None:
    folder = a_run().write(tmp_path) / "sweep/w/tasks/inner/e/tasks/count/f"
    [node] = JobTree.from_dir(str(folder)).nodes
    assert (node.kind, node.count, node.state) == ("array", 4, "COMPLETED")


def test_it_was_seen_when_it_was_read(tmp_path: Path) -> None:
    assert JobTree.from_dir(a_run().write(tmp_path)).seen_at > NOON


def test_a_directory_on_a_cluster_takes_one_request(
    fake_cluster: Cluster, backend: FakeBackend
) -> None:
    backend.files = {f"/jobs/{name}": content for name, content in a_run().files.items()}
    tree = JobTree.from_dir("/jobs", cluster=fake_cluster)
    assert tree.path == "/jobs"
    assert backend.collected == ["/jobs"]
    assert len(list(tree.walk())) == 12


def test_a_directory_without_jobs_is_missing_them(tmp_path: Path) -> None:
    with pytest.raises(RemoteFileMissing, match=f"no job in {tmp_path}"):
        JobTree.from_dir(tmp_path)
    with pytest.raises(RemoteFileMissing, match="nowhere"):
        JobTree.from_dir(tmp_path / "nowhere")
    (tmp_path / "file").touch()
    with pytest.raises(RemoteFileError, match="file"):
        JobTree.from_dir(tmp_path / "file")


def test_a_directory_with_more_than_is_read_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tree, "MOST_DIRECTORIES", 4)
    assert not JobTree.from_dir(a_run().write(tmp_path)).complete


# --- states and times ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("submitted", "PENDING"),
        ("running", "RUNNING"),
        ("requeued", "REQUEUED"),
        ("completed", "COMPLETED"),
        ("failed", "FAILED"),
        ("timeout", "TIMEOUT"),
        ("out_of_memory", "OUT_OF_MEMORY"),
        ("cancelled", "CANCELLED"),
        ("unknown", "UNKNOWN"),
        ("lovely", "UNKNOWN"),
    ],
)
def test_states_are_slurm_s_words(status: str, state: str, noted: Noted) -> None:
    noted["train/a"] = job("1", status=status)
    [node] = noted.nodes()
    assert node.state == state


def test_times_are_those_of_the_files(noted: Noted) -> None:
    noted["train/a"] = job("1", times=(0, 1.5, 3))
    [node] = noted.nodes()
    assert (node.submitted, node.started, node.ended) == (at(0), at(1.5), at(3))
    assert (node.attempt, node.node) == (1, "c1")


def test_the_end_of_an_earlier_attempt_is_none_of_a_job_that_runs_again(noted: Noted) -> None:
    noted["train/a"] = {**job("1", times=(0, 5, 3), status="running"), "attempt": 2}
    noted["train/b"] = {**job("2", times=(0, 5, 3), status="completed"), "attempt": 2}
    assert [node.ended for node in noted.nodes()] == [None, None]


def test_a_job_is_killed_after_an_attempt_that_failed(noted: Noted) -> None:
    noted["train/a"] = {**job("1", times=(0, 5, 9), status="node_fail"), "completed_at": None}
    [node] = noted.nodes()
    assert (node.state, node.ended) == ("NODE_FAIL", at(9))


def test_an_error_is_told_of_a_job_that_failed(noted: Noted) -> None:
    noted["train/a"] = job("1", status="failed", error="ValueError: bad")
    noted["train/b"] = job("2", status="running", error="ValueError: of an earlier attempt")
    assert [node.error for node in noted.nodes()] == ["ValueError: bad", ""]


# --- dependencies --------------------------------------------------------------------------------


def test_dependencies_lead_to_the_jobs_they_name(noted: Noted) -> None:
    noted["a/1"] = job("1", "a")
    noted["b/1"] = job("2", "b", after=["1", ("99", "afterany")])
    _, second = noted.nodes()
    assert second.waits_for == (Wait("1", "afterok", "a/1"), Wait("99", "afterany", ""))


def test_an_element_and_its_array_can_be_waited_for(noted: Noted) -> None:
    noted["count/a"] = array("5", 3)
    noted["count/a/tasks/001"] = job("5_1", "count")
    noted["merge/a"] = job("6", "merge", (1,), after=["5", "5_1", "5_2"])
    _, merge = noted.nodes()
    assert [wait.path for wait in merge.waits_for] == ["count/a", "count/a/tasks/001", "count/a"]


def test_an_id_that_was_used_again_means_the_job_that_is_nearest(noted: Noted) -> None:
    """A scheduler that was set up anew counts from one again, under the same directory."""
    for run, begin in (("w1", 0), ("w2", 1000)):
        noted[f"sweep/{run}"] = job("1", "sweep", (begin,), is_workflow=True)
        noted[f"sweep/{run}/tasks/a/x"] = job("2", "a", (begin + 1,))
        noted[f"sweep/{run}/tasks/b/x"] = job("3", "b", (begin + 2,), after=["2"])
    paths = {node.path: node for one in noted.nodes() for node in one.walk()}
    for run in ("w1", "w2"):
        [wait] = paths[f"sweep/{run}/tasks/b/x"].waits_for
        assert wait.path == f"sweep/{run}/tasks/a/x"


# --- arrays --------------------------------------------------------------------------------------


def test_what_each_of_many_waits_for_is_found_without_looking_at_all_that_had_its_id() -> None:
    """As below a directory of several years, or of several clusters."""

    def tree_of(count: int) -> Callable[[], object]:
        noted = Noted()
        for number in range(count):
            noted[f"first/{number}"] = job("7", times=[number])
            noted[f"second/{number}"] = job(str(100 + number), after=["7"])
        return noted.nodes

    assert_linear(tree_of, 40)


def test_an_array_is_what_its_elements_are(noted: Noted) -> None:
    noted["count/a"] = array("5", 10)
    noted["count/a/tasks/000"] = job("5_0", times=(0, 2, 3))
    noted["count/a/tasks/001"] = job("5_1", times=(0, 1, 4), status="failed")
    [node] = noted.nodes()
    assert dict(node.states()) == {"COMPLETED": 1, "FAILED": 1, "PENDING": 8}
    assert (node.state, node.started, node.ended) == ("RUNNING", at(1), None)
    assert [child.task_name for child in node.children] == ["count", "count"]


def test_an_array_has_ended_with_its_last_element(noted: Noted) -> None:
    noted["count/a"] = array("5", 2)
    noted["count/a/tasks/000"] = job("5_0", times=(0, 2, 3))
    noted["count/a/tasks/001"] = job("5_1", times=(0, 1, 4), status="failed")
    [node] = noted.nodes()
    assert (node.state, node.ended) == ("FAILED", at(4))


def test_elements_that_could_not_speak_for_themselves_are_noted_with_the_array(
    noted: Noted,
) -> None:
    ends = [
        {"items": "0-1", "status": "timeout", "ended_at": "2025-03-01T12:00:09+00:00"},
        {"items": "3,5-6", "status": "cancelled", "ended_at": "2025-03-01T12:00:10+00:00"},
    ]
    noted["count/a"] = array("5", 7, ended=ends[:1])  # of an older SDK
    noted.ends("count/a", *ends[1:])
    noted["count/a/tasks/000"] = job("5_0", times=(0, 2, 3))
    noted["count/a/tasks/001"] = job("5_1", times=(0, 1), status="running")
    noted["count/a/tasks/002"] = job("5_2", times=(0, 1), status="running")
    [node] = noted.nodes()
    states = {child.job_id: child.state for child in node.children}
    assert [child.index for child in node.children] == [0, 1, 2, 3, 5, 6]
    killed = dict.fromkeys(("5_3", "5_5", "5_6"), "CANCELLED")
    assert states == {"5_0": "COMPLETED", "5_1": "TIMEOUT", "5_2": "RUNNING", **killed}
    assert node.states()[JobState.PENDING] == 1
    assert {child.path for child in node.children} >= {"count/a/tasks/003", "count/a/tasks/006"}
    assert node.children[1].ended == at(9)


def test_an_element_that_ran_again_is_no_longer_what_was_noted(noted: Noted) -> None:
    ends = [{"items": "0", "status": "node_fail", "ended_at": "2025-03-01T12:00:05+00:00"}]
    noted["count/a"] = array("5", 1)
    noted.ends("count/a", *ends)
    noted["count/a/tasks/000"] = job("5_0", times=(0, 7), status="running")
    [node] = noted.nodes()
    assert node.state == "RUNNING"


def test_an_array_in_pieces_and_packs_knows_its_elements_ids(noted: Noted) -> None:
    ends = [{"items": "0-49", "status": "cancelled", "ended_at": "2025-03-01T12:00:05+00:00"}]
    pieces = {"max_array_size": 10, "pack": 2, "job_id_1": "61", "job_id_2": "62"}
    noted["count/a"] = {**array("60", 50), **pieces}
    noted.ends("count/a", *ends)
    noted["merge/a"] = job("70", "merge", (1,), after=["60", "61", "62"])
    node, merge = noted.nodes()
    ids = [child.job_id for child in node.children]
    assert ids[:3] == ["60_0", "60_0", "60_1"]
    assert (ids[19], ids[20], ids[-1]) == ("60_9", "61_0", "62_4")
    assert {wait.path for wait in merge.waits_for} == {"count/a"}


# --- the items of packs --------------------------------------------------------------------------


def record(noted: Noted, *files: RecordFile, folder: str = "count/a") -> None:
    noted.files.update({f"{folder}/records/{one.name}": one.content for one in files})


def test_items_of_a_pack_are_known_by_their_records(noted: Noted) -> None:
    noted["count/a"] = {**array("5", 6), "pack": 3}
    first = RecordFile("5_0").value(0, "a").error(1, ValueError("no")).value(2, "c")
    record(noted, first, RecordFile("5_1").value(3, "d"))
    [node] = noted.nodes()
    assert [(child.index, child.job_id, child.state) for child in node.children] == [
        *((0, "5_0", "COMPLETED"), (1, "5_0", "FAILED"), (2, "5_0", "COMPLETED")),
        *((3, "5_1", "COMPLETED"), (4, "5_1", "RUNNING")),
    ]
    assert [(child.started, child.ended) for child in node.children] == [
        *((at(n), at(n + 0.5)) for n in range(4)),
        (at(3.5), None),
    ]
    assert [child.error for child in node.children] == ["", "ValueError: no", "", "", ""]
    assert [child.path for child in node.children[:2]] == [
        *("count/a/tasks/000", "count/a/tasks/001")
    ]
    assert {(child.attempt, child.node, child.submitted) for child in node.children} == {
        (1, "c1", at(0))
    }
    assert dict(node.states()) == {"COMPLETED": 3, "FAILED": 1, "RUNNING": 1, "PENDING": 1}


def test_a_pack_that_goes_back_shows_where_it_was(noted: Noted) -> None:
    noted["count/a"] = {**array("5", 4), "pack": 4}
    first = RecordFile("5_0").value(0, "a").share(status="requeued")
    record(noted, first)
    [node] = noted.nodes()
    assert [child.state for child in node.children] == ["COMPLETED", "REQUEUED"]
    second = RecordFile("5_0", 2, before={first.name: len(first.content)})
    record(noted, second)
    [node] = noted.nodes()
    assert [(child.state, child.attempt) for child in node.children] == [
        *(("COMPLETED", 1), ("RUNNING", 2))
    ]


def test_an_item_that_was_killed_ended_as_the_scheduler_said(noted: Noted) -> None:
    ends = [{"items": "1-2", "status": "timeout", "ended_at": "2025-03-01T12:00:05+00:00"}]
    noted["count/a"] = {**array("5", 3, ended=ends), "pack": 3}
    record(noted, RecordFile("5_0").value(0, "a"))
    [node] = noted.nodes()
    assert [(child.state, child.ended) for child in node.children] == [
        *(("COMPLETED", at(0.5)), ("TIMEOUT", at(5)), ("TIMEOUT", at(5)))
    ]


def test_a_packed_workflow_is_one_and_has_its_jobs_below_it(noted: Noted) -> None:
    noted["sweep/a"] = {**array("5", 2, "sweep"), "pack": 2, "is_workflow": True}
    noted["sweep/a/tasks/000"] = job("5_0", "sweep", (0, 0), "running", is_workflow=True)
    noted["sweep/a/tasks/000/tasks/train/b"] = job("6", times=(0.1, 0.2, 0.3))
    record(noted, RecordFile("5_0").value(0, "a").value(1, "b"), folder="sweep/a")
    [node] = noted.nodes()
    first, second = node.children
    assert (first.kind, first.state, second.state) == ("workflow", "COMPLETED", "COMPLETED")
    assert [child.job_id for child in first.children] == ["6"]


def test_packs_in_pieces_know_which_items_theirs_are(noted: Noted) -> None:
    noted["count/a"] = {**array("60", 50), "max_array_size": 10, "pack": 2, "job_id_1": "61"}
    record(noted, RecordFile("61_3"))
    [node] = noted.nodes()
    assert [(child.index, child.state) for child in node.children] == [(26, "RUNNING")]


@given(st.binary(max_size=200), st.floats(), st.dictionaries(st.text(), st.text(), max_size=3))
def test_whatever_a_record_file_holds_there_is_a_tree(
    rubbish: bytes, epoch: float, shared: dict[str, str]
) -> None:
    noted = Noted()
    noted["count/a"] = {**array("5", 3), "pack": 3}
    times, notes = (epoch, epoch, epoch), json.dumps(shared).encode()
    content = b"".join(
        [encoded(SHARED, times=times, notes=notes), encoded(VALUE, item=1, times=times), rubbish]
    )
    noted.files["count/a/records/5_0.1"] = content
    noted.files["count/b/records/5_0.1"] = content
    [node] = noted.nodes()
    assert [child.index for child in node.children if child.state == "COMPLETED"] == [1]


# --- what may be in a file -----------------------------------------------------------------------


def test_a_file_that_cannot_be_read_is_a_job_of_which_nothing_is_known(noted: Noted) -> None:
    noted.files["train/a/metadata.json"] = b'{"job_id": "1", "stat'
    noted.files["train/b/metadata.json"] = b"[1, 2]"
    nodes = noted.nodes()
    assert [(n.task_name, n.state, n.error) for n in nodes] == [
        ("train", "UNKNOWN", "metadata.json cannot be read")
    ] * 2


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
KEYS = [*array("1", 1), "ended", "error", "job_id_1", "is_workflow"]


@given(
    st.dictionaries(st.sampled_from(KEYS), anything, max_size=8),
    st.lists(
        st.fixed_dictionaries({"items": st.text("0123456789,-x"), "status": st.text()}), max_size=2
    ),
)
def test_whatever_a_file_holds_there_is_a_tree_and_drawings_of_it(
    content: dict[str, object], ended: list[dict[str, str]]
) -> None:
    noted = Noted()
    for name in ("metadata.json", "array_metadata.json"):
        noted.files[f"a/b/{name}"] = json.dumps({"ended": ended, **content}).encode()
        noted.files[f"a/b/tasks/000/{name}"] = json.dumps(content).encode()
        noted.files[f"c/d/{name}"] = json.dumps(content).encode()
    tree = noted.tree()
    assert len(tree.nodes) == 2
    assert all([tree.to_text(), tree.to_mermaid(), tree.to_html()])


def test_nothing_noted_is_no_tree() -> None:
    assert build({}) == ()
    assert build({"a/other.json": b"{}"}) == ()


def test_links_are_not_followed_out_of_the_directory(tmp_path: Path) -> None:
    jobs = a_run().write(tmp_path / "jobs")
    (jobs / "sweep" / "again").symlink_to(jobs / "sweep" / "w")
    os.symlink(jobs, jobs / "loop")
    assert len(list(JobTree.from_dir(jobs).walk())) == 12
    (tmp_path / "link").symlink_to(jobs)
    assert len(list(JobTree.from_dir(tmp_path / "link").walk())) == 12
