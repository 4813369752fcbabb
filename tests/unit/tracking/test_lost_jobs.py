"""Jobs that the controller has forgotten: they end, and are not taken for others that get their ids.

The backend is a fake that says what a test has it say.
"""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest
from tests.helpers import scheduler_on_disk as disk
from tests.helpers.fakes import DEADLINE, FakeBackend, job_of, job_on, tracker_of

from slurm import Cluster, Job, states, task
from slurm.agent.agent import Agent
from slurm.api.slurm_cli import InProcessBackend
from slurm.errors import JobLost, SchedulerUnreachable, SubmissionError
from slurm.job_dir.result import dump_envelope, value_envelope
from slurm.states import JobState, Observation
from slurm.tracking.record import JobRecord
from slurm.tracking.reused_ids import mark_of
from slurm.tracking.scheduler_answers import MissingTimes

SOON = 0.05  # seconds, in the place of the minutes after which a job is lost
ANOTHERS = "0ff1ce|/jobs/other/job.sh|/jobs/other"


@task
def twice(number: int) -> int:
    return 2 * number


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(states, "LOST_AFTER", SOON)


def look(job: Job[Any], backend: FakeBackend, times: int = 3) -> None:
    """Wait until the client has asked about the job so often."""
    asked = len(backend.queries)
    backend.wait_until(lambda: len(backend.queries) > asked + times)


# --- ids that are other jobs' by now ---------------------------------------------------------------


def test_the_states_of_a_job_that_got_the_id_are_not_those_of_the_one_that_had_it(
    fake_cluster: Cluster, backend: FakeBackend
) -> None:
    backend.say("7", "RUNNING", origin="tok7|/jobs/7/job.sh|/jobs/7", node="c1")
    job = job_on(fake_cluster, "7", token="tok7")
    assert job.get_status() == "RUNNING"
    for source, state in [
        *[("squeue", state) for state in ("PENDING", "RUNNING", "FAILED", "NODE_FAIL")],
        ("sacct", "FAILED"),
    ]:
        backend.say("7", state, source=source, origin=ANOTHERS, node="c2", exit_code="1:0")
        look(job, backend)
        assert (job.status.state, job.status.node, job.done()) == ("RUNNING", "c1", False)
        assert job.status.reused
    backend.finish(job, 5)
    assert job.get_result(DEADLINE) == 5


def test_both_jobs_of_an_id_go_their_own_ways(
    fake_cluster: Cluster, backend: FakeBackend, soon: None
) -> None:
    backend.say("7", "RUNNING", origin="new7|/jobs/new/job.sh|/jobs/new")
    old = job_on(fake_cluster, "7", token="old7")
    new = job_of(fake_cluster, "7", job_dir="/jobs/new", token="new7")
    fake_cluster.operations.watch(new.records)
    assert isinstance(old.exception(DEADLINE), JobLost)
    assert (new.done(), new.get_status()) == (False, "RUNNING")
    backend.finish(new, 5)
    assert new.get_result(DEADLINE) == 5
    backend.wait_until(lambda: bool(backend.ends))
    assert [(end["path"], end["status"]) for end in backend.ends] == [
        ("/jobs/7/metadata.json", "unknown")
    ]


def test_a_job_whose_id_was_given_away_says_so(
    fake_cluster: Cluster, backend: FakeBackend, soon: None
) -> None:
    backend.say("7", "COMPLETED", origin=ANOTHERS)
    job = job_on(fake_cluster, "7", token="tok7")
    with pytest.raises(
        JobLost, match=r"job 7 \(train\) is lost: .*given its id to another"
    ) as caught:
        job.get_result(DEADLINE)
    assert "submit it again" in str(caught.value)
    assert (caught.value.state, caught.value.job_dir) == ("UNKNOWN", "/jobs/7")
    assert backend.usage_queries == [], "what is on record is the other job's"


@pytest.mark.parametrize("pack", [1, 2])
def test_elements_of_an_array_whose_id_was_given_away(
    pack: int, fake_cluster: Cluster, backend: FakeBackend, soon: None
) -> None:
    with fake_cluster:
        array = twice.map([1, 2], pack=pack).submit()
    own, path = backend.requests[0].token, array.job_dir
    for job in array:
        backend.say(job.id, "RUNNING", origin=f"{own}|{path}/job.sh|{path}")
    assert [job.get_status() for job in array] == ["RUNNING", "RUNNING"]
    for job in array:
        backend.say(job.id, "COMPLETED", origin=ANOTHERS)
    assert [type(job.exception(DEADLINE)) for job in array] == [JobLost, JobLost]


def test_every_submission_of_an_array_is_known_by_its_own_token_and_script(
    fake_cluster: Cluster, backend: FakeBackend
) -> None:
    backend.max_array_size = 2
    with fake_cluster:
        array = twice.map(range(5)).submit()
    assert len(backend.requests) > 1
    for number, request in zip(array.ids, backend.requests):
        script = f"{request.job_dir}/{request.script}"
        for job in array:
            own = job.id.startswith(f"{number}_")
            assert mark_of(*job.records).matches(f"{request.token}|(null)|/home/me") is own
            assert mark_of(*job.records).matches(f"|{script}|/home/me") is own


def test_what_got_the_id_is_not_cancelled(
    fake_cluster: Cluster, backend: FakeBackend, caplog: pytest.LogCaptureFixture
) -> None:
    backend.say("7", "PENDING", origin=ANOTHERS, reason="DependencyNeverSatisfied")
    job = job_of(fake_cluster, "7", token="tok7")
    with caplog.at_level(logging.WARNING, "slurm"):
        job.cancel()
    [said] = caplog.messages
    assert "<Job 7 train PENDING> is not cancelled: its id is another job's now" in said
    fake_cluster.operations.watch(job.records)
    look(job, backend)
    assert backend.cancelled == []


def test_an_array_that_got_the_id_is_not_cancelled(
    fake_cluster: Cluster, backend: FakeBackend
) -> None:
    """Slurm names its elements, and no job of that id."""
    job = job_of(fake_cluster, "7", token="tok7")
    job.cancel()
    assert backend.cancelled == []


def test_nothing_waits_for_what_got_the_id(fake_cluster: Cluster, backend: FakeBackend) -> None:
    backend.say("7", "RUNNING", origin=ANOTHERS)
    job = job_on(fake_cluster, "7", token="tok7")
    look(job, backend)
    with fake_cluster, pytest.raises(SubmissionError, match=r"job 7 \(train\).*another job's now"):
        twice.after(job)(1)
    assert backend.requests == []


def test_an_id_leads_to_the_job_that_got_it_last(
    base: Path, scheduler: disk.SchedulerOnDisk
) -> None:
    def submit(name: str) -> None:
        about = json.dumps({"token": name, "task_name": "train"}).encode()
        request = disk.request_for(base, name, token=name)
        request = request._replace(files={**request.files, "metadata.json": about})
        [answer] = disk.submit(scheduler, base, request)
        assert answer.job_id == "101"

    submit("f1")
    scheduler.path.unlink()  # the controller was killed before it wrote that down
    submit("f2")
    cluster = Cluster(InProcessBackend(Agent(scheduler)), job_base_dir=base)
    assert cluster.get_job("101").job_dir == f"{base}/train/f2"
    earlier = Job.from_dir(f"{base}/train/f1", cluster)
    assert (earlier.id, *[one.token for one in earlier.records]) == ("101", "f1")


# --- runaway jobs ----------------------------------------------------------------------------------


@pytest.mark.parametrize("state", ["PENDING", "RUNNING"])
def test_a_job_that_only_accounts_know_as_going_on_is_lost_after_a_while(
    state: str, fake_cluster: Cluster, backend: FakeBackend, soon: None
) -> None:
    backend.say("7", state, source="sacct")
    job = job_on(fake_cluster, "7")
    with pytest.raises(JobLost, match=r"job 7 \(train\) is lost: .*sacctmgr show runawayjobs"):
        job.get_result(DEADLINE)
    assert job.status.state == "UNKNOWN"
    assert backend.usage_queries == [], "what is on record goes on and on"


def test_its_result_is_believed_until_then(fake_cluster: Cluster, backend: FakeBackend) -> None:
    backend.say("7", "RUNNING", origin=ANOTHERS)
    job = job_on(fake_cluster, "7", token="tok7")
    look(job, backend)
    assert not job.done()
    backend.files["/jobs/7/result.pkl"] = dump_envelope(value_envelope(5, 1))
    assert job.get_result(DEADLINE) == 5


def test_accounts_that_tell_the_end_in_time_are_believed(
    fake_cluster: Cluster, backend: FakeBackend
) -> None:
    backend.say("7", "RUNNING", source="sacct")
    job = job_on(fake_cluster, "7")
    look(job, backend)
    backend.say("7", "TIMEOUT", source="sacct")
    assert job.wait(DEADLINE)
    assert job.status.state == "TIMEOUT"


# --- for how long ----------------------------------------------------------------------------------

MISSING = Observation("7", "sacct", JobState.RUNNING)
THERE = Observation("7", "squeue", JobState.RUNNING)


@pytest.fixture
def lone(fake_cluster: Cluster) -> JobRecord:
    """A job that nobody watches."""
    [record] = job_of(fake_cluster, "7").records
    return record


def test_a_job_is_missing_from_the_first_answer_that_misses_it(lone: JobRecord) -> None:
    absences = MissingTimes()
    looks = [(THERE, 100.0), *((MISSING, at) for at in (105.0, 110.0, 115.0))]
    seen = [next(absences.timed([(lone, one)], at))[1].missing_for for one, at in looks]
    assert seen == [0.0, 0.0, 5.0, 10.0]


def test_a_job_that_is_seen_again_is_missing_anew(lone: JobRecord) -> None:
    absences = MissingTimes()
    looks = [(MISSING, 100.0), (MISSING, 500.0), (THERE, 600.0), (MISSING, 700.0), (MISSING, 705.0)]
    seen = [next(absences.timed([(lone, one)], at))[1].missing_for for one, at in looks]
    assert seen == [0.0, 400.0, 0.0, 0.0, 5.0]


def test_what_passes_while_nobody_answers_does_not_count(lone: JobRecord) -> None:
    absences = MissingTimes()
    list(absences.timed([(lone, MISSING)], 100.0))
    list(absences.timed([(lone, MISSING)], 105.0))
    absences.no_answer()
    [(_, one)] = absences.timed([(lone, MISSING)], 9000.0)
    assert one.missing_for == 5.0
    [(_, one)] = absences.timed([(lone, MISSING)], 9001.0)
    assert one.missing_for == 6.0


def test_a_controller_that_is_away_makes_no_job_a_lost_one(
    fake_cluster: Cluster, backend: FakeBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr(tracker_of(fake_cluster)._answers, "_clock", lambda: now[0])
    backend.say("7", "RUNNING", source="sacct")
    job = job_on(fake_cluster, "7")
    look(job, backend)
    backend.query_error = SchedulerUnreachable("no answer")
    look(job, backend)
    now[0] = 1e6
    look(job, backend)
    backend.query_error = None
    look(job, backend)
    assert not job.done()
    now[0] += 600
    with pytest.raises(JobLost):
        job.get_result(DEADLINE)
