"""What a job used of what it asked for, and what it is advised."""

from __future__ import annotations

import dataclasses

import pytest
from tests.helpers.job_tasks import add

from slurm import Cluster, Job
from slurm.results.efficiency import Efficiency, efficiency_of, together
from slurm.states import JobState
from slurm.usage import read_accounts

GIB = 2**30
# As sacct prints them.
OWN = {
    "JobID": "12",
    "State": "COMPLETED",
    "Partition": "cpu",
    "ReqMem": "16G",
    "TimelimitRaw": "600",
    "ElapsedRaw": "3600",
    "AllocCPUS": "8",
    "TotalCPU": "02:00:00",
    "NTasks": "",
}
STEP = {"JobID": "12.batch", "State": "COMPLETED", "MaxRSS": "3G", "NTasks": "1"}


def used(
    state: str = "COMPLETED",
    own: dict[str, str] | None = None,
    step: dict[str, str] | None = None,
) -> Efficiency:
    rows = [{**OWN, "State": state, **(own or {})}, {**STEP, **(step or {})}]
    return efficiency_of("12", JobState(state), read_accounts(rows)["12"], {})


def test_percentages_are_of_what_was_asked_for() -> None:
    found = used()
    assert (found.cpu_percent, found.memory_percent, found.time_percent) == (25.0, 18.8, 10.0)
    assert dict(found.lines()) == {
        "cpu": "02:00:00 of 08:00:00 on 8 cpus, 25 %",
        "memory": "3G of 16G, 19 %",
        "time": "01:00:00 of 10:00:00, 10 %",
    }
    assert found.advice == (
        "mem=4G would do: it used 3G of 16G",
        "time=01:20:00 would do: it ran 01:00:00, and shorter jobs start earlier",
        "cpus_per_task=2 would do: it kept 2.0 of 8 busy",
    )


def test_fractions_of_a_second_count_in_short_jobs() -> None:
    found = used(own={"TotalCPU": "00:01.500", "ElapsedRaw": "3", "AllocCPUS": "1"})
    assert (found.cpu_time, found.cpu_percent) == (1.5, 50.0)


@pytest.mark.parametrize(
    ("state", "own", "step", "said"),
    [
        ("OUT_OF_MEMORY", {}, {}, "mem=32G: it was killed for its memory, 16G"),
        ("COMPLETED", {"ReqMem": "3200M"}, {}, "mem=4G would be safe: it used 3G of 3.1G"),
        ("TIMEOUT", {}, {}, "time=20:00:00: its time limit has ended it"),
        ("COMPLETED", {}, {"MaxRSS": "10M"}, "mem=128M would do: it used 10M of 16G"),
    ],
)
def test_advice(state: str, own: dict[str, str], step: dict[str, str], said: str) -> None:
    assert said in used(state, own, step).advice


def test_memory_per_cpu_is_advised_as_it_was_asked_for() -> None:
    account = read_accounts([OWN, STEP])["12"]
    found = efficiency_of("12", JobState.COMPLETED, account, {"mem-per-cpu": "2G"})
    assert found.advice[0].startswith("mem_per_cpu=512M would do")


def test_what_failed_is_not_told_to_ask_for_less() -> None:
    assert used("FAILED").advice == ()
    assert used("CANCELLED").advice == ()


def test_a_job_of_several_tasks_may_take_their_memory_together() -> None:
    assert used(step={"MaxRSS": "3G", "NTasks": "4"}).max_rss == 12 * GIB


def test_what_nobody_tells_is_said() -> None:
    found = used(own={"TotalCPU": "00:00:00", "ElapsedRaw": "0"}, step={"MaxRSS": ""})
    assert dict(found.lines())["cpu"] == dict(found.lines())["memory"] == "accounts do not tell"
    assert found.as_json()["memory_percent"] is None


def test_an_array_is_told_by_the_largest_of_its_elements() -> None:
    each = [used(), dataclasses.replace(used(), max_rss=5 * GIB, cpu_time=8 * 3600.0)]
    whole = together(each, "12", {})
    assert (whole.max_rss, whole.cpu_percent, whole.state) == (5 * GIB, 62.5, "COMPLETED")
    assert whole.advice[0] == "mem=7G would do: it used 5G of 16G"
    assert together([], "12", {}).memory_percent is None


def test_a_job_of_this_machine_is_measured(local: Cluster) -> None:
    job: Job[int] = add.with_options(mem="1G", time="5")(1, 2)
    assert job.get_result(60) == 3
    found = job.efficiency()
    assert (found.state, found.memory, found.time_limit, found.cpus) == ("COMPLETED", GIB, 300, 1)
    assert found.max_rss is not None
    assert found.cpu_time is not None
    assert found.max_rss > 1 << 20 < GIB
    assert found.cpu_time > 0
