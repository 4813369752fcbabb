"""Job arrays of the local scheduler: their spelling, their ids, and when their elements run."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.helpers.local_queue import Machine, request

from slurm.local.arrays import Array, parse_array
from slurm.local.jobs import Refused, pending_again
from slurm.local.requests import Resources, read_submission


@pytest.mark.parametrize(
    ("text", "indices", "limit", "step"),
    [
        ("0-3", (0, 1, 2, 3), None, 1),
        ("7", (7,), None, 1),
        ("0-9:3%2", (0, 3, 6, 9), 2, 3),
        ("0,3,5-9:2", (0, 3, 5, 7, 9), None, 1),
        ("5,1-2,2", (1, 2, 5), None, 1),
        ("1,3-9:2", (1, 3, 5, 7, 9), None, 2),
        ("0-1%0", (0, 1), None, 1),
    ],
)
def test_an_array_is_spelled_as_sbatch_spells_it(
    text: str, indices: tuple[int, ...], limit: int | None, step: int
) -> None:
    array = parse_array(text)
    assert (array.indices, array.limit, array.step) == (indices, limit, step)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a",
        "1-",
        "-1",
        "3-1",
        "0-9:0",
        "1,,2",
        "1%",
        "1%x",
        "0-9%2%3",
        "1 ",
        "٣",
        "0-1001",
        "1001",
    ],
)
def test_a_malformed_array_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(Refused) as caught:
        read_submission(1, request(array=text), 0.0, Resources(1, 1))
    message = str(caught.value)
    assert message.startswith(f"Invalid job array specification: --array={text}: ")
    assert "\n" not in message


def test_the_largest_index_is_below_the_array_size_the_client_names() -> None:
    wanted = {**request(array="0-9"), "max_array_size": 10}
    submission = read_submission(1, wanted, 0.0, Resources(1, 1))
    assert submission.array == Array(tuple(range(10)))
    with pytest.raises(Refused, match=r"index 10 is not below max_array_size, which is 10$"):
        read_submission(1, {**wanted, "options": {"array": "10"}}, 0.0, Resources(1, 1))


@given(st.sets(st.integers(0, 1000), min_size=1))
def test_every_element_has_an_id_of_its_own(indices: set[int]) -> None:
    machine = Machine()
    array = machine.submit(array=",".join(map(str, indices)))
    jobs = machine.queue.records.find(array)
    assert [job.index for job in jobs] == sorted(indices)
    assert [machine.job(f"{array}_{index}") for index in sorted(indices)] == jobs
    assert [machine.job(str(job.job_id)) for job in jobs] == jobs
    assert len({job.job_id for job in jobs} | {int(array)}) == len(indices) + 1
    assert int(machine.submit()) > max(job.job_id for job in jobs)


def test_ids_nobody_has_are_not_known() -> None:
    machine = Machine()
    array, single = machine.submit(array="1-3:2"), machine.submit()
    for shown in (f"{array}_2", f"{single}_0", f"{array}_", "_1", "99", f"0{array}", "x", "1_2_3"):
        assert machine.queue.row(shown) is None


def test_an_answer_carries_the_id_that_was_asked_for() -> None:
    machine = Machine()
    array = machine.submit(array="4-5")
    raw = str(machine.job(f"{array}_5").job_id)
    for shown in (array, f"{array}_5", raw):
        assert machine.row(shown)["job_id"] == shown
    assert [job.shown for job in machine.queue.records.live()] == [f"{array}_4", f"{array}_5"]


def test_a_limit_bounds_how_many_elements_run_at_once() -> None:
    machine = Machine(cpus=8)
    array = machine.submit(array="0-4%2")
    other = machine.submit()
    assert machine.start() == [f"{array}_0", f"{array}_1", other]
    assert machine.reasons(f"{array}_2", f"{array}_4") == ["JobArrayTaskLimit"] * 2
    assert machine.end(f"{array}_1") == [f"{array}_2"]
    assert machine.end(f"{array}_0", f"{array}_2") == [f"{array}_3", f"{array}_4"]


def test_a_limit_holds_for_orchestrators_too() -> None:
    machine = Machine(cpus=1)
    array = machine.submit(array="0-4%2", orchestrator=True)
    assert machine.start() == [f"{array}_0", f"{array}_1"]


def test_elements_start_in_order_and_before_what_came_later() -> None:
    machine = Machine(cpus=2)
    array, later = machine.submit(array="0-2"), machine.submit()
    assert machine.start() == [f"{array}_0", f"{array}_1"]
    assert machine.reasons(f"{array}_2", later) == ["Resources", "Priority"]
    assert machine.end(f"{array}_1") == [f"{array}_2"]
    assert machine.end(f"{array}_0") == [later]


def test_a_requeued_element_takes_its_place_again() -> None:
    machine = Machine(cpus=1)
    array = machine.submit(array="0-2")
    machine.start()
    machine.queue.put(pending_again(machine.job(f"{array}_0")))
    assert machine.row(f"{array}_0")["restarts"] == 1
    assert machine.start() == [f"{array}_0"]


def test_an_array_as_a_whole_runs_waits_and_ends() -> None:
    machine = Machine(cpus=1)
    array = machine.submit(array="0-2", time="10")
    machine.start()
    assert machine.row(array)["state"] == "RUNNING"
    machine.queue.put(pending_again(machine.job(f"{array}_0")))
    row = machine.row(array)
    assert (row["state"], row["reason"], row["start"], row["restarts"]) == (
        "PENDING",
        "Priority",
        None,
        1,
    )
    for index, state in enumerate(("COMPLETED", "TIMEOUT", "FAILED")):
        machine.start()
        machine.now += 1
        machine.end(f"{array}_{index}", state=state)
    row = machine.row(array)
    assert (row["state"], row["start"], row["end"]) == ("TIMEOUT", 1000.0, 1003.0)


def test_an_array_has_completed_when_all_of_it_has() -> None:
    machine = Machine()
    array = machine.submit(array="0-1")
    machine.start()
    machine.end(f"{array}_0")
    assert (machine.row(array)["state"], machine.row(array)["end"]) == ("RUNNING", None)
    machine.end(f"{array}_1")
    assert machine.row(array)["state"] == "COMPLETED"


# Dependencies


@pytest.mark.parametrize(
    ("kind", "after_first", "after_both"),
    [
        ("afterok", "Dependency", "DependencyNeverSatisfied"),
        ("afternotok", "Dependency", "None"),
        ("afterany", "Dependency", "None"),
        ("aftercorr", "Dependency", "DependencyNeverSatisfied"),
    ],
)
def test_a_job_waits_for_the_whole_array(kind: str, after_first: str, after_both: str) -> None:
    machine = Machine(cpus=8)
    array = machine.submit(array="0-1")
    waiting = machine.submit(dependency=f"{kind}:{array}")
    machine.start()
    machine.end(f"{array}_0", state="FAILED")
    assert machine.reasons(waiting) == [after_first]
    machine.end(f"{array}_1")
    assert machine.reasons(waiting) == [after_both]


def test_a_dependency_reads_as_sbatch_reads_it() -> None:
    machine = Machine(cpus=8)
    array = machine.submit(array="0-1")
    waiting = machine.submit(dependency=f"AfterOK:{array}_*")
    assert len(machine.start()) == 2
    assert machine.end(f"{array}_0") == []
    assert machine.end(f"{array}_1") == [waiting]


def test_a_job_waits_for_an_element() -> None:
    machine = Machine(cpus=8)
    array = machine.submit(array="0-2")
    raw = machine.job(f"{array}_2").job_id
    ok = machine.submit(dependency=f"afterok:{array}_1")
    by_raw_id = machine.submit(dependency=f"afterok:{raw}")
    failed = machine.submit(dependency=f"afternotok:{array}_1:{array}_2")
    machine.start()
    assert machine.end(f"{array}_1") == [ok]
    assert machine.reasons(failed) == ["DependencyNeverSatisfied"]
    assert machine.end(f"{array}_2") == [by_raw_id]


def test_after_holds_once_every_element_has_begun() -> None:
    machine = Machine(cpus=1)
    array = machine.submit(array="0-1")
    after_one, after_all = (
        machine.submit(dependency=f"after:{array}_0"),
        machine.submit(dependency=f"after:{array}"),
    )
    machine.start()
    assert machine.start() == []
    assert machine.reasons(after_one, after_all) == ["Priority", "Dependency"]
    assert machine.end(f"{array}_0") == [f"{array}_1"]
    machine.start()
    assert machine.reasons(after_all) == ["Priority"]


def test_aftercorr_goes_element_by_element() -> None:
    machine = Machine(cpus=8)
    first = machine.submit(array="0-3")
    second = machine.submit(array="0-4", dependency=f"aftercorr:{first}")
    machine.start()
    assert machine.end(f"{first}_2") == [f"{second}_2"]
    assert machine.end(f"{first}_0", state="FAILED") == []
    assert machine.reasons(f"{second}_0", f"{second}_1") == [
        "DependencyNeverSatisfied",
        "Dependency",
    ]
    assert machine.end(f"{first}_1", f"{first}_3") == [f"{second}_1", f"{second}_3"]
    # An element without a counterpart waits for all of the array.
    assert machine.reasons(f"{second}_4") == ["DependencyNeverSatisfied"]


def test_an_element_without_a_counterpart_starts_when_the_whole_array_went_well() -> None:
    machine = Machine(cpus=8)
    first = machine.submit(array="0-1")
    second = machine.submit(array="1-2", dependency=f"aftercorr:{first}")
    machine.start()
    assert machine.end(f"{first}_1") == [f"{second}_1"]
    assert machine.end(f"{first}_0") == [f"{second}_2"]


def test_aftercorr_beside_another_condition_waits_for_both() -> None:
    machine = Machine(cpus=8)
    first, gate = machine.submit(array="0-1"), machine.submit()
    dependency = f"aftercorr:{first},afterany:{first}_1,afterok:{gate}"
    second = machine.submit(array="0-1", dependency=dependency)
    machine.start()
    assert machine.end(f"{first}_0") == []
    assert machine.end(gate) == []
    assert machine.end(f"{first}_1") == [f"{second}_0", f"{second}_1"]


def test_aftercorr_on_a_job_that_is_no_array_is_afterok() -> None:
    machine = Machine(cpus=8)
    single = machine.submit()
    array = machine.submit(array="0-1", dependency=f"aftercorr:{single}")
    machine.start()
    assert machine.end(single) == [f"{array}_0", f"{array}_1"]


def test_elements_that_can_never_start_are_cancelled_where_that_was_asked_for() -> None:
    machine = Machine(cpus=8)
    first = machine.submit(array="0-1")
    dependency = f"aftercorr:{first}"
    second = machine.submit(array="0-1", dependency=dependency, kill_on_invalid_dep="yes")
    third = machine.submit(dependency=f"afterany:{second}_0")
    machine.start()
    machine.end(f"{first}_0", state="FAILED")
    row = machine.row(f"{second}_0")
    assert (row["state"], row["reason"]) == ("CANCELLED", "DependencyNeverSatisfied")
    assert machine.start() == [third]
    assert machine.row(f"{second}_1")["state"] == "PENDING"


@pytest.mark.parametrize("target", ["99", "{array}_7", "{single}_0"])
def test_a_dependency_on_what_is_not_there_is_refused(target: str) -> None:
    machine = Machine()
    array, single = machine.submit(array="0-1"), machine.submit()
    wanted = f"afterok:{target.format(array=array, single=single)}"
    with pytest.raises(Refused, match=f"--dependency={wanted}: there is no job"):
        machine.submit(dependency=wanted)


def test_elements_of_a_singleton_array_do_not_wait_for_each_other() -> None:
    machine = Machine(cpus=8)
    first = machine.submit(array="0-1", dependency="singleton", job_name="one")
    second = machine.submit(dependency="singleton", job_name="one")
    assert machine.start() == [f"{first}_0", f"{first}_1"]
    assert machine.end(f"{first}_0") == []
    assert machine.end(f"{first}_1") == [second]
