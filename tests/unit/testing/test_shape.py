"""The description of a dockerised cluster: what makes sense, the same from every side, and what Slurm and Compose are told."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from slurm.testing import QOS, Account, ClusterError, DockerCluster, Node, Partition
from slurm.testing.commands import cluster_files
from slurm.testing.shape import FLAGS, Shape
from slurm.testing.shape_files import (
    FOR_CONTAINERS,
    IN_COMPOSE,
    accounting,
    compose_file,
    gres_conf,
    slurm_conf,
    slurm_settings,
)
from slurm.testing.shape_options import shape_arguments

MISTAKES: list[tuple[dict[str, Any], str]] = [
    ({"nodes": ["c1 cpu=4"]}, "node 'c1 cpu=4': there is no 'cpu' (did you mean 'cpus'?)"),
    ({"nodes": ["c1 cpus=four"]}, "node 'c1 cpus=four': cpus is a whole number, not 'four'"),
    ({"nodes": ["c1 cpus=0"]}, "cpus of c1 must be a whole number of at least 1, not 0"),
    ({"nodes": ["c1 memory=lots"]}, "memory of c1 is megabytes or one like 64G, not 'lots'"),
    ({"nodes": ["c1 memory=0"]}, "memory of c1 must be at least a megabyte"),
    ({"nodes": ["c1 gpus=a100"]}, "gpus of c1 is a number or one like a100:4, not 'a100'"),
    ({"nodes": ["c1 fast"]}, "'fast' is no word with a value, as in cpus=..."),
    ({"nodes": ["cpus=4"]}, "must begin with a name, as in NAMES cpus=..."),
    (
        {"nodes": ["c1 Feature=ib"]},
        "node c1: Slurm has no 'Feature' there (did you mean 'Features'?)",
    ),
    ({"nodes": ["c[1-"]}, "'c[1-' is no node list such as c[1-3,7],login"),
    ({"nodes": ["C1"]}, "the node name 'C1' must be of small letters"),
    ({"nodes": ["c1", "c[1-2]"]}, "there are two of the machine 'c1'"),
    ({"nodes": ["login"]}, "there are two of the machine 'login'"),
    ({"nodes": ["c[1-65]"]}, "a cluster has 1 to 64 nodes, not 65"),
    ({"nodes": "c1"}, "nodes is a list of names, not the text 'c1'"),
    ({"nodes": [7]}, "7 among nodes is neither a Node nor a text"),
    ({"partitions": ["short nodes=c9"]}, "partition short names the node 'c9', which there is not"),
    ({"partitions": ["short nodes=c1"]}, "node c2 is in no partition, so no job could run there"),
    ({"partitions": ["a default=yes", "b default=yes"]}, "more than one partition is the default"),
    ({"partitions": ["a default=perhaps"]}, "default is yes or no, not 'perhaps'"),
    ({"partitions": ["a MaxTme=10"]}, "Slurm has no 'MaxTme' there (did you mean 'MaxTime'?)"),
    ({"partitions": ["a", "a"]}, "there are two of the partition 'a'"),
    ({"users": ["root"]}, "the user name 'root' must be of small letters"),
    ({"users": ["An n"]}, "the user name 'An n' must be of small letters"),
    ({"users": "ann"}, "users is a list of names, not the text 'ann'"),
    (
        {"accounts": ["physics users=bob"]},
        "account physics names the user 'bob', which there is not",
    ),
    ({"accounts": ["Physics"]}, "the account name 'Physics' must be of small letters"),
    ({"accounts": ["p MaxSubmitJob=1"]}, "(did you mean 'MaxSubmitJobs'?)"),
    ({"accounts": ["p MaxSubmitJobs=$(id)"]}, "is no setting of account p with a plain value"),
    ({"qos": ["gold preempts=lo"]}, "QOS gold names the QOS 'lo', which there is not"),
    ({"qos": [QOS("gold")], "accounts": ["x QOS=$gold"]}, "is no setting of account x"),
    ({"qos": ["gold preempt=normal"]}, "there is no 'preempt' (did you mean 'preempts'?)"),
    ({"settings": {"MinJobAge": "1 2"}}, "is no setting of slurm.conf with a plain value"),
    (
        {"settings": {"NodeName": "c9"}},
        "'NodeName=c9' is no setting of slurm.conf: say it with nodes",
    ),
    ({"nodes": ["c[1-99999999]"]}, "'c[1-99999999]' are more nodes than a machine can pretend"),
    ({"shared_size": "64 MB"}, "the size '64 MB' must be one like 500k, 64m or 2g"),
    ({"packages": ["lmod;reboot"]}, "'lmod;reboot' is no name of a Debian package"),
    (
        {"requirements": ["-r all.txt"]},
        "'-r all.txt' is no requirement of pip's, as numpy>=2 is one",
    ),
    ({"requirements": "numpy"}, "requirements is a list of names, not the text 'numpy'"),
    ({"accounting": False, "qos": ["gold"]}, "qos need accounting: leave out accounting=False"),
    (
        {"accounting": False, "accounts": ["physics"]},
        "accounts need accounting: leave out accounting=False (--no-accounting), or them",
    ),
    ({"emulated_nodes": -1}, "emulated_nodes is from 0 to 2000, not -1"),
    ({"emulated_nodes": 100000}, "emulated_nodes is from 0 to 2000, not 100000"),
    ({"emulated_nodes": "many"}, "emulated_nodes is a whole number, not 'many'"),
    ({"emulated_nodes": 9, "nodes": ["e0009"]}, "there are two of the machine 'e0009'"),
    (
        {"emulated_nodes": 9, "partitions": ["all", "emulated"]},
        "there are two of the partition 'emulated'",
    ),
    ({"nodes": ["slurmrestd"]}, "there are two of the machine 'slurmrestd'"),
    ({"editable": "/nowhere/at/all"}, "editable: there is no directory /nowhere/at/all"),
    ({"nodes": ["bastion"], "bastion": True}, "there are two of the machine 'bastion'"),
    ({"second_factor": "no"}, "second_factor is True or False, not 'no'"),
]


@pytest.mark.parametrize(("given", "said"), MISTAKES, ids=[str(given) for given, _ in MISTAKES])
def test_a_mistake_is_one_line_that_says_what_and_how_it_would_do(
    given: dict[str, Any], said: str, tmp_path: Path
) -> None:
    with pytest.raises(ClusterError) as caught:
        DockerCluster("mine", state_dir=tmp_path / "state", **given)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "state").exists()


def test_without_a_word_it_is_the_cluster_of_the_files_that_come_along() -> None:
    folder, shape = cluster_files(), Shape()
    written = (folder / "docker/etc/slurm.conf").read_text().splitlines()
    assert slurm_conf(shape) == [
        line for line in written if line.startswith(("NodeName", "PartitionName"))
    ]
    of_gpus = (folder / "docker/etc/gres.conf").read_text()
    assert [line.replace("NodeName=c[1-2] ", "") for line in gres_conf(shape)] == [
        line for line in of_gpus.splitlines() if not line.startswith("#")
    ]
    assert compose_file(shape, folder / "docker-compose.yml") == ""
    assert slurm_settings(shape) == {}
    assert set(IN_COMPOSE) == set(shape.hosts)


def test_a_part_is_the_same_as_text_and_as_an_object() -> None:
    text = Shape.of(
        nodes=["c[1-2] cpus=4 memory=8G gpus=a100:2 Features=ib", "big"],
        partitions=["all", "short nodes=c[1-2],big default=yes MaxTime=10"],
        users=["ann"],
        accounts=["physics users=dev,ann GrpTRES=cpu=8"],
        qos=["low", "gold preempts=low,normal Priority=5"],
    )
    objects = Shape.of(
        nodes=[Node("c[1-2]", 4, "8G", "a100:2", {"Features": "ib"}), Node("big")],
        partitions=[Partition("all"), Partition("short", "c[1-2],big", True, {"MaxTime": "10"})],
        users=["ann"],
        accounts=[Account("physics", ["dev", "ann"], {"GrpTRES": "cpu=8"})],
        qos=[QOS("low"), QOS("gold", ["low", "normal"], {"Priority": "5"})],
    )
    assert text == objects
    assert text.digest == objects.digest
    assert Shape.from_json(text.to_json()) == text
    assert DockerCluster(**text.arguments).shape == text


def test_slurm_is_told_of_nodes_partitions_and_gpus() -> None:
    shape = Shape.of(
        nodes=["c[1-2] cpus=4 memory=8G gpus=a100:2 Features=ib", "big gpus=0"],
        partitions=["all", "short nodes=c1 MaxTime=10"],
    )
    assert slurm_conf(shape) == [
        "NodeName=c[1-2] CPUs=4 RealMemory=8192 Gres=gpu:a100:2 State=UNKNOWN Features=ib",
        "NodeName=big CPUs=8 RealMemory=16000 State=UNKNOWN",
        "PartitionName=all Nodes=c[1-2],big Default=YES DefaultTime=01:00:00 MaxTime=UNLIMITED State=UP",
        "PartitionName=short Nodes=c1 MaxTime=10 State=UP",
    ]
    assert gres_conf(shape)[1:] == ["NodeName=c[1-2] Name=gpu Type=a100 File=/dev/fakegpu[0-1]"]


def test_the_partition_of_gpus_is_there_where_there_are_any() -> None:
    shape = Shape.of(nodes=["c[1-2] gpus=0", "g1 gpus=1"])
    assert [(one.name, one.nodes) for one in shape.all_partitions] == [("cpu", ""), ("gpu", "g1")]
    assert [one.name for one in Shape.of(nodes=["c1 gpus=0"]).all_partitions] == ["cpu"]


def test_accounts_are_enforced_and_qos_preempt_where_there_are_any() -> None:
    shape = Shape.of(
        users=["ann"], accounts=["physics MaxSubmitJobs=3", "chemistry users=ann Parent=physics"]
    )
    assert slurm_settings(shape) == {"AccountingStorageEnforce": "associations,limits,qos"}
    assert accounting(shape) == [
        "add account physics Description=physics Organization=physics QOS=normal MaxSubmitJobs=3",
        "add user dev account=physics",
        "add user ann account=physics",
        "add account chemistry Description=chemistry Organization=chemistry QOS=normal Parent=physics",
        "add user ann account=chemistry",
    ]
    preempting = Shape.of(qos=["gold preempts=normal"], settings={"PreemptMode": "CANCEL"})
    assert slurm_settings(preempting)["PreemptType"] == "preempt/qos"
    assert slurm_settings(preempting)["PreemptMode"] == "CANCEL"


@pytest.mark.parametrize(("release", "default"), [("trixie", ["MpiDefault=pmix"]), ("forky", [])])
def test_srun_starts_programs_of_mpi_by_itself_where_it_can(
    release: str, default: list[str]
) -> None:
    compose = DockerCluster(release=release, packages=["lmod"], mpi=True).compose
    assert compose.packages == ("lmod", "openmpi-bin", "python3-mpi4py")
    assert (
        compose.image.name != DockerCluster(release=release, packages=["lmod"]).compose.image.name
    )
    told = "".join(word for word in compose.command if word.startswith("CLUSTER_SETTINGS="))
    assert told == f"CLUSTER_SETTINGS={' '.join(default)}"
    own = DockerCluster(release=release, mpi=True, settings={"MpiDefault": "none"}).compose.command
    assert "CLUSTER_SETTINGS=MpiDefault=none" in own


@pytest.mark.parametrize(
    ("given", "made"),
    [
        (True, {"mpi": True}),
        ("true", {"mpi": True}),
        (False, {"mpi": False}),
        ("no", {"mpi": False}),
        ("", {}),
        (None, {}),
    ],
)
def test_a_flag_is_set_by_an_option_and_by_a_text(given: object, made: dict[str, bool]) -> None:
    assert shape_arguments(lambda one: given if one.argument == "mpi" else None) == made
    with pytest.raises(ClusterError, match="mpi is yes or no, not 'perhaps'"):
        shape_arguments(lambda one: "perhaps" if one.argument == "mpi" else None)


def test_compose_is_told_of_nodes_that_its_file_has_not(tmp_path: Path) -> None:
    base = cluster_files() / "docker-compose.yml"
    (project := tmp_path / "a$b").mkdir()
    shape = Shape.of(nodes=["c1", "big gpus=3"], editable=project, containers=True)
    written = compose_file(shape, base)
    services = json.loads(written)["services"]
    assert services["c2"] == {"profiles": ["not-in-this-cluster"]}
    assert services["big"]["extends"] == {"file": str(base), "service": "c1"}
    assert services["big"]["security_opt"] == list(FOR_CONTAINERS)
    assert services["big"]["environment"]["CLUSTER_GPUS"] == "3"
    [mount] = services["login"]["volumes"]
    assert mount["source"] == f"{tmp_path}/a$$b"
    assert mount["read_only"]
    assert "volumes" not in services["slurmctld"]


def test_nodes_beside_those_of_compose_may_run_containers_as_those() -> None:
    written = YAML(typ="safe").load(cluster_files() / "docker/containers.yml")
    assert written["services"]["c1"]["security_opt"] == list(FOR_CONTAINERS)
    base = YAML(typ="safe").load(cluster_files() / "docker-compose.yml")
    of_all = base["services"]["c1"]["security_opt"]
    assert not {*of_all}.intersection(FOR_CONTAINERS), "Compose refuses what is there twice"


def test_the_files_by_which_it_is_reached_follow_its_shape(tmp_path: Path) -> None:
    cluster = DockerCluster(
        "mine", state_dir=tmp_path / "state", nodes=["n[1-2]"], users=["ann"], editable=tmp_path
    )
    for user in cluster.shape.people:
        cluster.of_user(user).write(
            port=20022, host_key="ssh-ed25519 AAAA", write_private_key=lambda _: None
        )
    ann = cluster.of_user("ann")
    assert 'username = "ann"' in ann.slurmfile.read_text()
    assert 'python = "/shared/venv/bin/python"' in ann.slurmfile.read_text()
    assert 'type = "none"' in cluster.slurmfile.read_text()
    assert re.search(
        r"^Host n1 n2\n    ProxyJump mine\n    User ann$", ann.ssh_config.read_text(), re.M
    )
    assert "n2 ssh-ed25519 AAAA" in cluster.access.known_hosts.read_text()
    with pytest.raises(ClusterError, match="no user 'bob' on the cluster; there are dev, ann"):
        cluster.of_user("bob")
    cluster.access.remove()
    assert list(tmp_path.iterdir()) == []


def test_words_that_are_lists_are_no_texts() -> None:
    with pytest.raises(ClusterError, match="preempts is a list of names, not the text 'low'"):
        QOS("gold", preempts="low")
    with pytest.raises(ClusterError, match="users of an account is a list of names"):
        Account("physics", users="dev")


def test_a_cluster_without_accounting_has_nobody_who_keeps_it() -> None:
    shape = Shape(accounting=False)
    assert shape.services == ("slurmctld", "login", "c1", "c2")
    services = json.loads(compose_file(shape, cluster_files() / "docker-compose.yml"))["services"]
    assert services["db"] == services["slurmdbd"] == {"profiles": ["not-in-this-cluster"]}
    assert slurm_settings(shape)["AccountingStorageType"] == "accounting_storage/none"


def test_slurmrestd_is_a_machine_and_only_who_checks_tokens_has_the_key() -> None:
    cluster = DockerCluster(rest=True)
    assert "slurmrestd" in cluster.services
    assert [*cluster.compose.command][-2:] == ["--profile", "rest"]
    services = json.loads(compose_file(cluster.shape, cluster_files() / "docker-compose.yml"))[
        "services"
    ]
    holders = [name for name, one in services.items() if "jwt-key" in str(one.get("volumes"))]
    assert holders == ["slurmdbd", "slurmctld"]
    alone = Shape(rest=True, accounting=False)
    services = json.loads(compose_file(alone, cluster_files() / "docker-compose.yml"))["services"]
    assert "volumes" not in services["slurmdbd"]


def test_who_asks_for_slurmrestd_where_there_is_none_is_told_how_there_would_be(
    tmp_path: Path,
) -> None:
    without, with_it = (DockerCluster("a", state_dir=tmp_path, rest=one) for one in (False, True))
    with pytest.raises(ClusterError, match="a has no slurmrestd: start it with rest=True, --rest"):
        _ = without.rest
    with pytest.raises(ClusterError, match="the cluster a is not up"):
        _ = with_it.rest
    with_it.access.write_rest(20001)
    assert with_it.rest.url == "http://127.0.0.1:20001"
    assert with_it.access.rest_port() == 20001
    with_it.access.remove()


def test_emulated_nodes_are_on_one_machine_beside_the_others() -> None:
    shape = Shape(emulated_nodes=3)
    assert shape.services[-1] == "emulator"
    assert shape.hosts == ["c1", "c2"]
    environment = json.loads(compose_file(shape, cluster_files() / "docker-compose.yml"))[
        "services"
    ]["c1"]["environment"]
    assert "NodeName=e[0001-0003] NodeHostName=emulator" in environment["CLUSTER_EMULATED"]
    assert "NodeName=c[1-2] " in environment["CLUSTER_NODES"]
    assert "NodeName=c[1-2] Name=gpu" in environment["CLUSTER_GRES"]


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ({"rest": True}, {"rest": True}),
        ({"rest": "yes", "accounting": "no"}, {"rest": True, "accounting": False}),
        ({"accounting": False}, {"accounting": False}),
        ({"emulated_nodes": "1000"}, {"emulated_nodes": 1000}),
        ({"rest": "", "emulated_nodes": None}, {}),
    ],
)
def test_flags_and_numbers_are_the_same_from_an_option_and_from_an_ini_file(
    given: dict[str, Any], found: dict[str, Any]
) -> None:
    assert shape_arguments(lambda one: given.get(one.argument)) == found


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"rest": "perhaps"}, "rest is yes or no, not 'perhaps'"),
        ({"emulated_nodes": "-3"}, "emulated_nodes is a whole number, not '-3'"),
    ],
)
def test_a_flag_or_a_number_that_is_none_is_refused(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ClusterError, match=said):
        shape_arguments(lambda one: given.get(one.argument))


@pytest.mark.parametrize("name", FLAGS)
def test_what_is_or_is_not_is_no_text_in_a_program(name: str) -> None:
    """``"no"`` would be true."""
    with pytest.raises(ClusterError, match=f"{name}.*'no'"):
        DockerCluster(**{name: "no"})  # type: ignore[arg-type]
