"""What the queue, the accounts and the jobs' directories tell, as one list."""

from __future__ import annotations

import json
from typing import Any

import fastjsonschema
import pytest

from slurm.api.job_listing import JobListing
from slurm.cli.schemas import schema
from slurm.job_list import ListedJob, jobs_in
from slurm.job_list.as_json import as_json
from slurm.states import JobState

NOW = 10_000.0
NAME = "20260218_160045_0a1b2c3d"
PATH = f"/jobs/train/{NAME}"
SCRIPT = f"{PATH}/job.sh"


def row(job_id: str, state: str, **more: Any) -> dict[str, Any]:
    about = {
        "job_id": job_id,
        "state": state,
        "name": "train",
        "submitted": "9000",
        "script": "/home/me/plain.sh",
    }
    return {**about, **more}


def noted(path: str = PATH, **more: Any) -> dict[str, Any]:
    about = {
        "path": path,
        "ids": ["12"],
        "task_name": "train",
        "token": "c0ffee",
        "status": "submitted",
    }
    return {**about, "timestamp": "1970-01-01T02:30:00+00:00", **more}  # 9000


def only(listing: JobListing, **how: bool) -> ListedJob:
    [job] = jobs_in(listing, **how)
    return job


# --- who a row is about --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("about", "is_ours"),
    [
        ({"script": SCRIPT}, True),
        ({"script": f"sbatch --parsable --mem=1G {SCRIPT}"}, True),
        ({"script": "/tmp/copy.sh", "comment": "c0ffee and more"}, True),
        ({"script": "/tmp/copy.sh", "cwd": PATH}, True),
        ({"script": "", "cwd": "/home/me"}, True),
        ({"script": "", "cwd": "/home/me", "submitted": "1000"}, False),
        ({"script": "/tmp/plain.sh", "cwd": "/home/me"}, False),
        ({"script": "/jobs/train/20260218_160045_ffffffff/plain.sh"}, False),
    ],
    ids=[
        "script",
        "command line",
        "token",
        "directory",
        "id and time",
        "id alone",
        "plain",
        "beside",
    ],
)
def test_a_job_is_ours_by_where_it_came_from_and_never_by_its_id_alone(
    about: dict[str, Any], is_ours: bool
) -> None:
    jobs = jobs_in(JobListing(NOW, [row("12", "RUNNING", **about)], noted=[noted()]))
    found = next(job for job in jobs if job.state == "RUNNING")
    assert (found.ours, found.directory) == ((True, PATH) if is_ours else (False, ""))
    assert len(jobs) == (1 if is_ours else 2)


def test_a_job_whose_directory_is_gone_is_still_ours() -> None:
    job = only(JobListing(NOW, [row("12", "RUNNING", script=SCRIPT)]))
    assert (job.ours, job.task, job.directory) == (True, "train", PATH)


def test_an_id_that_was_used_again_is_two_jobs() -> None:
    old = noted(status="completed", completed_at="1970-01-01T02:31:00+00:00")
    plain, ours = jobs_in(JobListing(NOW, [row("12", "PENDING", submitted="100")], noted=[old]))
    assert (plain.ours, plain.state, ours.ours, ours.state) == (False, "PENDING", True, "COMPLETED")


# --- whom to believe -----------------------------------------------------------------------------


def test_the_queue_is_believed_before_accounts_and_those_before_what_was_noted() -> None:
    queue = [row("12", "RUNNING", script=SCRIPT)]
    accounts = [row("12", "PENDING", script=SCRIPT)]
    assert only(JobListing(NOW, queue, accounts, [noted()])).state == "RUNNING"
    accounts = [row("12", "FAILED", script=SCRIPT, exit_code="3:0")]
    failed = only(JobListing(NOW, [], accounts, [noted(status="running")]))
    assert (failed.state, failed.exit_code) == ("FAILED", "3:0")


def test_what_a_job_noted_itself_tells_of_its_end_where_nobody_else_does() -> None:
    times = {"started_at": "1970-01-01T02:30:10+00:00", "completed_at": "1970-01-01T02:31:00+00:00"}
    job = only(JobListing(NOW, noted=[noted(status="completed", node="c1", **times)]))
    assert (job.state, job.node, job.started, job.ended, job.elapsed) == (
        "COMPLETED",
        "c1",
        9010.0,
        9060.0,
        50.0,
    )
    assert only(JobListing(NOW, noted=[noted(status="running")])).state == "UNKNOWN"


def test_what_was_prepared_and_never_submitted_is_no_job() -> None:
    assert jobs_in(JobListing(NOW, noted=[noted(ids=[])])) == []


def test_accounts_may_have_a_job_as_going_on_that_the_controller_has_forgotten() -> None:
    job = only(JobListing(NOW, [], [row("7", "RUNNING", submitted="100")]))
    assert (job.state, job.reason, job.live) == ("UNKNOWN", "RunawayJob", False)
    assert only(JobListing(NOW, [], [row("7", "PENDING", submitted="9999")])).state == "PENDING"


def test_a_job_that_waits_says_why_and_when_it_may_start() -> None:
    waits = row("7", "PENDING", reason="Resources", start="12000", end="15600")
    job = only(JobListing(NOW, [waits]))
    assert (job.reason, job.may_start, job.started, job.ended) == ("Resources", 12000.0, None, None)
    runs = only(JobListing(NOW, [row("7", "RUNNING", reason="None", start="9500", end="13100")]))
    assert (runs.reason, runs.elapsed, runs.ended) == ("", 500.0, None)


# --- arrays --------------------------------------------------------------------------------------


def array(**more: Any) -> dict[str, Any]:
    return noted(array=True, count=100, pack=1, max_array_size=1001, **more)


def test_an_array_is_one_row_with_how_many_are_in_which_state() -> None:
    queue = [row("12_[80-99%5]", "PENDING", script=SCRIPT, reason="JobArrayTaskLimit")]
    accounts = [
        row(f"12_{task}", "COMPLETED", script=SCRIPT, start="9100", end="9200")
        for task in range(80)
    ]
    job = only(JobListing(NOW, queue, accounts, [array()]))
    assert (job.job_id, job.kind, job.state, job.live) == ("12_[0-99]", "array", "RUNNING", True)
    assert job.states == {"COMPLETED": 80, "PENDING": 20}
    assert (job.reason, job.started, job.elapsed) == ("JobArrayTaskLimit", 9100.0, 900.0)
    each = jobs_in(JobListing(NOW, queue, accounts, [array()]), elements=True)
    assert sorted(one.job_id for one in each) == sorted(f"12_{task}" for task in range(100))
    assert {one.kind for one in each} == {"element"}


def test_elements_of_a_plain_array_are_put_together_as_well() -> None:
    queue = [row("7_0", "RUNNING"), row("7_1", "RUNNING"), row("7_[2-9:2]", "PENDING")]
    job = only(JobListing(NOW, queue))
    assert (job.job_id, job.ours) == ("7_[0-2,4,6,8]", False)
    assert job.states == {"PENDING": 4, "RUNNING": 2}


def test_accounts_tell_of_the_elements_that_the_queue_has_forgotten() -> None:
    queue = [row("7_1", "RUNNING"), row("7_2", "COMPLETED")]
    accounts = [
        row("7_0", "FAILED"),
        row("7_1", "RUNNING"),
        row("7_2", "COMPLETED"),
        row("7_[3-4]", "CANCELLED"),
    ]
    job = only(JobListing(NOW, queue, accounts))
    assert job.states == {"CANCELLED": 2, "RUNNING": 1, "COMPLETED": 1, "FAILED": 1}


def test_without_accounts_the_items_tell_how_they_ended() -> None:
    items = {"completed": list(range(50)), "failed": [50, 51]}
    ended = [{"items": "52-53", "status": "cancelled"}]
    job = only(
        JobListing(
            NOW,
            [row("12_[60-99]", "PENDING", script=SCRIPT)],
            None,
            [array(items=items, ended=ended)],
        )
    )
    assert job.states == {"COMPLETED": 50, "PENDING": 40, "UNKNOWN": 6, "FAILED": 2, "CANCELLED": 2}


def test_tasks_that_were_cancelled_in_the_queue_have_one_row_without_numbers() -> None:
    queue = [row("12", "CANCELLED", script=SCRIPT), row("12_0", "RUNNING", script=SCRIPT)]
    accounts = [row("12_[1,3]", "CANCELLED", script=SCRIPT)]
    job = only(JobListing(NOW, queue, accounts, [array()]))
    assert job.states == {"CANCELLED": 99, "RUNNING": 1}
    assert only(JobListing(NOW, [row("7", "CANCELLED")], [row("7_[0,3]", "CANCELLED")])).states == {
        "CANCELLED": 2
    }


def test_a_pack_is_as_its_worst_item_and_an_array_of_several_submissions_is_one() -> None:
    items = {"completed": [0, 1, 2], "failed": [3], "running": [4]}
    packed = noted(array=True, count=6, pack=2, max_array_size=1001, items=items)
    assert only(JobListing(NOW, noted=[packed])).states == {
        "COMPLETED": 1,
        "FAILED": 1,
        "UNKNOWN": 1,
    }
    pieces = noted(array=True, count=25, pack=1, max_array_size=11, ids=["12", "13", "14"])
    job = only(JobListing(NOW, [row("13_[0-9]", "PENDING", script=SCRIPT)], noted=[pieces]))
    assert job.states == {"UNKNOWN": 15, "PENDING": 10}
    assert job.job_id == "13_[0-9],12_[0-9],14_[0-4]"


def test_workflows_name_their_jobs() -> None:
    parent = noted(is_workflow=True)
    child = noted(
        f"{PATH}/tasks/fit/20260218_160046_0a1b2c3e",
        ids=["13"],
        task_name="fit",
        parent_workflow="12",
    )
    rows = [
        row("12", "RUNNING", script=SCRIPT),
        row("13", "PENDING", submitted="9001", script=f"{child['path']}/job.sh"),
    ]
    first, second = jobs_in(JobListing(NOW, rows, noted=[child, parent]))
    assert (first.kind, first.task, second.task, second.workflow) == (
        "workflow",
        "train",
        "fit",
        "12",
    )


def test_the_last_submitted_is_the_last() -> None:
    rows = [
        row("9", "RUNNING", submitted="300"),
        row("10", "RUNNING", submitted="300"),
        row("7", "RUNNING", submitted="400"),
    ]
    assert [job.job_id for job in jobs_in(JobListing(NOW, rows))] == ["9", "10", "7"]


def test_json_is_as_its_schema_says() -> None:
    queue = [
        row("12_[0-99]", "PENDING", script=SCRIPT),
        row("7", "RUNNING", start="9500", node="c1", nodes="1", cpus="2"),
    ]
    said = as_json(jobs_in(JobListing(NOW, queue, noted=[array()])), "/jobs", "no answer")
    fastjsonschema.compile(schema("jobs-list"))(json.loads(json.dumps(said)))
    assert [one["kind"] for one in said["jobs"]] == ["job", "array"]
    assert said["jobs"][1]["states"] == {"PENDING": 100}
    del said["jobs"][0]["state"]
    with pytest.raises(fastjsonschema.JsonSchemaValueException):
        fastjsonschema.compile(schema("jobs-list"))(said)


def test_states_compare_as_words() -> None:
    assert only(JobListing(NOW, [row("7", "CANCELLED by 1000")])).state is JobState.CANCELLED
