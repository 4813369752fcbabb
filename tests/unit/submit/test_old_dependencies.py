"""What depends on jobs that ended long ago, whose ids may be others' by now. The scheduler is a fake."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.helpers.fakes import DEADLINE, FakeBackend, job_on

from slurm import ArrayJob, Cluster, Job, task
from slurm.errors import DependencyFailed, SubmissionError, TransportError
from slurm.job_dir.paths import ArrayDirectory
from slurm.sbatch.array_layout import ArrayLayout
from slurm.sbatch.dependency import DependencyClause, Verdict, judged, option_of
from slurm.task import SlurmTask
from slurm.tracking import record
from slurm.tracking.submitted_array import SubmittedArray

STRANGER = "somebody|/home/else/job.sh|/home/else"


@task
def train(value: Any = None) -> Any:
    return value


@pytest.fixture
def active(fake_cluster: Cluster) -> Iterator[Cluster]:
    with fake_cluster:
        yield fake_cluster


@pytest.fixture
def long_ago(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever was heard was heard long ago."""
    monkeypatch.setattr(record, "SURE_OF_ID", 0.0)


def dependency(backend: FakeBackend) -> str:
    """What the last submission asked for."""
    return backend.requests[-1].submit_options.get("dependency", "")


def found(active: Cluster, backend: FakeBackend, status: str, said: str = "") -> Job[Any]:
    content = {"token": "t7", "job_id": "7", "task_name": "train", "status": status}
    backend.files["/jobs/7/metadata.json"] = json.dumps(content).encode()
    origin = STRANGER if said == "STRANGER" else "t7|/jobs/7/job.sh|/jobs/7"
    if said:
        state = "RUNNING" if said == "STRANGER" else said
        backend.say("7", state, origin=origin)
    return Job.from_dir("/jobs/7", active)


def array_of(
    active: Cluster, backend: FakeBackend, *states: str, ids: tuple[str, ...] = ("50",)
) -> ArrayJob[Any]:
    """An array that was found again, whose elements ended so, by their own word."""
    for item, status in enumerate(states):
        path = f"/jobs/a/tasks/{item:03}/metadata.json"
        backend.files[path] = json.dumps({"status": status}).encode()
    layout = ArrayLayout(len(states), 1, backend.max_array_size)
    state = SubmittedArray(ids, ArrayDirectory("/jobs/a"), layout, "ta", reattached=True)
    array: ArrayJob[Any] = active.submitter.array_of("train", state)
    return array


Bind = Callable[..., SlurmTask[..., Any]]
BOUND: dict[str, Bind] = {
    "after": train.after,
    "afterany": train.afterany,
    "afternotok": train.afternotok,
}
MET = [
    ("completed", "after"),
    ("completed", "afterany"),
    ("failed", "afterany"),
    ("timeout", "afternotok"),
]
BROKEN = [("failed", "after"), ("cancelled", "after"), ("completed", "afternotok")]


@pytest.mark.parametrize("said", ["", "STRANGER"], ids=["forgotten", "its id is another's"])
@pytest.mark.parametrize(("status", "kind"), MET)
def test_a_job_that_ended_as_it_had_to_is_not_named(
    status: str, kind: str, said: str, active: Cluster, backend: FakeBackend
) -> None:
    job = found(active, backend, status, said)
    BOUND[kind](job)()
    assert dependency(backend) == ""
    assert backend.queries == []
    about = json.loads(backend.requests[-1].files["metadata.json"])
    assert [one["job_id"] for one in about["dependencies"]] == ["7"], "it is told of all the same"


@pytest.mark.parametrize("said", ["", "STRANGER"], ids=["forgotten", "its id is another's"])
@pytest.mark.parametrize(("status", "kind"), BROKEN)
def test_a_job_that_did_not_is_refused_at_once(
    status: str, kind: str, said: str, active: Cluster, backend: FakeBackend
) -> None:
    job = found(active, backend, status, said)
    text = rf"train was not submitted: .*job 7 \(train\), and job 7( \(train\))? ended as {status.upper()}"
    with pytest.raises(DependencyFailed, match=text) as raised:
        BOUND[kind](job)()
    assert raised.value.root_job_id == "7"
    assert backend.requests == []


def test_as_an_argument_it_is_no_other(active: Cluster, backend: FakeBackend) -> None:
    train(found(active, backend, "completed"))
    assert dependency(backend) == ""
    backend.files.clear()
    failed = found(active, backend, "failed")
    with pytest.raises(DependencyFailed):
        train([failed])


def test_a_found_job_that_goes_on_is_named_and_confirmed_once(
    active: Cluster, backend: FakeBackend
) -> None:
    job = found(active, backend, "running", "RUNNING")
    train.after(job)()
    assert backend.queries[0] == ["7"]
    # The tracker goes on asking, in its own time; who submits is not to.
    backend.query_error = TransportError("nobody is to be asked")
    train.after(job)()
    assert dependency(backend) == "afterok:7"


def test_a_job_that_goes_on_nowhere_while_its_id_is_anothers_is_no_dependency(
    active: Cluster, backend: FakeBackend
) -> None:
    job = found(active, backend, "running", "STRANGER")
    with pytest.raises(SubmissionError, match="another job's now"):
        train.after(job)()
    assert backend.requests == []


def test_a_job_of_this_client_that_nothing_was_heard_of_lately_is_confirmed(
    active: Cluster, backend: FakeBackend, long_ago: None
) -> None:
    """The laptop slept: the job has ended, and its id is another's."""
    backend.say("1", "RUNNING", origin=STRANGER)
    first = train()
    with pytest.raises(SubmissionError, match="another job's now"):
        train.after(first)()
    backend.say("2", "COMPLETED")
    second = train()
    assert second.id == "2"
    train.after(second)()
    assert dependency(backend) == ""


def test_fresh_jobs_cost_no_question(active: Cluster, backend: FakeBackend) -> None:
    backend.query_error = TransportError("nobody is to be asked")
    first = train()
    for _ in range(20):
        train.after(first)()
    assert dependency(backend) == f"afterok:{first.id}"


def test_a_failure_of_just_now_is_the_schedulers_to_judge(
    active: Cluster, backend: FakeBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It remembers the job; so a race with its end makes no difference to a program."""
    monkeypatch.setattr(record, "SURE_OF_ID", 1e9)
    job = job_on(active, "7")
    backend.finish(job, ValueError("no"))
    assert job.wait(DEADLINE)
    train.after(job)()
    assert dependency(backend) == "afterok:7"
    monkeypatch.setattr(record, "SURE_OF_ID", 0.0)
    with pytest.raises(DependencyFailed, match=r"job 7 ended as FAILED: ValueError: no"):
        train.after(job)()


def test_where_nobody_answers_what_is_known_has_to_do(
    active: Cluster, backend: FakeBackend, long_ago: None
) -> None:
    backend.query_error = TransportError("no route to host")
    first = train()
    train.after(first)()
    assert dependency(backend) == f"afterok:{first.id}"


@pytest.mark.parametrize(
    ("kind", "states", "wanted"),
    [
        ("after", ["completed", "completed"], ""),
        ("after", ["completed", "failed"], None),
        ("afterany", ["completed", "failed"], ""),
        ("afternotok", ["completed", "failed"], ""),
        ("afternotok", ["completed", "completed"], None),
        ("after", ["completed", "running"], "afterok:50"),
        ("afterany", ["failed", "running"], "afterany:50"),
    ],
)
def test_arrays_that_ended_are_judged_as_a_whole(
    kind: str, states: list[str], wanted: str | None, active: Cluster, backend: FakeBackend
) -> None:
    backend.say("50_1", "RUNNING")
    array = array_of(active, backend, *states)
    if wanted is None:
        with pytest.raises(DependencyFailed, match=r"job 50_\d"):
            BOUND[kind](array)()
        assert backend.requests == []
    else:
        BOUND[kind](array)()
        assert dependency(backend) == wanted


def test_of_an_array_in_pieces_only_those_that_go_on_are_named(
    active: Cluster, backend: FakeBackend
) -> None:
    backend.max_array_size = 10
    backend.say("51_0", "RUNNING")
    array = array_of(active, backend, *["completed"] * 10, "running", ids=("50", "51"))
    train.after(array)()
    assert dependency(backend) == "afterok:51"


def test_pairs_of_elements_that_ended(active: Cluster, backend: FakeBackend) -> None:
    """An element that takes the result of its counterpart sees on the node whether it has one."""
    train.aftercorr(array_of(active, backend, "completed", "completed")).map([1, 2]).submit()
    assert dependency(backend) == ""
    mixed = array_of(active, backend, "completed", "failed")
    train.map(mixed.jobs).submit()
    assert dependency(backend) == ""
    submitted = len(backend.requests)
    with pytest.raises(DependencyFailed, match=r"aftercorr of job 50_1 \(train\)"):
        train.aftercorr(mixed).map([1, 2]).submit()
    assert len(backend.requests) == submitted


def test_a_dry_run_asks_nobody_and_names_what_it_would(
    active: Cluster, backend: FakeBackend, long_ago: None
) -> None:
    first = train()
    shown = active.dry_run(train.after(first))
    assert shown.submit_options["dependency"] == f"afterok:{first.id}"


@pytest.mark.parametrize(
    ("kind", "ends", "verdict"),
    [
        ("afterok", [None], "OPEN"),
        ("afterok", [True, True], "MET"),
        ("afterok", [True, False, None], "BROKEN"),
        ("afterany", [True, None], "OPEN"),
        ("afterany", [False, True], "MET"),
        ("afternotok", [False, None], "OPEN"),
        ("afternotok", [False, True], "MET"),
        ("afternotok", [True, True], "BROKEN"),
        ("aftercorr", [False, None], "OPEN"),
        ("aftercorr", [False, True], "BROKEN"),
        ("aftercorr", [True, True], "MET"),
    ],
)
def test_verdicts(kind: str, ends: list[bool | None], verdict: str) -> None:
    assert judged(kind, ends) is Verdict[verdict]


def test_pieces_keep_their_places_where_some_are_done() -> None:
    clause = DependencyClause("aftercorr", ("50", "51"), frozenset({"50"}))
    assert [option_of([clause], piece=piece) for piece in (0, 1)] == ["", "aftercorr:51"]
