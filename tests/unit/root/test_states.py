"""Job states: what each of Slurm's words means for a job."""

from __future__ import annotations

import functools
import itertools
from typing import Any

import hypothesis
import hypothesis.strategies as st
import pytest

from slurm.states import JobState, JobStatus, Observation, parse_state, reduce
from slurm.tracking.reused_ids import JobMark

ENDS = "COMPLETED FAILED CANCELLED TIMEOUT DEADLINE OUT_OF_MEMORY REVOKED"
ENDS_ONCE_IT_STAYS = "NODE_FAIL BOOT_FAIL PREEMPTED LAUNCH_FAILED RECONFIG_FAIL"
GOES_ON = """PENDING CONFIGURING RUNNING COMPLETING SUSPENDED STOPPED SIGNALING STAGE_OUT RESIZING
    REQUEUED REQUEUE_FED REQUEUE_HOLD RESV_DEL_HOLD SPECIAL_EXIT POWER_UP_NODE UPDATE_DB EXPEDITING"""


def seen(state: str, source: str = "squeue", **more: Any) -> Observation:
    return Observation("1", source, JobState(state), **more)


def after(*observations: Observation, start: JobStatus | None = None) -> JobStatus:
    return functools.reduce(reduce, observations, start or JobStatus())


def test_every_state_has_its_row() -> None:
    rows = {*ENDS.split(), *ENDS_ONCE_IT_STAYS.split(), *GOES_ON.split(), "UNKNOWN"}
    assert rows == {str(state) for state in JobState}


@pytest.mark.parametrize("source", ["squeue", "sacct", "local"])
@pytest.mark.parametrize("state", ENDS.split())
def test_a_final_state_ends_a_job_at_once(state: str, source: str) -> None:
    status = after(seen("RUNNING"), seen(state, source, exit_code="1:0"))
    assert (status.finished, status.state, status.exit_code) == (True, state, "1:0")


@pytest.mark.parametrize("state", GOES_ON.split())
def test_other_states_do_not_end_a_job_however_often_they_are_seen(state: str) -> None:
    status = after(*[seen(state)] * 10)
    assert (status.finished, status.state) == (False, state)


def test_completing_is_not_finished() -> None:
    assert not after(seen("RUNNING"), seen("COMPLETING")).finished


def test_a_requeued_job_is_not_finished() -> None:
    """As seen on a cluster: the same id goes from RUNNING over COMPLETING to PENDING(BeginTime)."""
    requeue = [seen("RUNNING"), seen("COMPLETING"), seen("PENDING", reason="BeginTime")]
    status = after(*requeue)
    assert (status.finished, status.state, status.reason) == (False, "PENDING", "BeginTime")
    assert after(*requeue, seen("RUNNING"), seen("COMPLETED")).state == "COMPLETED"


@pytest.mark.parametrize("state", ENDS_ONCE_IT_STAYS.split())
def test_a_state_that_a_requeue_leaves_again_ends_a_job_only_once_it_stays(state: str) -> None:
    assert not after(seen("RUNNING"), seen(state), seen(state)).finished
    assert not after(seen(state), seen(state), seen("PENDING"), seen(state), seen(state)).finished
    status = after(*[seen(state, "sacct", exit_code="0:9")] * 3)
    assert (status.finished, status.state, status.exit_code) == (True, state, "0:9")


def test_an_absent_job_is_lost_only_once_it_stays_absent() -> None:
    absent = Observation("1", "absent")
    assert not after(seen("RUNNING"), absent, absent).finished
    assert not after(absent, absent, seen("RUNNING"), absent, absent).finished
    status = after(seen("RUNNING"), absent, absent, absent)
    assert (status.finished, status.state) == (True, "UNKNOWN")


def test_an_absent_job_keeps_its_state_until_it_is_lost() -> None:
    assert after(seen("RUNNING"), Observation("1", "absent")).state == "RUNNING"


def test_a_word_that_is_not_in_the_table_says_nothing() -> None:
    status = after(seen("RUNNING", node="c1"), *[seen("UNKNOWN")] * 10)
    assert (status.finished, status.state, status.node) == (False, "RUNNING", "c1")


@pytest.mark.parametrize("state", ["COMPLETED", "FAILED"])
def test_the_runners_own_word_ends_a_job_before_the_scheduler_knows(state: str) -> None:
    status = after(seen("PENDING", reason="Priority"), seen(state, "event"))
    assert (status.finished, status.state, status.reason) == (True, state, "")


def test_an_exit_code_may_come_after_the_end_and_is_not_overwritten() -> None:
    status = after(seen("FAILED", "event"), seen("FAILED", "sacct", exit_code="3:0"))
    assert status.exit_code == "3:0"
    assert after(seen("FAILED", exit_code="1:0", source="sacct"), start=status).exit_code == "3:0"


def test_only_a_dependency_that_can_not_be_satisfied_keeps_a_job_from_starting() -> None:
    assert after(seen("PENDING", reason="DependencyNeverSatisfied")).never_starts
    assert not after(seen("PENDING", reason="Dependency")).never_starts
    assert not after(seen("CANCELLED", reason="DependencyNeverSatisfied")).never_starts


def test_what_accounting_alone_knows_is_forgotten_by_the_controller() -> None:
    assert after(seen("COMPLETED", "sacct")).forgotten
    assert not after(seen("COMPLETED", "squeue")).forgotten


def test_a_job_whose_id_was_given_away_keeps_its_state_until_it_is_lost() -> None:
    status = after(seen("RUNNING", node="c1"), Observation("1", "reused", missing_for=599.0))
    assert (status.state, status.finished, status.node) == ("RUNNING", False, "c1")
    assert status.reused
    assert status.forgotten
    lost = after(Observation("1", "reused", missing_for=600.0), start=status)
    assert (lost.state, lost.finished, lost.reason) == ("UNKNOWN", True, "JobIdReused")


def test_a_job_that_is_seen_again_has_its_id() -> None:
    assert not after(Observation("1", "reused"), seen("RUNNING")).reused


@pytest.mark.parametrize("state", GOES_ON.split())
def test_a_job_that_only_accounting_knows_as_going_on_is_lost_after_a_while(state: str) -> None:
    status = after(*[seen(state, "sacct", missing_for=599.0)] * 10)
    assert (status.finished, status.state) == (False, state)
    lost = after(seen(state, "sacct", missing_for=600.0), start=status)
    assert (lost.state, lost.finished, lost.reason) == ("UNKNOWN", True, "RunawayJob")


@pytest.mark.parametrize("state", [*ENDS.split(), *ENDS_ONCE_IT_STAYS.split(), "UNKNOWN"])
def test_a_job_whose_end_is_known_or_whose_accounts_are_away_is_not_missing(state: str) -> None:
    assert not seen(state, "sacct").missing
    assert not seen("RUNNING", "squeue").missing
    assert not seen("RUNNING", "local").missing


@pytest.mark.parametrize(
    ("text", "state"),
    [
        ("RUNNING", "RUNNING"),
        ("CANCELLED by 1000", "CANCELLED"),
        ("CANCELLED+", "CANCELLED"),
        (" OUT_OF_MEMORY ", "OUT_OF_MEMORY"),
        ("", "UNKNOWN"),
        ("SOMETHING_NEW", "UNKNOWN"),
        ("running", "UNKNOWN"),
    ],
)
def test_states_are_read_as_slurm_prints_them(text: str, state: str) -> None:
    assert parse_state(text) == state


def test_a_state_prints_as_slurms_word_and_equals_it() -> None:
    assert f"{JobState.RUNNING}" == "RUNNING"
    assert str(JobState.RUNNING) == "RUNNING"
    assert JobState.RUNNING == "RUNNING"


observations = st.builds(
    Observation,
    st.just("1"),
    st.sampled_from(
        ["squeue", "sacct", "local", "event", "absent", "reused", "result", "never starts"]
    ),
    st.sampled_from(JobState),
    reason=st.sampled_from(["", "Priority", "DependencyNeverSatisfied"]),
    exit_code=st.sampled_from(["", "0:0", "1:0"]),
    missing_for=st.sampled_from([0.0, 1.0, 1000.0]),
)

MARK = JobMark("c0ffee", "/home/me/slurm_jobs/train/12_ab")
paths = st.sampled_from(
    ["/home/me/slurm_jobs/train/13_ab", "/home/me/slurm_jobs/train/12_ab/tasks/x/1"]
)
of_another_job = st.builds(
    lambda seen, comment, path, script: seen._replace(
        origin=f"{comment}|{path}/job.sh|{path}" if script else f"{comment}|(null)|{path}"
    ),
    observations,
    st.sampled_from(["", "(null)", "another", "0ff1ce a|b", "0ff1ce"]),
    paths,
    st.booleans(),
)
asked_for = ["squeue", "sacct", "local", "absent"]


@hypothesis.given(st.lists(observations, max_size=6), st.lists(of_another_job, max_size=3))
def test_what_is_seen_of_another_job_changes_nothing(
    before: list[Observation], others: list[Observation]
) -> None:
    known = status = after(*before)
    for one in others:
        status = after(MARK.own_or_reused(one, status), start=status)
    if known.finished or not others:
        assert status == known
    else:
        assert status.reused
        assert status._replace(reason="", forgotten=False, sightings=0) == known._replace(
            reason="", forgotten=False, sightings=0
        )


@hypothesis.given(st.lists(of_another_job, min_size=1, max_size=3), st.sampled_from(asked_for))
def test_nothing_that_is_said_of_an_id_is_about_the_job_that_had_it(
    others: list[Observation], source: str
) -> None:
    """Later rows that do not say where their job came from are the other one's as well."""
    status = functools.reduce(
        lambda known, one: after(MARK.own_or_reused(one, known), start=known), others, JobStatus()
    )
    for state in JobState:
        unsaid = Observation("1", source, state)
        assert MARK.own_or_reused(unsaid, status).source == "reused"
        assert MARK.own_or_reused(unsaid._replace(origin="c0ffee||"), status).source == source


@hypothesis.given(st.lists(observations, max_size=20))
def test_no_order_of_observations_moves_a_finished_job_back(mixed: list[Observation]) -> None:
    ended: JobStatus | None = None
    for status in itertools.accumulate(mixed, reduce, initial=JobStatus()):
        if ended is not None:
            assert (status.finished, status.state) == (True, ended.state)
            assert (status.reason, status.node) == (ended.reason, ended.node)
            assert status.exit_code == ended.exit_code or not ended.exit_code
        elif status.finished:
            ended = status


@hypothesis.given(st.lists(observations, max_size=12), st.sampled_from(sorted(ENDS.split())))
def test_a_final_state_ends_a_job_whatever_was_seen_before(
    before: list[Observation], state: str
) -> None:
    assert after(*before, seen(state)).finished


@hypothesis.given(st.lists(observations, max_size=12), observations)
def test_seeing_the_end_twice_is_seeing_it_once(
    before: list[Observation], last: Observation
) -> None:
    once = after(*before, last)
    assert not once.finished or after(last, start=once) == once


@hypothesis.given(st.lists(observations, max_size=12))
def test_a_job_goes_on_as_long_as_it_is_seen_to_go_on(mixed: list[Observation]) -> None:
    """Three uncertain looks in a row end a job; a sighting between any of them does not add up."""
    uncertain = [o for o in mixed if o.source == "absent" or o.state in ENDS_ONCE_IT_STAYS.split()]
    final = ("event", "result", "never starts", "reused")
    uncertain = [o for o in uncertain if o.source not in final]
    status = JobStatus()
    for one in uncertain:
        status = after(one, one, seen("RUNNING"), start=status)
        assert not status.finished
