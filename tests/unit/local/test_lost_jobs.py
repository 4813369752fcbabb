"""Jobs whose supervisor is lost: how often they are started again, and that nothing of them goes on meanwhile."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.helpers.local_queue import Machine
from tests.helpers.local_site import Site, kill_daemon, refusal, supervisor_of

from slurm.local.holds import hold_of, pause_before
from slurm.local.jobs import pending_after_crash, pending_again
from slurm.local.ps import birth_of, is_leader

SOURCE = Path(__file__).parents[3] / "src"

# How often, and after which pause


def test_a_job_that_keeps_crashing_rests_longer_each_time_and_is_held_in_the_end() -> None:
    machine = Machine(cpus=1)
    job_id = machine.submit()
    pauses = []
    for crash in range(1, 6):
        assert machine.start() == [job_id]
        machine.queue.put(pending_after_crash(machine.job(job_id)))
        assert machine.start() == []
        if crash < 5:
            assert machine.reasons(job_id) == ["BeginTime"]
            pauses.append(pause_before(machine.job(job_id)))
            machine.queue.let_go(machine.job(job_id))
    assert pauses == [1.0, 2.0, 4.0, 8.0]
    assert machine.reasons(job_id) == ["JobHoldMaxRequeue"]
    other = machine.submit()
    assert machine.start() == [other], "it holds up nobody"
    assert machine.end(other) == []
    assert machine.cancel(job_id) == []
    assert machine.row(job_id)["state"] == "CANCELLED"


def test_a_requeue_that_was_asked_for_is_no_crash() -> None:
    machine = Machine(cpus=1)
    job_id = machine.submit()
    machine.start()
    crashed = pending_after_crash(pending_after_crash(machine.job(job_id)))
    assert (crashed.crashes, hold_of(crashed)) == (2, "BeginTime")
    asked = pending_again(crashed)
    assert (asked.restarts, asked.crashes, hold_of(asked)) == (3, 0, None)
    for _ in range(20):
        machine.queue.put(pending_again(machine.job(job_id)))
        assert machine.start() == [job_id]


def test_a_job_that_kills_its_supervisor_is_held_until_it_is_released(
    make_site: Callable[..., Site],
) -> None:
    site = make_site(requeue_pause=0.01)
    job_id = site.submit(
        "echo >> starts; [ -e well ] && exit 4\nkill -9 $PPID; sleep 300", requeue=""
    )
    site.reason_of(job_id, "JobHoldMaxRequeue")
    assert (site.base / "starts").read_text() == 5 * "\n"
    assert site.row(job_id)["state"] == "PENDING"
    kill_daemon(site)
    assert site.row(job_id)["reason"] == "JobHoldMaxRequeue"
    other = site.submit("true")
    assert site.end_of(other)["state"] == "COMPLETED"
    assert "not held" in refusal(lambda: site.scheduler.release(other))
    (site.base / "well").touch()
    site.scheduler.release(job_id)
    row = site.end_of(job_id)
    assert (row["exit_code"], row["restarts"]) == ("4:0", 5)


# What is left of them


@pytest.mark.parametrize("hours", [-1, 1])
def test_a_clock_that_was_set_leaves_no_second_attempt_beside_the_first(
    make_site: Callable[..., Site], hours: int
) -> None:
    site = make_site(requeue_pause=0.01)
    held = site.gate()
    first = f'echo $PPID > supervisor; [ "$SLURM_RESTART_COUNT" ] && exit 4\n{held.hold}; sleep 300'
    job_id = site.submit(first, requeue="", export=f"PATH={os.environ['PATH']}")
    held.await_held()
    notes = site.state / "spool" / f"{job_id}.pid"
    said = json.loads(notes.read_bytes())
    notes.write_text(json.dumps({**said, "start": said["start"] + 3600 * hours}))
    os.kill(supervisor_of(site), signal.SIGKILL)
    assert site.end_of(job_id)["exit_code"] == "4:0"
    assert held.nobody_holds()


def test_a_process_is_known_by_the_ticks_of_its_birth_and_not_by_the_clock() -> None:
    with subprocess.Popen(["sleep", "300"], start_new_session=True) as process:
        try:
            birth = birth_of(process.pid)
            assert is_leader(process.pid, birth, time.time() if birth is None else 0.0)
            assert not is_leader(process.pid, ["another boot", 1], time.time())
            assert not is_leader(process.pid, None, 0.0)
            assert is_leader(process.pid, None, time.time()), "as of an earlier version"
        finally:
            process.kill()
        process.wait()
        assert birth_of(process.pid) is None
        assert not is_leader(process.pid, birth, time.time())


# What forks itself away. Elsewhere than on Linux nobody can tell whose it was.

FORKED_AWAY = "setsid -f bash -c '{hold}; exec sleep 300'"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    made = Site(tmp_path_factory.mktemp("forks"), max_cpus=64)
    yield made
    made.close()


if sys.platform == "linux":

    @pytest.mark.local
    @pytest.mark.parametrize("environment", ["", "env -i PATH=/usr/bin:/bin "])
    @pytest.mark.parametrize("end", ["itself", "cancel", "supervisor"])
    def test_what_forks_itself_away_ends_with_its_job(
        site: Site, environment: str, end: str
    ) -> None:
        held, gate = site.gate(), site.gate()
        if end == "supervisor" and environment:
            return  # nothing tells whose it was: see the reference page of the local backend
        hold = held.hold.replace('"', "")
        job_id = site.submit(
            f"echo $PPID > supervisor; {environment}{FORKED_AWAY.format(hold=hold)}\n{gate.wait}; exit 5"
        )
        held.await_held()
        if end == "itself":
            gate.open()
        elif end == "cancel":
            site.scheduler.cancel([job_id])
        else:
            os.kill(supervisor_of(site), signal.SIGKILL)
        states = {"itself": "FAILED", "cancel": "CANCELLED", "supervisor": "NODE_FAIL"}
        assert site.end_of(job_id)["state"] == states[end]
        assert held.nobody_holds()


def test_a_daemon_that_a_job_has_started_outlives_the_job(make_site: Callable[..., Site]) -> None:
    site = make_site()
    gate, held = site.gate(), site.gate()
    ask = (
        "import os; from slurm.local.scheduler import LocalScheduler; "
        'print(LocalScheduler(os.environ["SLURM_SDK_LOCAL_STATE"]).info()["pid"])'
    )
    command = f"PYTHONPATH='{SOURCE}' '{sys.executable}' -c '{ask}' > daemon"
    job_id = site.submit(f"{held.hold}; {gate.wait}; {command}")
    held.await_held()
    kill_daemon(site)
    gate.open()
    held.await_released()
    assert (site.base / "daemon").read_text().strip() == str(site.scheduler.info()["pid"])
    assert site.end_of(job_id)["state"] == "COMPLETED"
