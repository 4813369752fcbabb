"""Connections that die without a word, as when a laptop sleeps or a cable is pulled: `ssh` is stopped."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

import pytest
from tests.conformance.waiting import wait_until
from tests.helpers.cluster_files import wait_for_file

import cluster_tasks
from at_most_once.bench import TIMEOUT, Bench
from slurm import Cluster, Job
from slurm.api import liveness, transport

pytestmark = pytest.mark.slurm


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Silence is noticed sooner than users would like."""
    monkeypatch.setattr(liveness, "QUIET", 1.0)
    monkeypatch.setattr(liveness, "GRACE", 4.0)
    monkeypatch.setattr(transport, "LOOK", 0.2)


class Stopped:
    """The ``ssh`` of one client, which can be stopped: from then on nothing comes and nothing goes."""

    def __init__(self, client: Cluster) -> None:
        before = self._ours()
        client.backend.host()
        [self.pid] = self._ours() - before

    def stop(self) -> None:
        os.kill(self.pid, signal.SIGSTOP)

    def wait_until_given_up(self) -> None:
        """Until the client has noticed, and ended it."""
        wait_until(lambda: self.pid not in self._ours(), "the silence is noticed")

    @staticmethod
    def _ours() -> set[int]:
        """The processes called ssh that are children of this one."""
        found = set()
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                name, _, rest = stat.read_text().partition(") ")
            except (FileNotFoundError, ProcessLookupError):
                continue
            state, parent = rest.split()[:2]
            if name.endswith("(ssh") and parent == str(os.getpid()) and state != "Z":
                found.add(int(stat.parent.name))
        return found


@pytest.fixture
def client(bench: Bench) -> Cluster:
    return bench.client(poll_interval_max=1.0)


def test_a_submission_in_flight_is_one_job(bench: Bench, client: Cluster, key: str) -> None:
    bench.put(
        "plan",
        '/usr/bin/sbatch "$@" > $HERE/id; while [ ! -e $HERE/now ]; do sleep 0.1; done; cat $HERE/id',
    )
    ssh = Stopped(client)
    found: list[Job[int] | None] = []
    submitting = threading.Thread(target=lambda: found.append(bench.asked(client, key)))
    submitting.start()
    wait_for_file(bench.observer, f"{bench.folder}/id")
    ssh.stop()
    ssh.wait_until_given_up()
    assert submitting.is_alive(), "the new agent waits for the first one's sbatch"
    bench.put("now", "")
    submitting.join(TIMEOUT)
    [job] = found
    bench.assert_one_job(job, key)


def test_a_future_that_waits_goes_on_waiting(bench: Bench, client: Cluster, key: str) -> None:
    gate = f"{bench.folder}/gate"
    ssh = Stopped(client)
    job = client.submit(cluster_tasks.wait_for, key=key)(gate)
    ssh.stop()
    assert not job.wait(1.0)
    ssh.wait_until_given_up()
    assert not job.wait(1.0)
    bench.put("gate", "")
    assert job.get_result(TIMEOUT) == gate
    assert bench.jobs_of(key) == [[job.id]]


def test_the_agent_of_a_connection_that_is_gone_is_gone(bench: Bench, client: Cluster) -> None:
    ssh = Stopped(client)
    _, agent = client.backend.run_program(["sh", "-c", "echo $PPID"], timeout=TIMEOUT)
    os.kill(ssh.pid, signal.SIGKILL)
    until_it_ends = ["tail", f"--pid={int(agent)}", "-f", "/dev/null"]
    bench.docker.exec("login", until_it_ends, timeout=TIMEOUT)
