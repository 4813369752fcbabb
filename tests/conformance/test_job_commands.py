"""What the commands below ``slurm jobs`` do with jobs, wherever those run."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest
from tests.conformance.sites import Gate, Site
from tests.conformance.waiting import PATIENCE, wait_until, wait_until_ended

import conformance_commands as commands
import conformance_tasks as tasks
from slurm import ArrayJob, Cluster, Job, cli

Run = Callable[..., "Said"]


class Said(NamedTuple):
    """What a command printed, and its exit status."""

    status: int
    out: str
    err: str

    @property
    def jobs(self) -> dict[str, dict[str, Any]]:
        """What it listed, by ids."""
        return {job["job_id"]: job for job in json.loads(self.out)["jobs"]}


class Jobs(NamedTuple):
    gate: Gate
    done: Job[int]
    bad: Job[Any]
    held: Job[Any]
    waits: Job[Any]
    array: ArrayJob[Any]


@pytest.fixture
def run(site: Site, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """``run("jobs", "list")`` runs a command of the command line on the site, with a client of its own."""
    monkeypatch.setattr(Cluster, "from_args", lambda args: site.connect())

    def call(*words: str) -> Said:
        status = cli.main(list(words))
        said = capsys.readouterr()
        return Said(status, said.out, said.err)

    return call


@pytest.fixture(scope="module")
def jobs(client: Cluster, new_gate: Callable[[], Gate]) -> Iterator[Jobs]:
    """One that has ended, one that failed, one that runs, one that waits for that, and an array of which one failed."""
    gate = new_gate()
    with client:
        held = tasks.wait_for(gate.path)
        waits = tasks.echo(held)
        done, bad = tasks.double.submit(key=f"{gate.path} key")(21), tasks.fail("the reason")
        array = tasks.fail_if_odd.map([0, 1, 2])
    gate.wait_until_started()
    assert done.get_result(PATIENCE) == 42
    assert bad.exception(PATIENCE) is not None
    array.wait(PATIENCE)
    wait_until_ended(client, [done, bad, *array])
    yield Jobs(gate, done, bad, held, waits, array)
    gate.open()
    assert waits.wait(PATIENCE)


def test_jobs_are_listed(jobs: Jobs, run: Run, client: Cluster) -> None:
    found = run("jobs", "list", "--json").jobs
    about = {
        job: (found[job.id]["state"], found[job.id]["ours"], found[job.id]["directory"])
        for job in (jobs.done, jobs.bad, jobs.held, jobs.waits)
    }
    assert about == {
        jobs.done: ("COMPLETED", True, jobs.done.job_dir),
        jobs.bad: ("FAILED", True, jobs.bad.job_dir),
        jobs.held: ("RUNNING", True, jobs.held.job_dir),
        jobs.waits: ("PENDING", True, jobs.waits.job_dir),
    }
    assert found[jobs.waits.id]["reason"] == "Dependency"
    array = found[f"{jobs.array.id}_[0-2]"]
    assert (array["kind"], array["states"]) == ("array", {"COMPLETED": 2, "FAILED": 1})
    by_key = run("jobs", "list", "--json", "--key", f"{jobs.gate.path} key").jobs
    assert list(by_key) == [jobs.done.id]
    failed = run("jobs", "list", "--json", "--elements", "--state", "failed", "--ours").jobs
    assert {jobs.bad.id, jobs.array[1].id} <= set(failed)
    assert jobs.done.id not in failed


def test_the_end_of_jobs_is_waited_for(jobs: Jobs, run: Run) -> None:
    well = run("jobs", "wait", jobs.done.id, jobs.done.job_dir)
    assert (well.status, well.out.splitlines()) == (0, [f"{jobs.done.id} double COMPLETED"] * 2)
    assert run("jobs", "wait", jobs.held.id, "--timeout", "0").status == 3
    badly = run("jobs", "wait", jobs.held.id, jobs.array.id, "--any")
    assert (badly.status, badly.out) == (4, f"{jobs.array.id} fail_if_odd 2 COMPLETED, 1 FAILED\n")


def test_jobs_are_cancelled(cluster: Cluster, gate: Gate, run: Run) -> None:
    running = tasks.wait_for(gate.path)
    array = tasks.wait_for.after(running).map([f"{gate.path}-{number}" for number in range(4)])
    array.submit()
    gate.wait_until_started()
    said = run("jobs", "cancel", f"{array.id}_[1-2]", array[0].id)
    assert (said.status, said.out, said.err) == (0, f"cancelled {array.id}_[0-2] wait_for\n", "")
    for job in array[:3]:
        assert job.wait(PATIENCE)
    assert [job.get_status() for job in array] == [*["CANCELLED"] * 3, "PENDING"]
    assert run("jobs", "cancel", running.job_dir, array.id).status == 0
    assert running.wait(PATIENCE)
    assert running.get_status() == "CANCELLED"
    again = run("jobs", "cancel", running.id)
    assert (again.status, again.out) == (0, "")
    assert f"job {running.id} (wait_for) has ended already: CANCELLED" in again.err


def test_what_options_match_is_cancelled(cluster: Cluster, gate: Gate, run: Run) -> None:
    # Sites of the conformance tests run side by side as one user, and --name looks at all of them.
    word = secrets.token_hex(6)
    name = f"{word} to be cancelled"
    first = tasks.wait_for.with_options(job_name=name)(gate.path)
    second = tasks.echo.with_options(job_name=name)(first)
    stays = tasks.echo(first)
    only = ("--name", f"{word}*", "--state", "pending", "--yes")
    wait_until(lambda: run("jobs", "list", "--json", "--name", f"{word}*").jobs, "they are listed")
    gate.wait_until_started()
    assert run("jobs", "cancel", *only).out == f"cancelled {second.id} {name}\n"
    assert second.wait(PATIENCE)
    assert run("jobs", "cancel", *only).err == "there is nothing to cancel\n"
    assert (first.get_status(), stays.get_status()) == ("RUNNING", "PENDING")
    refused = run("jobs", "cancel", "--name", f"{word}*")
    assert (refused.status, "add --yes" in refused.err) == (2, True)
    assert run("jobs", "cancel", "987654").status == 2
    gate.open()
    assert stays.wait(PATIENCE)


def test_output_is_followed_as_it_is_written(cluster: Cluster, gate: Gate) -> None:
    job = commands.talk(gate.path)
    pieces = job.logs(follow=True)
    text = ""
    while "before" not in text:
        text += next(pieces)
    assert not job.done()
    gate.open()
    assert text + "".join(pieces) == "before é\nafter\nno end"
    assert "".join(job.logs(stderr=True)) == "an error\n"
    assert "".join(cluster.get_job(job.id).logs()) == job.get_stdout()


def test_the_command_prints_what_jobs_print(cluster: Cluster, gate: Gate, run: Run) -> None:
    job = commands.talk(gate.path)
    array = commands.talk.map([gate.path, gate.path]).submit()
    gate.open()
    both = run("jobs", "logs", job.id, "--follow", "--both")
    assert (both.status, both.out, both.err) == (0, "before é\nafter\nno end", "an error\n")
    assert run("jobs", "logs", job.id, "--lines", "2").out == "after\nno end"
    assert run("jobs", "logs", job.job_dir, "--stderr").out == "an error\n"
    elements = run("jobs", "logs", array.id, "--follow")
    expected = [f"{n}| {line}" for n in range(2) for line in ("before é", "after", "no end")]
    assert sorted(elements.out.splitlines()) == sorted(expected)
    assert run("jobs", "logs", f"{array.id}_1").out == "before é\nafter\nno end"


def test_output_is_followed_through_a_requeue(cluster: Cluster, run: Run) -> None:
    job = commands.talk_twice()
    said = run("jobs", "logs", job.id, "-f")
    assert said.out.endswith("attempt 2\n")
    if "attempt 1" in said.out:  # it was seen before it was begun anew
        assert "begins anew" in said.err


def test_output_that_cannot_be_seen_is_one_line(cluster: Cluster, run: Run) -> None:
    job = commands.talk.with_options(output="none")("/dev/null")
    said = run("jobs", "logs", job.id)
    [line] = said.err.splitlines()
    assert (said.status, "keeps no stdout" in line) == (1, True)


def test_what_failed_is_submitted_again(cluster: Cluster, gate: Gate, run: Run) -> None:
    job, array = (
        commands.needs(gate.path, 7),
        commands.needs.map([(gate.path, n) for n in range(3)]),
    )
    for failed in (job, *array):
        assert isinstance(failed.exception(PATIENCE), FileNotFoundError)
    gate.open()
    again = run("jobs", "rerun", job.id, "--mem=300M", "--time", "7")
    assert (again.status, again.err) == (0, "")
    new = cluster.get_job(again.out.split(maxsplit=1)[0])
    assert new.get_result(PATIENCE) == 7
    script = cluster.backend.read_file(f"{new.job_dir}/job.sh").decode()
    assert ("#SBATCH --mem=300M\n" in script, "#SBATCH --time=7\n" in script) == (True, True)
    of_array = run("jobs", "rerun", array.id)
    assert of_array.err == "elements 0-2 of 3\n"
    elements = cluster.get_array(of_array.out.split(maxsplit=1)[0])
    assert elements.get_results(PATIENCE) == [0, 1, 2]
    one = run("jobs", "rerun", array[2].id)
    assert cluster.get_array(one.out.split(maxsplit=1)[0]).get_results(PATIENCE) == [2]


def test_what_goes_on_is_not_submitted_again(jobs: Jobs, run: Run) -> None:
    said = run("jobs", "rerun", jobs.waits.id)
    assert (said.status, f"job {jobs.waits.id} (echo) goes on: PENDING" in said.err) == (2, True)
