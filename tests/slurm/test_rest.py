"""slurmrestd beside the cluster: a client with a token submits, looks and cancels, as its user and for as long as that holds."""

from __future__ import annotations

import stat

import pytest
from tests.conformance.waiting import wait_until

from rest_client import RestClient
from slurm.testing import ClusterError, DockerCluster

WAITS = "#!/bin/sh\nsleep 600\n"


def wait_for_end(client: RestClient, job: int) -> None:
    wait_until(lambda: client.has_ended(job), f"job {job} has ended")


def test_it_answers_in_all_versions_that_it_is_said_to_have(
    rest_cluster: DockerCluster, rest_client: RestClient
) -> None:
    assert rest_client.versions() == set(rest_cluster.rest.data_parsers)
    for version in rest_cluster.rest.data_parsers:
        one = RestClient(rest_client.service, version, rest_client.token)
        assert one.sees_the_controller()
    assert not rest_client.slurm("GET", "diag").is_refusal


def test_a_job_that_was_posted_runs_as_its_user(
    rest_cluster: DockerCluster, rest_client: RestClient
) -> None:
    job = rest_client.submit("#!/bin/sh\nid -un > by-rest.$SLURM_JOB_ID\n")
    wait_for_end(rest_client, job)
    assert "COMPLETED" in rest_client.states(job)
    assert rest_cluster.over_exec.read_file(f"/shared/home/dev/by-rest.{job}") == b"dev\n"


@pytest.mark.parametrize("token", ["", "no.such.token"])
def test_whoever_has_no_token_learns_nothing(rest_client: RestClient, token: str) -> None:
    answer = RestClient(rest_client.service, rest_client.version, token).slurm("GET", "jobs")
    assert answer.is_refusal
    assert not answer.body.get("jobs")


def test_a_token_of_another_key_is_refused(rest_client: RestClient) -> None:
    head, body, _ = rest_client.token.split(".")
    forged = f"{head}.{body}.{'A' * 43}"
    assert (
        RestClient(rest_client.service, rest_client.version, forged).slurm("GET", "jobs").is_refusal
    )


def test_a_token_is_good_for_its_lifetime(rest_client: RestClient) -> None:
    brief = RestClient(
        rest_client.service, rest_client.version, rest_client.service.token(lifetime=1)
    )
    wait_until(lambda: brief.slurm("GET", "jobs").is_refusal, "the token has expired")
    assert not rest_client.slurm("GET", "jobs").is_refusal


def test_nobody_cancels_the_job_of_another(rest_client: RestClient) -> None:
    job = rest_client.submit(WAITS)
    of_ann = rest_client.service.token("ann")
    for user in ("ann", "dev"):  # under her own name, and under a borrowed one
        RestClient(rest_client.service, rest_client.version, of_ann, user).slurm(
            "DELETE", f"job/{job}"
        )
        assert not rest_client.has_ended(job)
    rest_client.slurm("DELETE", f"job/{job}")
    wait_for_end(rest_client, job)
    assert "CANCELLED" in rest_client.states(job)


def test_one_that_was_killed_is_healed_where_it_was(
    rest_cluster: DockerCluster, rest_client: RestClient
) -> None:
    url = rest_cluster.rest.url
    rest_cluster.kill("slurmrestd")
    with pytest.raises(OSError, match=r"refused|reset|closed"):
        rest_client.slurm("GET", "ping")
    rest_cluster.heal()
    assert rest_cluster.rest.url == url
    assert not rest_client.slurm("GET", "jobs").is_refusal, "the token is good still"


def test_the_daemon_is_nobody_and_the_key_is_slurms(rest_cluster: DockerCluster) -> None:
    of_daemon = rest_cluster.exec("slurmrestd", ["ps", "-C", "slurmrestd", "-o", "uid="]).stdout
    assert int(of_daemon) != 0
    holders = {
        service: rest_cluster.exec(
            service, ["stat", "-c", "%a %U", "/etc/slurm-jwt/key"], check=False
        ).stdout.strip()
        for service in rest_cluster.services
    }
    slurms = f"{stat.S_IRUSR | stat.S_IWUSR:o} slurm"
    assert {name: said for name, said in holders.items() if said} == {
        "slurmctld": slurms,
        "slurmdbd": slurms,
    }


def test_a_token_is_in_no_log_and_in_no_text(
    rest_cluster: DockerCluster, rest_client: RestClient
) -> None:
    rest_client.slurm("GET", "jobs")
    assert rest_client.token not in rest_cluster.logs() + repr(rest_client.service)
    with pytest.raises(ClusterError, match="there is no user 'bob' on the cluster"):
        rest_client.service.token("bob")
    with pytest.raises(ClusterError, match="lifetime of a token must be a whole number"):
        rest_client.service.token(lifetime=0)


def test_it_is_reached_through_the_engine_where_that_is_another_machine(
    rest_cluster: DockerCluster, rest_client: RestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Here it is this one, but the way is the same: the engine's, without the port that is published."""
    with monkeypatch.context() as far:
        far.setenv("DOCKER_HOST", "tcp://far:2375")
        through = DockerCluster(
            rest_cluster.project,
            release=rest_cluster.compose.release,
            state_dir=rest_cluster.state_dir,
            **rest_cluster.shape.arguments,
        )
    try:
        assert through.rest.url != rest_cluster.rest.url
        client = RestClient(through.rest, rest_client.version, rest_client.token)
        assert [client.sees_the_controller() for _ in range(3)] == [True] * 3
    finally:
        through.rest_relay().close()
