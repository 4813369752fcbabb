"""A real sbatch that submits, and whose answer then gets lost in all the ways there are."""

from __future__ import annotations

from typing import Any

import pytest
from tests.conformance.waiting import wait_until

from at_most_once.bench import Bench
from slurm import Job
from slurm.api import transport
from slurm.api.agent_text import agent_sources, packed

pytestmark = pytest.mark.slurm

CUT = "kill -9 $(ps -o ppid= -p $PPID)"  # the sshd of this client's connection
SAYS = "echo 'sbatch: error: Batch job submission failed: {}' >&2; exit 1"
SUBMITS = '/usr/bin/sbatch "$@"'
FAULTS = {
    "sbatch says that its answer was lost": f"{SUBMITS} > /dev/null; "
    + SAYS.format("Unable to contact slurm controller (receive failure)"),
    "sbatch was not heard, for once": SAYS.format(
        "Unable to contact slurm controller (connect failure)"
    ),
    "the connection is cut before sbatch": f"{CUT}; {SUBMITS}",
    "the connection is cut after sbatch": f"{SUBMITS} > $HERE/id; {CUT}; cat $HERE/id",
    "the agent is killed before sbatch": f"kill -9 $PPID; {SUBMITS}",
    "the agent is killed after sbatch": f"{SUBMITS} > $HERE/id; kill -9 $PPID; cat $HERE/id",
    "the whole session is killed after sbatch": f"{SUBMITS} > $HERE/id; kill -9 $PPID $$",
    "sbatch is killed after it has submitted": f"{SUBMITS} > /dev/null; kill -9 $$",
}
# Waits for the file `now`, without what it has inherited of the agent's locks; and says meanwhile that it failed.
LATE = """python3 - "$HERE" "$@" << 'END'
import subprocess, sys
wait = 'while [ ! -e "$0/now" ]; do sleep 0.1; done; exec /usr/bin/sbatch "$@"'
null = subprocess.DEVNULL
argv = ["sh", "-c", wait, *sys.argv[1:]]
subprocess.Popen(argv, stdin=null, stdout=null, stderr=null, start_new_session=True)
END
""" + SAYS.format("Socket timed out on send/recv operation")


def with_agent(monkeypatch: pytest.MonkeyPatch, module: str, **constants: str) -> None:
    """Have a module of the agent, as it is sent, say otherwise."""
    sources = agent_sources()
    for name, value in constants.items():
        assert f"\n{name} = " in sources[module]
        sources[module] += f"{name} = {value}\n"
    monkeypatch.setattr(transport, "agent_text", lambda: packed(sources))


@pytest.mark.parametrize("plan", FAULTS.values(), ids=FAULTS)
def test_the_submission_is_one_job(plan: str, bench: Bench, key: str) -> None:
    bench.put("plan", plan)
    job = bench.asked(bench.client(), key)
    assert not bench.exists("plan"), "nothing went wrong"
    bench.assert_one_job(job, key)


def test_an_sbatch_that_answers_after_the_timeout_is_one_job(
    bench: Bench, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_agent(monkeypatch, "commands", COMMAND_TIMEOUT="10.0")
    bench.put("plan", f"{SUBMITS} > $HERE/id; sleep 600; cat $HERE/id")
    job = bench.asked(bench.client(), key)
    bench.assert_one_job(job, key)
    left = ["pgrep", "-u", "dev", "-f", "sleep 600"]
    wait_until(
        lambda: bench.docker.exec("login", left, check=False).stdout == "",
        "it was ended with all that it started",
    )


def test_a_job_that_comes_late_is_waited_for_and_not_submitted_again(
    bench: Bench, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As with a controller that hangs for a while: sbatch gives up, and the request is still there."""
    with_agent(monkeypatch, "slurm_commands", SEARCH_PAUSES="()")
    bench.put("plan", LATE)
    assert bench.asked(bench.client(), key) is None
    assert bench.asked(bench.client(), key) is None, "it may still come"
    assert bench.jobs_of(key) == [[]]
    bench.put("now", "")
    wait_until(lambda: bench.asked(bench.observer, key), "the job has come")
    bench.assert_one_job(bench.asked(bench.observer, key), key)


def test_a_session_that_is_killed_before_sbatch_is_unknown_until_no_job_can_come(
    bench: Bench, key: str
) -> None:
    bench.put("plan", "kill -9 $PPID $$")
    assert bench.asked(bench.client(), key) is None
    assert bench.jobs_of(key) == [[]]
    bench.let_time_pass(key)
    job = bench.asked(bench.client(), key)
    bench.assert_one_job(job, key)


def test_a_directory_leads_to_a_job_whose_id_nobody_could_write_down(
    bench: Bench, key: str
) -> None:
    """Without a second submission: the answer was lost, and so was the agent."""
    bench.put("plan", '/usr/bin/sbatch --hold "$@" > $HERE/id; kill -9 $PPID $$')
    client: Any = bench.client(reconnect_timeout=0.001)
    client.backend.host()
    bench.put("python", "#!/bin/sh\nexit 1\n", executable=True)  # there is no way back
    assert bench.asked(client, key) is None
    [[job_id]] = bench.jobs_of(key)
    path = bench.docker.exec(
        "login", ["squeue", "-h", "-j", job_id, "-o", "%Z"], user="dev"
    ).stdout.strip()
    found: Job[int] = Job.from_dir(path, bench.observer)
    assert found.id == job_id
    bench.observer.backend.cancel_job(job_id)
