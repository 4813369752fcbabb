"""The login node as sites have it: what Compose, ssh and the SDK are told of it."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
from pathlib import Path

import pytest
from tests.helpers.fakes import Programs

from slurm.testing import ClusterError, DockerCluster
from slurm.testing.commands import cluster_files
from slurm.testing.rest import said_of_rest
from slurm.testing.shape import Shape
from slurm.testing.shape_files import compose_file

PASSWORD = "a secret of this test"


def written(docker: DockerCluster) -> DockerCluster:
    """With the files that `up` would write."""
    asks = docker.shape.second_factor
    docker.access.write(
        port=20022,
        host_key="ssh-ed25519 LOGIN login",
        write_private_key=lambda _: None,
        bastion_key="ssh-ed25519 GATE bastion" if docker.shape.bastion else "",
        write_second_factor=_put if asks else None,
    )
    return docker


def _put(file: int) -> None:
    os.write(file, f"{PASSWORD}\n".encode())


def test_one_machine_alone_has_a_port_outside() -> None:
    for bastion, file in ((False, "login-port.yml"), (True, "bastion.yml")):
        docker = DockerCluster("mine", bastion=bastion)
        more = [Path(word).name for word in docker.compose.command if word.endswith(".yml")]
        assert more == ["docker-compose.yml", file]
        assert ("bastion" in docker.services) is bastion
    files = [cluster_files() / "docker-compose.yml", *(cluster_files() / "docker").glob("*.yml")]
    publishing = {path.name for path in files if "SLURM_SSH_PORT:" in path.read_text()}
    assert publishing == {"login-port.yml", "bastion.yml"}


def test_the_login_node_alone_is_told_of_its_words() -> None:
    shape = Shape(second_factor=True, talking_login=True, bastion=True, users=("ann",))
    services = json.loads(compose_file(shape, cluster_files() / "docker-compose.yml"))["services"]
    told = {name: one["environment"].get("CLUSTER_LOGIN") for name, one in services.items()}
    assert told.pop("login") == "second-factor talking"
    assert set(told.values()) == {None}
    assert "bastion" not in services, "so that it can be taken down by who does not know of it"


def test_files_lead_through_the_bastion_and_pin_its_own_key(tmp_path: Path) -> None:
    docker = written(DockerCluster("mine", state_dir=tmp_path / "state", bastion=True))
    known = docker.access.known_hosts.read_text().splitlines()
    assert known[0] == "login ssh-ed25519 LOGIN"
    assert known[-1] == "[127.0.0.1]:20022 ssh-ed25519 GATE"
    config = docker.ssh_config.read_text()
    assert re.search(r"^Host mine\n    HostName login\n    ProxyJump mine-bastion$", config, re.M)
    assert re.search(r"^Host mine-bastion\n    HostName 127.0.0.1\n    Port 20022$", config, re.M)
    assert re.search(r"^Host c1 c2\n    ProxyJump mine$", config, re.M)
    slurmfile = docker.slurmfile.read_text()
    assert f'hostname = "mine"\nconfig_file = "{docker.ssh_config}"\n' in slurmfile
    assert docker.access.port() == 20022
    docker.access.remove()
    assert list(tmp_path.iterdir()) == []


def test_the_answer_is_printed_by_a_program_that_ssh_can_ask(tmp_path: Path) -> None:
    docker = written(DockerCluster("mine", state_dir=tmp_path / "a 'state'", second_factor=True))
    assert docker.second_factor == PASSWORD
    asked = [str(docker.access.answer), "Password: "]
    assert (
        subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip() == PASSWORD
    )
    assert "BatchMode" not in docker.ssh_config.read_text()
    docker.access.remove()
    assert list(tmp_path.iterdir()) == []


def test_ssh_finds_the_answer_itself_where_there_is_a_question(
    tmp_path: Path, programs: Programs
) -> None:
    programs.add("ssh", 'printf "%s %s" "$SSH_ASKPASS_REQUIRE" "$SSH_ASKPASS"')
    asking = written(DockerCluster("mine", state_dir=tmp_path / "asks", second_factor=True))
    assert asking.over_ssh.run(["id"]).stdout == f"force {tmp_path}/asks/answer"
    plain = written(DockerCluster("mine", state_dir=tmp_path / "plain"))
    assert "force" not in plain.over_ssh.run(["id"]).stdout
    with pytest.raises(ClusterError, match="the cluster mine asks for no second factor"):
        _ = plain.second_factor


def test_an_engine_on_another_machine_is_gone_through_by_ssh(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a job of GitLab's, whose engine is a service: the login node's port is on that machine."""
    monkeypatch.setenv("DOCKER_HOST", "tcp://docker:2376")
    docker = written(DockerCluster("mine", state_dir=tmp_path))
    through = "    Port 20022\n    ProxyCommand docker exec --interactive mine-login-1 bash -c "
    assert through in docker.ssh_config.read_text()
    assert 'hostname = "mine"\nconfig_file = ' in docker.slurmfile.read_text()
    monkeypatch.setenv("DOCKER_HOST", "unix:///run/podman/podman.sock")
    assert not DockerCluster("mine", state_dir=tmp_path).access.relay


def test_slurmrestd_of_an_engine_on_another_machine_is_reached_through_the_engine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, programs: Programs
) -> None:
    programs.add("docker", 'read -r line; printf "%s heard %s" "$3" "$line"')
    monkeypatch.setenv("DOCKER_HOST", "ssh://me@far")
    docker = written(DockerCluster("mine", state_dir=tmp_path, rest=True))
    docker.access.write_rest(20821)
    url = docker.rest.url
    assert docker.rest.url == url != "http://127.0.0.1:20821"
    with socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2]))) as connection:
        connection.sendall(b"hello\n")
        said = b"".join(iter(lambda: connection.recv(100), b""))
    assert said == b"mine-slurmrestd-1 heard hello"
    # What outlives the process that asks can only be said.
    assert said_of_rest(docker) == (
        "http://127.0.0.1:20821 on the engine's machine, and here as long as this runs: "
        f"ssh -F {tmp_path}/ssh_config -N -L 20821:slurmrestd:6820 mine"
    )
    docker.rest_relay().close()
