"""From a call to a request: options, dependencies and what travels. Nothing is submitted."""

from __future__ import annotations

import json
import sys
import sysconfig
from pathlib import Path
from typing import Any

import pytest
from tests.helpers.fakes import FakeBackend, job_of

from slurm import Cluster, Job, task
from slurm.errors import ConfigError, SerializationError, SlurmError
from slurm.job_dir.arguments import load_arguments
from slurm.job_dir.payload import load_payload
from slurm.job_dir.search_path import NODE_PATH, SDK_PATH
from slurm.packaging import NonePackagingStrategy, strategy_of


@task
def plain() -> None:
    pass


@task(mem="9G", comment="a note", dependency="singleton")
def tuned(*args: Any) -> None:
    pass


def finished(cluster: Cluster, backend: FakeBackend, state: str, source: str) -> Job[Any]:
    job = job_of(cluster, "5", task_name="t")
    backend.say("5", state, source=source)
    cluster.operations.watch(job.records)
    assert job.wait(60)
    return job


# --- options -------------------------------------------------------------------------------------


def test_a_job_has_modest_defaults(fake_cluster: Cluster) -> None:
    options = dict(fake_cluster.dry_run(plain).options)
    output, error = options.pop("output"), options.pop("error")
    assert options == {
        "nodes": "1",
        "ntasks": "1",
        "mem": "1G",
        "time": "00:10:00",
        "job-name": "plain",
        "signal": "B:USR1@60",
    }
    assert (Path(output).name, Path(error).name) == ("slurm_%j.out", "slurm_%j.err")


def test_the_task_wins_over_the_cluster_and_the_cluster_over_the_defaults(
    tmp_path: Path,
) -> None:
    cluster = Cluster("slurm", job_base_dir=tmp_path, submit={"mem": "5G", "time": 60, "qos": "q"})
    assert cluster.dry_run(plain).options["mem"] == "5G"
    options = cluster.dry_run(tuned).options
    cluster.close()
    assert (options["mem"], options["time"], options["qos"]) == ("9G", "60", "q")


@pytest.mark.parametrize(
    ("given", "not_beside_it"),
    [
        ({"mem_per_cpu": "2G"}, "mem"),
        ({"mem_per_gpu": "2G"}, "mem"),
        ({"ntasks_per_node": 4}, "ntasks"),
        ({"nodes": 2}, "ntasks"),
    ],
)
def test_a_default_gives_way_to_an_option_that_sbatch_takes_in_its_place(
    given: dict[str, Any], not_beside_it: str, fake_cluster: Cluster, tmp_path: Path
) -> None:
    """sbatch refuses --mem beside --mem-per-cpu. Beside --ntasks=1 it ignores --ntasks-per-node, and
    makes one node of --nodes=2."""
    assert not_beside_it not in fake_cluster.dry_run(plain.with_options(**given)).options
    site = Cluster("slurm", job_base_dir=tmp_path, submit=given)
    assert not_beside_it not in site.dry_run(plain).options
    site.close()


def test_tasks_that_were_asked_for_stay_beside_nodes(fake_cluster: Cluster) -> None:
    wide = plain.with_options(ntasks=4)
    assert fake_cluster.dry_run(wide.with_options(nodes=2)).options["ntasks"] == "4"
    assert fake_cluster.dry_run(plain.with_options(nodes=1)).options["ntasks"] == "1"


def test_a_task_may_be_requeued_where_the_site_says_no(tmp_path: Path) -> None:
    cluster = Cluster("slurm", job_base_dir=tmp_path, submit={"no_requeue": True})
    options = cluster.dry_run(plain.with_options(requeue=True)).options
    assert "no-requeue" in cluster.dry_run(plain).options
    cluster.close()
    assert "requeue" in options
    assert "no-requeue" not in options


def test_a_tasks_memory_takes_the_place_of_the_clusters(tmp_path: Path) -> None:
    cluster = Cluster("slurm", job_base_dir=tmp_path, submit={"mem_per_cpu": "2G"})
    options = cluster.dry_run(tuned).options
    cluster.close()
    assert options["mem"] == "9G"
    assert "mem-per-cpu" not in options


def test_the_token_leads_the_comment_and_dependencies_stand_on_the_command_line(
    fake_cluster: Cluster,
) -> None:
    request = fake_cluster.dry_run(tuned)
    assert request.submit_options == {
        "comment": f"{request.token} a note",
        "dependency": "singleton",
    }
    assert "comment" not in request.options
    assert b"singleton" not in request.files["job.sh"]


def test_the_jobs_it_waits_for_stand_on_the_command_line(
    fake_cluster: Cluster, backend: FakeBackend
) -> None:
    backend.say("1", "RUNNING")
    backend.say("2", "RUNNING")
    with fake_cluster:
        first, second = plain(), plain()
    request = fake_cluster.dry_run(plain.after(first, second))
    assert "--dependency=afterok:1:2" in request.argv
    assert b"afterok" not in request.files["job.sh"]


def test_a_dependency_on_a_job_is_added_to_the_users_own(
    fake_cluster: Cluster, backend: FakeBackend
) -> None:
    backend.say("1", "RUNNING")
    with fake_cluster:
        job = plain()
    assert fake_cluster.dry_run(tuned, job).submit_options["dependency"] == "singleton,afterok:1"


def test_a_job_that_slurm_has_forgotten_is_no_dependency_any_more(
    fake_cluster: Cluster, backend: FakeBackend
) -> None:
    done = finished(fake_cluster, backend, "COMPLETED", "sacct")
    assert fake_cluster.dry_run(tuned, done).submit_options["dependency"] == "singleton"


def test_a_job_that_has_failed_stays_a_dependency(
    fake_cluster: Cluster, backend: FakeBackend
) -> None:
    failed = finished(fake_cluster, backend, "FAILED", "sacct")
    assert "afterok:5" in fake_cluster.dry_run(tuned, failed).submit_options["dependency"]


def test_a_job_of_another_kind_of_cluster_is_no_dependency_here(
    fake_cluster: Cluster, backend: FakeBackend, tmp_path: Path
) -> None:
    """Its number means another job here, or none, and its result is somewhere else."""
    elsewhere = Cluster("local", job_base_dir=tmp_path / "elsewhere")
    job = job_of(elsewhere, "5", task_name="t", job_dir="/elsewhere/5")
    with fake_cluster:
        with pytest.raises(SlurmError, match="5"):
            tuned(job)
        with pytest.raises(SlurmError, match="5"):
            plain.after(job)()
    elsewhere.close()
    assert backend.requests == []


def test_every_request_has_a_token_and_a_directory_of_its_own(fake_cluster: Cluster) -> None:
    requests = [fake_cluster.dry_run(plain) for _ in range(20)]
    assert len({request.token for request in requests}) == 20
    assert len({request.job_dir for request in requests}) == 20


# --- what travels --------------------------------------------------------------------------------


def test_all_files_a_job_needs_are_in_the_request(fake_cluster: Cluster) -> None:
    request = fake_cluster.dry_run(plain)
    assert {"job.sh", "payload.pkl", "metadata.json"} <= set(request.files)
    metadata = json.loads(request.files["metadata.json"])
    assert (metadata["task_name"], metadata["token"]) == ("plain", request.token)
    assert request.argv[0] == "sbatch"
    assert request.argv[-1] == f"{request.job_dir}/job.sh"


def test_a_job_among_the_arguments_travels_as_a_placeholder_with_its_id(
    fake_cluster: Cluster, backend: FakeBackend
) -> None:
    from slurm.task import JobResultPlaceholder

    backend.say("1", "RUNNING")
    with fake_cluster:
        first = plain()
    payload = load_payload(fake_cluster.dry_run(tuned, [first]).files["payload.pkl"])
    ([arrived],), _ = load_arguments(payload.arguments, lambda placeholder: placeholder)
    assert isinstance(arrived, JobResultPlaceholder)
    assert type(arrived).__name__ == "JobResultPlaceholder"
    assert arrived.job_id == first.id == "1"


def test_large_arguments_are_not_in_the_script(fake_cluster: Cluster) -> None:
    request = fake_cluster.dry_run(tuned, "x" * 5_000_000)
    assert len(request.files["job.sh"]) < 4000
    assert len(request.files["payload.pkl"]) > 5_000_000


def test_the_clients_own_imports_go_along_where_files_are_shared(
    fake_cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    request = fake_cluster.dry_run(plain)
    sys_path = load_payload(request.files["payload.pkl"]).sys_path
    assert sys_path[:2] == (str(tmp_path), SDK_PATH)
    assert not [path for path in sys_path if path.startswith(sys.base_prefix)]


@pytest.mark.parametrize("shared", [True, False])
def test_imports_are_searched_for_in_the_clients_order(
    shared: bool,
    fake_cluster: Cluster,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What stands before the interpreter's own directories, ``pythonpath``, those of the node, and what comes behind."""
    monkeypatch.setattr(FakeBackend, "shares_filesystem", shared)
    library = sysconfig.get_path("stdlib")
    own = [str(tmp_path / name) for name in ("script", "given", "editable")]
    site = [
        f"{library}.zip",
        library,
        f"{library}/site-packages",
        f"{sys.prefix}/lib/site-packages",
    ]
    monkeypatch.setattr(sys, "path", [*own[:2], Path("/no text"), *site, own[2]])
    some = task(packaging={"type": "none", "pythonpath": ["/my/lib"]})(plain.unwrapped)
    payload = load_payload(fake_cluster.dry_run(some).files["payload.pkl"])
    if shared:
        assert payload.sys_path == (own[0], SDK_PATH, own[1], "/my/lib", NODE_PATH, own[2])
    else:
        assert payload.sys_path == (SDK_PATH, "/my/lib", NODE_PATH)


def test_what_only_goes_by_value_needs_the_same_python_there(
    fake_cluster: Cluster, backend: FakeBackend
) -> None:
    backend.python = (3, 9, 18)
    with pytest.raises(SerializationError, match=r"^<lambda> .*jobs there have 3\.9, this is 3\."):
        fake_cluster.dry_run(task(lambda: 1))
    with pytest.raises(SerializationError, match="tuned or one of its arguments"):
        fake_cluster.dry_run(tuned, lambda: 1)
    fake_cluster.dry_run(tuned, 1)
    backend.python = (*sys.version_info[:2], 99)
    fake_cluster.dry_run(task(lambda: 1))


def test_what_cannot_travel_is_refused_before_anything_is_submitted(
    fake_cluster: Cluster, backend: FakeBackend
) -> None:
    with fake_cluster, pytest.raises(SerializationError, match="generator"):
        tuned(n for n in range(3))
    assert backend.requests == []


# --- packaging none ------------------------------------------------------------------------------


def test_an_interpreter_may_be_named(fake_cluster: Cluster) -> None:
    some = task(packaging={"type": "none", "python": "/opt/my python"})(plain.unwrapped)
    script = fake_cluster.dry_run(some).files["job.sh"].decode()
    assert "exec '/opt/my python' -u " in script


def test_a_strategy_is_made_from_what_configuration_says() -> None:
    given = NonePackagingStrategy(python="/p", pythonpath=["/a"])
    assert strategy_of(given) is given
    assert strategy_of(given.inherited()).inherited() == given.inherited()
    for same in (None, "none", "", {"type": "none"}, {}):
        assert strategy_of(same).inherited() == NonePackagingStrategy().inherited()


@pytest.mark.parametrize(
    "config", ["wheeel", {"type": "wheeel"}, {"type": ["none"]}, {"typ": "none"}]
)
def test_a_strategy_that_does_not_exist_is_refused(config: Any) -> None:
    with pytest.raises(ConfigError, match="packaging"):
        strategy_of(config)
