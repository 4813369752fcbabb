"""Arrays, requeues and warnings of the local scheduler with real processes."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.conformance.waiting import wait_until
from tests.helpers.local_site import Site, kill_daemon, refusal

from slurm.local.scheduler import LocalScheduler

SOURCE = Path(__file__).parents[3] / "src"


def states(site: Site, *job_ids: str) -> list[str]:
    return [row["state"] for row in site.scheduler.query(list(job_ids))]


# Arrays


def test_an_array_is_one_submission_of_many_jobs(roomy: Site) -> None:
    (roomy.base / "elements").mkdir()
    array = roomy.submit(
        'echo "$SLURM_ARRAY_JOB_ID $SLURM_ARRAY_TASK_ID $SLURM_JOB_ID"; exit $SLURM_ARRAY_TASK_ID',
        array="0-2",
        output="elements/%A_%3a",
        token="one token for all",
    )
    rows = [roomy.end_of(f"{array}_{index}") for index in range(3)]
    assert [row["exit_code"] for row in rows] == ["0:0", "1:0", "2:0"]
    said = [(roomy.base / f"elements/{array}_00{index}").read_text().split() for index in range(3)]
    assert [words[:2] for words in said] == [[array, str(index)] for index in range(3)]
    assert roomy.row(said[2][2]) == {**rows[2], "job_id": said[2][2]}
    assert roomy.row(array)["state"] == "FAILED"
    assert roomy.scheduler.find_submission("one token for all") == array


def test_an_array_is_cancelled_whole_or_by_element(make_site: Callable[..., Site]) -> None:
    site = make_site(max_cpus=1)
    held = site.gate()
    array = site.submit(f"{held.hold}\nsleep 300", array="0-3")
    held.await_held()
    site.scheduler.cancel([f"{array}_2", f"{array}_7"])
    assert states(site, f"{array}_0", f"{array}_2", f"{array}_3") == [
        "RUNNING",
        "CANCELLED",
        "PENDING",
    ]
    assert [row["job_id"] for row in site.scheduler.queue()] == [
        f"{array}_0",
        f"{array}_1",
        f"{array}_3",
    ]
    site.scheduler.cancel([array])
    assert site.end_of(f"{array}_0")["state"] == "CANCELLED"
    assert set(states(site, *(f"{array}_{index}" for index in range(4)))) == {"CANCELLED"}
    assert not list((site.state / "spool").iterdir())


def test_a_killed_daemon_loses_no_element(make_site: Callable[..., Site]) -> None:
    site = make_site(max_cpus=3)
    gate, unseen, held = site.gate(), site.gate(), site.gate()
    array = site.submit(
        f"case $SLURM_ARRAY_TASK_ID in 1) {gate.wait};; 2) {unseen.wait}; exit 6;; esac\n"
        f"case $SLURM_ARRAY_TASK_ID in [45]) {held.hold}; sleep 300;; esac",
        array="0-5%2",
    )
    corresponding = site.submit("true", array="0-2", dependency=f"aftercorr:{array}")
    site.end_of(f"{array}_0")
    for index in (1, 2):
        site.running(f"{array}_{index}")
    raw = next(row for row in site.scheduler.queue() if row["job_id"] == f"{array}_2")
    assert raw["state"] == "RUNNING"
    spooled = site.state / "spool" / f"{int(array) + 3}.status"
    kill_daemon(site)
    unseen.open()
    wait_until(lambda: spooled.read_bytes().strip(), f"{spooled} says something")
    assert site.end_of(f"{array}_2")["exit_code"] == "6:0"
    assert states(site, f"{array}_0", f"{array}_1") == ["COMPLETED", "RUNNING"]
    assert site.end_of(f"{array}_3")["state"] == "COMPLETED"
    held.await_held()
    assert site.row(f"{array}_5")["reason"] == "JobArrayTaskLimit"
    gate.open()
    for index in (0, 1):
        assert site.end_of(f"{corresponding}_{index}")["state"] == "COMPLETED"
    site.reason_of(f"{corresponding}_2", "DependencyNeverSatisfied")
    site.scheduler.cancel([array, corresponding])
    assert site.end_of(array)["state"] == "FAILED"


def test_a_client_bounds_its_own_arrays(roomy: Site) -> None:
    assert roomy.scheduler.limits() == {"max_array_size": 1001}
    small = LocalScheduler(str(roomy.state), max_array_size=3)
    assert small.limits() == {"max_array_size": 3}
    message = refusal(lambda: roomy.submit("true", array="0-3", client=small))
    assert "Invalid job array specification: --array=0-3" in message
    assert "max_array_size, which is 3" in message


def test_the_last_submission_that_names_a_bound_on_memory_sets_it(roomy: Site) -> None:
    assert roomy.scheduler.info()["max_mem"] == 64 * 1024
    message = refusal(lambda: roomy.submit("true", mem="65G"))
    assert "Requested node configuration is not available" in message
    larger = LocalScheduler(str(roomy.state), max_mem=65 * 1024)
    assert roomy.end_of(roomy.submit("true", mem="65G", client=larger))["state"] == "COMPLETED"
    assert roomy.scheduler.info()["max_mem"] == 65 * 1024


# Requeue


def restarts(held: str) -> str:
    """A script that tells its restarts, holds a gate, and ends when it was restarted."""
    return f'echo "${{SLURM_RESTART_COUNT:-0}}" | tee -a "log.$SLURM_JOB_ID"\n[ "$SLURM_RESTART_COUNT" ] && exit 4\n{held}'


def test_a_requeued_job_is_killed_and_starts_anew_in_its_directory(roomy: Site) -> None:
    held = roomy.gate()
    job_id = roomy.submit(f"{restarts(held.hold)}\nsleep 300 & sleep 300", output="requeued.out")
    held.await_held()
    roomy.scheduler.requeue(job_id)
    row = roomy.end_of(job_id)
    assert (row["state"], row["exit_code"], row["restarts"]) == ("FAILED", "4:0", 1)
    assert held.nobody_holds()
    assert (roomy.base / f"log.{job_id}").read_text() == "0\n1\n"
    assert (roomy.base / "requeued.out").read_text() == "1\n"


def test_a_requeued_element_waits_like_any_other(make_site: Callable[..., Site]) -> None:
    site = make_site(max_cpus=1)
    gate, held = site.gate(), site.gate()
    other = site.submit(f"{gate.wait}; {held.hold}; sleep 300")
    array = site.submit(f"{restarts(held.hold)}\nsleep 300", array="5-6")
    gate.open()
    held.await_held()
    message = refusal(lambda: site.scheduler.requeue(f"{array}_5"))
    assert "Job is pending execution" in message
    site.scheduler.cancel([other])
    held.await_held()
    site.scheduler.requeue(array)
    assert [site.end_of(f"{array}_5")[name] for name in ("exit_code", "restarts")] == ["4:0", 1]
    assert site.row(f"{array}_6")["restarts"] == 0


def test_what_does_not_run_cannot_be_requeued(roomy: Site) -> None:
    ended = roomy.submit("true")
    roomy.end_of(ended)
    held = roomy.gate()
    never = roomy.submit(f"{held.hold}\nsleep 300", no_requeue="")
    held.await_held()
    for job_id, why in (
        (ended, "already completing or completed"),
        (never, "presently disabled"),
        ("99999", "Invalid job id specified"),
    ):
        assert why in refusal(lambda wanted=job_id: roomy.scheduler.requeue(wanted))  # type: ignore[misc]
    roomy.scheduler.cancel([never])
    assert roomy.end_of(never)["state"] == "CANCELLED"


def test_cancel_wins_over_requeue_and_a_killed_daemon_forgets_neither(
    make_site: Callable[..., Site],
) -> None:
    site = make_site(max_cpus=2, kill_wait=300.0)
    held, gates = site.gate(), (site.gate(), site.gate())
    requeued, cancelled = (
        site.submit(f"trap '' TERM\n{restarts(held.hold)}\n{gate.wait}") for gate in gates
    )
    held.await_held(2)
    for job_id in (requeued, cancelled):
        site.scheduler.requeue(job_id)
        assert site.row(job_id)["state"] == "COMPLETING"
    site.scheduler.cancel([cancelled])
    kill_daemon(site)
    assert states(site, requeued, cancelled) == ["COMPLETING", "COMPLETING"]
    for gate in gates:
        gate.open()
    assert site.end_of(cancelled)["state"] == "CANCELLED"
    row = site.end_of(requeued)
    assert (row["state"], row["restarts"]) == ("FAILED", 1)


def test_a_job_requeues_itself_through_the_state_directory_it_is_told(roomy: Site) -> None:
    ask = (
        "import os; from slurm.local.scheduler import LocalScheduler; "
        'LocalScheduler(os.environ["SLURM_SDK_LOCAL_STATE"]).requeue(os.environ["SLURM_JOB_ID"])'
    )
    job_id = roomy.submit(
        f"{restarts('')}\nPYTHONPATH='{SOURCE}' '{sys.executable}' -c '{ask}'\nsleep 300"
    )
    row = roomy.end_of(job_id)
    assert (row["exit_code"], row["restarts"]) == ("4:0", 1)


# The warning before the limit


@pytest.mark.story
def test_the_batch_script_is_warned_before_its_limit(roomy: Site) -> None:
    held = roomy.gate()
    child = "(trap 'echo > child-warned' USR1; sleep 300 & wait; wait) &"
    job_id = roomy.submit(
        f"{child}\ntrap 'exit 9' USR1\n{held.hold}\nwait", time="0:30", signal="B:USR1@28"
    )
    row = roomy.end_of(job_id)
    assert (row["state"], row["exit_code"]) == ("FAILED", "9:0")
    assert row["end"] - row["start"] >= 1.9
    assert not (roomy.base / "child-warned").exists()


def test_without_b_all_but_the_batch_script_are_warned(roomy: Site) -> None:
    child = "(trap 'exit 8' USR1; set -m; sleep 300 & wait)"
    job_id = roomy.submit(f"{child} &\nwait $!\nexit $?", time="0:30", signal="USR1")
    row = roomy.end_of(job_id)
    assert (row["state"], row["exit_code"]) == ("FAILED", "8:0")


def test_a_warning_that_is_due_at_once_spares_who_has_no_handler_yet(roomy: Site) -> None:
    gate, held = roomy.gate(), roomy.gate()
    job_id = roomy.submit(
        f"{held.hold}\n{gate.wait}\ntrap 'exit 9' USR1\nsleep 300 & wait",
        time="0:30",
        signal="B:SIGUSR1",
    )
    held.await_held()
    gate.open()
    assert roomy.end_of(job_id)["exit_code"] == "9:0"
