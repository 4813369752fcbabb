"""``slurm doctor``, ``init`` and ``cluster`` on a real Slurm, through ssh: where all is well, and with one thing broken at a time."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from cluster_tasks import wait_for
from slurm import Cluster, cli
from slurm.cluster_checks import directory, nodes, reaching, scheduler
from slurm.config.slurmfile import cluster_settings
from slurm.testing import DockerCluster

pytestmark = pytest.mark.slurm
Said = dict[str, dict[str, Any]]
AFTER = (*scheduler.NAMES, *directory.NAMES, "clock", *nodes.NAMES)


class Doctor:
    """Runs ``slurm doctor`` for the cluster, with further options."""

    def __init__(self, cluster: DockerCluster, capsys: pytest.CaptureFixture[str]) -> None:
        self.cluster = cluster
        self.capsys = capsys

    def __call__(self, *options: str, status: int = 1) -> Said:
        given = ["doctor", "--json", "--slurmfile", str(self.cluster.slurmfile), *options]
        assert cli.main(given) == status, self.capsys.readouterr()
        found = json.loads(self.capsys.readouterr().out)["findings"]
        return {one["name"]: one for one in found}


@pytest.fixture
def doctor(slurm_cluster: DockerCluster, capsys: pytest.CaptureFixture[str]) -> Doctor:
    return Doctor(slurm_cluster, capsys)


@pytest.fixture
def stranger(tmp_path: Path) -> Path:
    """A key that nobody knows."""
    argv = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", ""]
    subprocess.run([*argv, "-f", str(tmp_path / "key")], check=True)
    return tmp_path / "key"


def with_verdict(found: Said, verdict: str) -> list[str]:
    return [name for name, one in found.items() if one["verdict"] == verdict]


def test_where_nothing_is_wrong_a_node_sees_the_files(doctor: Doctor) -> None:
    found = doctor("--job", status=0)
    assert list(found) == ["sdk", "slurmfile", *reaching.CONNECTION, *AFTER]
    assert with_verdict(found, "PASS") == list(found)
    assert found["job"]["text"].startswith("it ran on c")


def test_a_host_key_that_is_another(
    doctor: Doctor, slurm_cluster: DockerCluster, stranger: Path, tmp_path: Path
) -> None:
    names = slurm_cluster.access.known_hosts.read_text().partition(" ")[0]
    key = stranger.with_suffix(".pub").read_text()
    (known := tmp_path / "known_hosts").write_text(f"{names} {key}")
    found = doctor("--known-hosts-file", str(known), "--job")
    assert with_verdict(found, "FAIL") == ["host-key"]
    assert with_verdict(found, "SKIP") == ["login", "python", *AFTER]
    assert "has changed" in found["host-key"]["text"]
    assert "slurm login" in found["host-key"]["fix"]


def test_a_key_that_is_not_accepted(doctor: Doctor, stranger: Path) -> None:
    found = doctor("--identity-file", str(stranger))
    assert with_verdict(found, "FAIL") == ["login"]
    assert found["host-key"]["verdict"] == "PASS"


def test_no_python_there(doctor: Doctor) -> None:
    found = doctor("--python", "/nowhere/python3")
    assert with_verdict(found, "FAIL") == ["python"]
    assert "--python" in found["python"]["fix"]


def test_slurms_commands_are_not_on_the_path(
    doctor: Doctor, cluster: Cluster, workdir: str
) -> None:
    script = b'#!/bin/sh\nPATH=/nowhere exec /usr/bin/python3 "$@"\n'
    cluster.backend.write_file(f"{workdir}/python", script)
    cluster.backend.run_program(["chmod", "755", f"{workdir}/python"], timeout=60)
    found = doctor("--python", f"{workdir}/python")
    assert with_verdict(found, "FAIL") == ["commands"]
    assert (
        "sbatch, squeue, scancel, scontrol, sinfo are not on the PATH" in found["commands"]["text"]
    )
    assert found["job-base-dir"]["verdict"] == "PASS"


def test_a_directory_for_jobs_that_others_can_write_to(
    doctor: Doctor, cluster: Cluster, workdir: str
) -> None:
    cluster.backend.run_program(["chmod", "777", workdir], timeout=60)
    found = doctor("--job-base-dir", workdir, "--job")
    assert with_verdict(found, "FAIL") == ["job-base-dir"]
    assert with_verdict(found, "SKIP") == list(nodes.NAMES)


def test_a_directory_for_jobs_that_nodes_do_not_see(doctor: Doctor, workdir: str) -> None:
    found = doctor("--job-base-dir", f"/var/tmp/{workdir.rpartition('/')[2]}", "--job")
    assert with_verdict(found, "FAIL") == ["job"]


def test_a_partition_and_a_time_that_are_wrong(
    doctor: Doctor, slurm_cluster: DockerCluster, tmp_path: Path
) -> None:
    text = slurm_cluster.slurmfile.read_text()
    (other := tmp_path / "Slurmfile.toml").write_text(
        text + '\n[default.submit]\npartition = "cpo"\n'
    )
    found = doctor("--slurmfile", str(other))
    assert with_verdict(found, "FAIL") == ["partition"]
    assert "did you mean 'cpu'?" in found["partition"]["text"]


def test_a_job_that_does_not_begin_is_cancelled(
    doctor: Doctor, slurm_cluster: DockerCluster, cluster: Cluster, tmp_path: Path
) -> None:
    text = slurm_cluster.slurmfile.read_text()
    later = '\n[default.submit]\nbegin = "now+1hour"\n'
    (other := tmp_path / "Slurmfile.toml").write_text(text + later)
    found = doctor("--slurmfile", str(other), "--job", "--timeout", "2")
    assert "PENDING (BeginTime) after 2 s, and was cancelled" in found["job"]["text"]


def test_what_is_free_and_what_runs(
    ssh: Cluster, slurm_cluster: DockerCluster, workdir: str, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--json", "--slurmfile", str(slurm_cluster.slurmfile)]
    job = wait_for.with_options(job_name="occupies", cpus_per_task=2)(f"{workdir}/gate")

    def asked(words: str) -> dict[str, Any]:
        assert cli.main(["cluster", *words.split(), *options]) == 0
        said: dict[str, Any] = json.loads(capsys.readouterr().out)
        return said

    mine = [one for one in asked("queue")["jobs"] if one["job_id"] == job.id]
    assert [(one["name"], one["user"]) for one in mine] == [("occupies", "dev")]
    assert job.id in {one["job_id"] for one in asked("queue --all-users")["jobs"]}
    info = asked("info")
    assert info["slurm"].startswith(
        slurm_cluster.exec("login", ["sinfo", "--version"]).stdout.split()[1][:5]
    )
    partitions = {one["partition"]: one for one in info["partitions"]}
    for partition in (partitions["cpu"], partitions["gpu"]):  # other tests make some
        assert sum(partition["nodes"].values()) == 2
        assert partition["gpus"]["total"] == 4
        assert partition["cpus"]["used"] + partition["cpus"]["free"] <= partition["cpus"]["total"]
    assert asked("ping --count 3")["count"] == 3
    ssh.backend.write_file(f"{workdir}/gate", b"")
    job.get_result(240)


def test_a_slurmfile_that_is_written_for_the_cluster(
    slurm_cluster: DockerCluster, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    tmp_path.chmod(0o700)
    given = ["--hostname", slurm_cluster.project, "--config-file", str(slurm_cluster.ssh_config)]
    assert cli.main(["init", *given, "--yes"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == "next: slurm doctor --job"
    assert not [line for line in lines if line.startswith("FAIL")]
    assert cluster_settings().submit == {"partition": "cpu"}
    cluster = Cluster.from_env()
    assert cluster.backend.host().user == "dev"
    cluster.close()
