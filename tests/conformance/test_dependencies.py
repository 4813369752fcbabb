"""Jobs that wait for others: in which order they run, and what happens when one fails."""

from __future__ import annotations

import json
import traceback
from collections.abc import Mapping
from typing import Any

import pytest
from tests.conformance.sites import Site
from tests.conformance.waiting import PATIENCE

import conformance_tasks as tasks
from slurm import Cluster, Job
from slurm.errors import DependencyFailed, RemoteTraceback

Jobs = Mapping[str, Job[Any]]


@pytest.fixture(scope="module")
def jobs(client: Cluster, folder: str) -> Jobs:
    """A graph, submitted at once; each job leaves its name in `folder` and returns what it found."""
    with client:
        step = tasks.step
        root = step(folder, "root")
        bad = step(folder, "bad", succeed=False)
        left = step.after(root)(folder, "left")
        right = step.after(root)(folder, "right")
        joined = tasks.step_with.after(root).after(right)(folder, "joined", [left, root])
        never = step.after(root, bad)(folder, "never")
        return {
            "root": root,
            "bad": bad,
            "left": left,
            "right": right,
            "joined": joined,
            "whatever": step.afterany(bad, root)(folder, "whatever"),
            "remedy": step.after(root).afternotok(bad)(folder, "remedy"),
            "never": never,
            "never after it": step.after(never)(folder, "never after it"),
            "never with it": tasks.step_with(folder, "never with it", [left, bad]),
            "no remedy": step.afternotok(root)(folder, "no remedy"),
        }


def test_a_job_runs_after_those_it_waits_for(jobs: Jobs) -> None:
    assert "root" in jobs["left"].get_result(PATIENCE)
    assert "root" in jobs["right"].get_result(PATIENCE)
    marks, values = jobs["joined"].get_result(PATIENCE)
    assert {"root", "left", "right"} <= set(marks)
    assert values == [jobs["left"].get_result(), jobs["root"].get_result()]


def test_dependencies_of_all_sorts_are_merged(jobs: Jobs) -> None:
    waits_for = sorted(job.id for job in jobs["joined"].dependencies if isinstance(job, Job))
    assert waits_for == sorted(jobs[name].id for name in ("root", "left", "right"))


def test_the_metadata_tells_what_a_job_waits_for(jobs: Jobs, client: Cluster) -> None:
    def told(name: str) -> list[tuple[str, str]]:
        content = client.backend.read_file(f"{jobs[name].job_dir}/metadata.json")
        return sorted((one["type"], one["job_id"]) for one in json.loads(content)["dependencies"])

    root, bad = jobs["root"].id, jobs["bad"].id
    assert told("root") == []
    assert told("left") == [("afterok", root)]
    assert told("whatever") == sorted([("afterany", root), ("afterany", bad)])
    assert told("remedy") == [("afternotok", bad), ("afterok", root)]


@pytest.mark.parametrize("name", ["whatever", "remedy"])
def test_a_job_may_wait_for_an_end_of_any_kind_or_for_a_failure(jobs: Jobs, name: str) -> None:
    assert "bad" in jobs[name].get_result(PATIENCE)


@pytest.mark.parametrize("name", ["never", "never after it", "never with it"])
def test_what_needs_a_failed_job_never_starts_and_names_the_root(
    jobs: Jobs, client: Cluster, name: str
) -> None:
    with pytest.raises(DependencyFailed, match=f"job {jobs['bad'].id} .*FAILED") as raised:
        jobs[name].get_result(PATIENCE)
    assert raised.value.job_id == jobs[name].id
    assert raised.value.state == "CANCELLED"
    assert_carries_the_root(raised.value, jobs["bad"])
    assert not jobs[name].is_successful()
    assert not client.backend.file_exists(f"{jobs[name].job_dir}/result.pkl")


def assert_carries_the_root(error: DependencyFailed, root: Job[Any]) -> None:
    """The root's error: its type, its message, its directory, its traceback, the end of its stderr."""
    assert (error.root_job_id, error.root_job_dir) == (root.id, root.job_dir)
    assert error.root_type_name.endswith("Unlucky")
    assert error.root_message == str(tasks.Unlucky("bad", 1))
    raised = f"{error.root_type_name}: {error.root_message}"
    assert f"ended as FAILED: {raised}. Its files: {root.job_dir}" in str(error)
    assert type(error.__cause__) is tasks.Unlucky
    assert error.__cause__.code == 1
    assert isinstance(error.__cause__.__cause__, RemoteTraceback)
    assert "raise Unlucky(name, code=1)" in error.__cause__.__cause__.text
    assert "raise Unlucky(name, code=1)" in error.stderr
    shown = "".join(traceback.format_exception(error))
    assert shown.count("raise Unlucky(name, code=1)") == 1


def test_a_later_client_names_the_root_as_well(jobs: Jobs, site: Site) -> None:
    later = site.connect()
    with pytest.raises(DependencyFailed, match=f"job {jobs['bad'].id} .*FAILED") as raised:
        later.get_job(jobs["never after it"].id).get_result(PATIENCE)
    assert_carries_the_root(raised.value, jobs["bad"])
    later.close()


def test_what_needs_a_failure_never_starts_after_success(jobs: Jobs) -> None:
    with pytest.raises(DependencyFailed, match=r"COMPLETED; it waited for that to fail") as raised:
        jobs["no remedy"].get_result(PATIENCE)
    assert raised.value.root_job_id == jobs["root"].id


def test_nothing_ran_that_should_not_have(jobs: Jobs, client: Cluster, folder: str) -> None:
    for job in jobs.values():
        assert job.wait(PATIENCE)
    ran = {"root", "bad", "left", "right", "joined", "whatever", "remedy"}
    assert set(client.backend.list_directory(folder)) == ran


def test_a_job_that_has_ended_can_still_be_waited_for(jobs: Jobs, cluster: Cluster) -> None:
    jobs["root"].wait(PATIENCE)
    later = tasks.echo.after(jobs["root"])(jobs["root"])
    assert later.get_result(PATIENCE) == ((jobs["root"].get_result(),), {})


def test_a_task_with_dependencies_or_options_is_another_task(jobs: Jobs, cluster: Cluster) -> None:
    derived = tasks.never_submitted.after(jobs["bad"]).with_options(cpus_per_task=2)
    plain = cluster.dry_run(tasks.never_submitted)
    assert "dependency" not in plain.submit_options
    assert "cpus-per-task" not in plain.options
    bound = cluster.dry_run(derived.with_options(mem="50M").after())
    assert bound.submit_options["dependency"] == f"afterok:{jobs['bad'].id}"
    assert (bound.options["cpus-per-task"], bound.options["mem"]) == ("2", "50M")


def test_the_same_key_is_the_same_job_for_every_client(site: Site, cluster: Cluster) -> None:
    first = tasks.add.submit(key="only 'once'")(1, 2)
    other = site.connect()
    for again in (
        tasks.add.submit(cluster, key="only 'once'")(3, 4),
        other.submit(tasks.add, key="only 'once'")(5, 6),
    ):
        assert (again.id, again.job_dir, again.reattached) == (first.id, first.job_dir, True)
        assert again.get_result(PATIENCE) == 3
    other.close()
