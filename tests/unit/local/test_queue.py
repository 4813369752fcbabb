"""Which job of the local scheduler starts next: order, room, backfill, dependencies, and what is kept."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.helpers.local_queue import Machine, request

from slurm.local import waiting
from slurm.local.backfill import reserve
from slurm.local.dependencies import may_start
from slurm.local.jobs import LIVE, Refused
from slurm.local.records import Records
from slurm.local.requests import Resources, read_submission

# Resources


def test_jobs_start_while_there_is_memory() -> None:
    machine = Machine(cpus=8, mem=4096)
    small, large, per_cpu, none = (
        machine.submit(mem="1G"),
        machine.submit(mem="3500M"),
        machine.submit(mem_per_cpu="1G", cpus_per_task="3"),
        machine.submit(),
    )
    assert machine.start() == [small, per_cpu, none]
    assert machine.reasons(large) == ["Resources"]
    assert machine.end(per_cpu) == []
    assert machine.end(small) == [large]


def test_a_job_that_asks_for_all_memory_runs_beside_nothing_but_jobs_that_ask_for_none() -> None:
    machine = Machine(cpus=8, mem=4096)
    everything, some, none = machine.submit(mem="0"), machine.submit(mem="1"), machine.submit()
    assert machine.start() == [everything, none]
    assert machine.end(everything) == [some]


def test_a_job_that_can_never_fit_is_refused_as_slurm_does() -> None:
    machine = Machine(cpus=2, mem=4096)
    expected = (
        "--mem=5G: Requested node configuration is not available: 5120 MB are more than the 4096 MB "
        "for jobs; ask for less, or raise max_mem of the backend"
    )
    with pytest.raises(Refused) as caught:
        machine.submit(mem="5G")
    assert str(caught.value) == expected
    with pytest.raises(Refused, match=r"^--mem-per-cpu=3G: .* 6144 MB are more"):
        machine.submit(mem_per_cpu="3G", cpus_per_task="2")


def test_the_memory_a_task_asks_for_by_default_is_never_too_much() -> None:
    machine = Machine(cpus=2, mem=500)
    first, second = machine.submit(mem="1G"), machine.submit(mem="1G")
    assert machine.start() == [first]
    assert machine.end(first) == [second]
    with pytest.raises(Refused, match="not available"):
        machine.submit(mem="1025M")


def test_a_job_wider_than_the_machine_gets_all_of_it() -> None:
    machine = Machine(cpus=2, mem=4096)
    wide = machine.submit(cpus_per_task="64", mem_per_cpu="1G")
    small = machine.submit()
    assert machine.start() == [wide]
    assert machine.end(wide) == [small]


def test_orchestrators_cost_neither_cpus_nor_memory() -> None:
    machine = Machine(cpus=1, mem=1024)
    options: dict[str, Any] = {"cpus_per_task": "4", "mem": "1G"}
    flows = [machine.submit(orchestrator=True, **options) for _ in range(3)]
    worker = machine.submit(mem="1G")
    assert machine.start() == [*flows, worker]


def test_a_bound_that_shrinks_stops_nothing_that_needs_no_more() -> None:
    machine = Machine(cpus=4, mem=4096)
    first, waiting = machine.submit(cpus_per_task="3", mem="3G"), machine.submit(cpus_per_task="4")
    assert machine.start() == [first]
    machine.room = Resources(2, 1024)
    none = machine.submit()
    assert machine.start() == []
    assert machine.end(first) == [waiting]
    assert machine.end(waiting) == [none]


# Backfill


def test_small_jobs_pass_a_wide_one_as_long_as_nobody_knows_when_it_can_start() -> None:
    machine = Machine(cpus=2)
    first, wide, small = (
        machine.submit(),
        machine.submit(cpus_per_task="2"),
        machine.submit(time="10"),
    )
    assert machine.start() == [first, small]
    assert machine.reasons(wide) == ["Resources"]


def test_small_jobs_that_would_delay_a_wide_one_wait_behind_it() -> None:
    machine = Machine(cpus=2)
    first = machine.submit(time="10")
    wide = machine.submit(cpus_per_task="2", time="10")
    too_long, short = machine.submit(time="11"), machine.submit(time="5")
    many = machine.submit(array="0-99", time="10")
    assert machine.start() == [first, short]
    assert machine.reasons(wide, too_long, f"{many}_0") == ["Resources", "Priority", "Priority"]
    machine.now += 1
    assert machine.end(short) == []  # the array's limits end after the first job's
    assert machine.end(first) == [wide]
    assert machine.end(wide) == [too_long, f"{many}_0"]


def test_jobs_that_leave_a_wide_one_enough_pass_it_however_long_they_are() -> None:
    machine = Machine(cpus=4, mem=4096)
    first = machine.submit(cpus_per_task="3", time="10")
    wide = machine.submit(cpus_per_task="3", mem="4G", time="10")
    with_memory, without = machine.submit(time="60", mem="1G"), machine.submit(time="60")
    assert machine.start() == [first, without]
    assert machine.reasons(wide, with_memory) == ["Resources", "Priority"]


def test_a_reservation_is_made_for_the_first_moment_there_is_room() -> None:
    running = [(30.0, Resources(1, 0)), (10.0, Resources(1, 100)), (20.0, Resources(2, 100))]
    place = reserve(Resources(3, 100), Resources(0, 0), running)
    assert (place.start, place.spare) == (20.0, Resources(0, 100))
    assert (
        reserve(Resources(9, 0), Resources(0, 0), [(math.inf, Resources(9, 0))]).start == math.inf
    )


@given(
    st.lists(
        st.tuples(st.integers(1, 5), st.integers(0, 3), st.integers(1, 4), st.booleans()),
        max_size=12,
    ),
    st.randoms(use_true_random=False),
)
def test_whatever_comes_nothing_is_overbooked_and_everything_runs(
    wanted: list[tuple[int, int, int, bool]], random: Any
) -> None:
    machine = Machine(cpus=4, mem=3)
    jobs = [
        machine.submit(cpus_per_task=str(cpus), mem=f"{mem}M", time=str(limit), orchestrator=flow)
        for cpus, mem, limit, flow in wanted
    ]
    active = machine.queue.records.active
    started = machine.start()
    while active:
        workers = [job for job in active.values() if not job.submission.orchestrator]
        assert sum(min(job.submission.cpus, 4) for job in workers) <= 4
        asked = [3 if job.submission.mem is None else job.submission.mem for job in workers]
        assert sum(asked) <= 3
        machine.now += 1
        started += machine.end(random.choice([job.shown for job in active.values()]))
    assert sorted(started, key=int) == jobs


# Dependencies


def test_who_waits_is_looked_at_only_when_what_he_waits_for_has_moved(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    judged = []

    def counted(*arguments: Any) -> bool | None:
        judged.append(arguments)
        return may_start(*arguments)

    monkeypatch.setattr(waiting, "may_start", counted)
    machine = Machine(cpus=1)
    busy, last = machine.submit(array="0-49"), machine.submit()
    machine.submit(array="0-99", dependency=f"afterok:{last}")
    for index in range(50):
        machine.start()
        machine.end(f"{busy}_{index}")
    assert len(judged) == 1  # when it came; all its elements at once
    machine.end(last)
    assert len(judged) == 2


def test_a_job_that_waits_may_be_cancelled() -> None:
    machine = Machine()
    first = machine.submit()
    second = machine.submit(array="0-1", dependency=f"afterok:{first}")
    third = machine.submit(dependency=f"afterany:{second}")
    machine.start()
    machine.cancel(f"{second}_0")
    assert machine.reasons(third) == ["Dependency"]
    assert machine.cancel(f"{second}_1") == [third]
    assert machine.end(first) == []


def test_singletons_follow_each_other_by_name() -> None:
    machine = Machine(cpus=8)
    names = ["one", "one", "two", "one"]
    first, second, other, third = (
        machine.submit(dependency="singleton", job_name=name) for name in names
    )
    assert machine.start() == [first, other]
    assert machine.end(first) == [second]
    assert machine.reasons(third) == ["Dependency"]
    assert machine.cancel(third) == []
    assert machine.end(second) == []


def test_any_of_and_all_of_read_alike_before_and_after_a_restart() -> None:
    machine = Machine(cpus=8)
    bad, good, slow = machine.submit(), machine.submit(), machine.submit()
    any_of = machine.submit(dependency=f"afterok:{bad}?afterok:{good}")
    never = machine.submit(dependency=f"afterok:{bad},afterok:{slow}")
    machine.start()
    machine.end(bad, state="FAILED")
    records = machine.queue.records
    for again in (machine, Machine(cpus=8, records=Records(records.submissions, records.jobs))):
        again.start()
        assert again.reasons(any_of, never) == ["Dependency", "DependencyNeverSatisfied"]


# What is kept


def test_old_jobs_are_forgotten_but_no_id_is_given_twice() -> None:
    machine = Machine(cpus=8)
    old, array, needed = machine.submit(), machine.submit(array="0-9"), machine.submit(array="0-1")
    waiting = machine.submit(dependency=f"afternotok:{needed}_1")
    newest = machine.submit()
    machine.start()
    machine.end(old, newest, *(f"{needed}_{index}" for index in range(2)))
    while machine.queue.records.active:
        machine.end(*(job.shown for job in list(machine.queue.records.active.values())))
    records = machine.queue.records
    next_id = records.next_id
    records.forget_ended(keep=0)
    assert set(records.submissions) == {int(needed), int(waiting), int(newest)}
    assert records.find(old) == records.find(f"{array}_3") == []
    assert records.find_by_token("token 1") is None
    assert records.find_by_token("token 5") == int(newest)
    assert machine.reasons(waiting) == ["DependencyNeverSatisfied"]
    assert records.next_id == next_id == Records(records.submissions, records.jobs).next_id


def test_no_more_is_forgotten_than_has_to_be() -> None:
    machine = Machine(cpus=8)
    jobs = [machine.submit() for _ in range(4)]
    machine.start()
    machine.end(*jobs)
    machine.queue.records.forget_ended(keep=3)
    assert list(machine.queue.records.submissions) == [int(job) for job in jobs[1:]]
    assert not [job for job in machine.queue.records.jobs.values() if job.state in LIVE]


@pytest.mark.parametrize("name", ["begin", "hold", "deadline"])
def test_what_cannot_be_done_is_refused(name: str) -> None:
    options: dict[str, Any] = {name: "x"}
    with pytest.raises(Refused, match=f"--{name}: the local scheduler cannot do this"):
        read_submission(1, request(**options), 0.0, Resources(1, 1))
