"""``slurm cluster``: environments, partitions, queue, round trip."""

from __future__ import annotations

import json
import os
import shlex
from pathlib import Path
from typing import Any

import pytest
from tests.conformance.waiting import wait_until
from tests.helpers import slurm_site
from tests.helpers.fakes import Programs
from tests.helpers.job_tasks import read

from slurm import Cluster, cli

SLURMFILE = """\
[default.cluster]
backend = "ssh"
[default.cluster.backend_config]
hostname = "hpc"
[default.submit]
account = "physics"
[gpu.submit]
partition = "gpu"
[laptop.cluster]
backend = "local"
job_base_dir = "~/laptop"
"""


def said(capsys: pytest.CaptureFixture[str], words: str, status: int = 0) -> str:
    assert cli.main(["cluster", *shlex.split(words)]) == status
    printed = capsys.readouterr()
    return printed.err if status else printed.out


@pytest.fixture
def site(programs: Programs) -> Programs:
    slurm_site.install(programs)
    return programs


def test_the_environments_of_the_slurmfile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "Slurmfile.toml").write_text(SLURMFILE)
    monkeypatch.setenv("SLURM_ENV", "gpu")
    found = json.loads(said(capsys, "list --json"))
    assert found["slurmfile"] == str(tmp_path / "Slurmfile.toml")
    names = [one["environment"] for one in found["environments"]]
    assert names == ["default", "gpu", "laptop"]
    gpu, laptop = found["environments"][1:]
    assert (gpu["hostname"], gpu["account"], gpu["partition"]) == ("hpc", "physics", "gpu")
    assert gpu["current"]
    assert (laptop["backend"], laptop["hostname"]) == ("local", None)
    lines = said(capsys, "list").splitlines()
    assert lines[2].split()[:3] == ["*", "gpu", "ssh"]
    assert lines[-1] == f"in {tmp_path / 'Slurmfile.toml'}"


def test_without_a_slurmfile_there_is_nothing_to_list(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert "there is no Slurmfile.toml" in said(capsys, "list", 2)


@pytest.mark.local
def test_partitions_and_what_is_free(site: Programs, capsys: pytest.CaptureFixture[str]) -> None:
    found = json.loads(said(capsys, "info --backend slurm --json"))
    assert (found["name"], found["slurm"]) == ("hpc", "24.11.5")
    assert found["limits"] == {"MaxArraySize": 10001, "MaxJobCount": 25000}
    assert (found["accounts"], found["default_account"]) == (["physics"], "physics")
    assert [one["partition"] for one in found["partitions"]] == ["cpu", "gpu"]
    lines = said(capsys, "info --backend slurm").splitlines()
    assert lines[1].split()[0] == "cpu*"
    assert "drain: " in lines[2]
    assert "accounts physics" in lines[-1]


@pytest.mark.local
def test_a_controller_that_does_not_answer(
    site: Programs, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("scontrol", "squeue"):
        site.add(name, "echo 'Unable to contact slurm controller' >&2; exit 1")
    for words in ("info", "queue"):
        [line] = said(capsys, f"{words} --backend slurm", 1).splitlines()
        assert line == f"slurm cluster {words}: Unable to contact slurm controller"


@pytest.mark.local
def test_the_queue_of_a_site(site: Programs, capsys: pytest.CaptureFixture[str]) -> None:
    found = json.loads(said(capsys, "queue --backend slurm --json"))
    assert [one["job_id"] for one in found["jobs"]] == ["7", "8_[0-9]"]
    lines = said(capsys, "queue --backend slurm --all-users").splitlines()
    assert lines[1].split()[:5] == ["7", "train", "me", "cpu", "RUNNING"]


def test_this_machine_is_a_cluster_of_one_node(
    local: Cluster, local_base: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    options = f"--backend local --job-base-dir {shlex.quote(str(local_base))}"
    assert said(capsys, f"queue {options}") == "no job waits or runs\n"
    os.mkfifo(fifo := tmp_path / "fifo")
    job = read.with_options(cpus_per_task=3)(str(fifo))
    wait_until(job.is_running, "the job runs")
    found = json.loads(said(capsys, f"queue {options} --json"))
    [row] = found["jobs"]
    assert (row["job_id"], row["name"], row["state"]) == (job.id, "read", "RUNNING")
    info: dict[str, Any] = json.loads(said(capsys, f"info {options} --json"))
    [partition] = info["partitions"]
    assert partition["cpus"] == {"total": 4, "used": 3, "free": 1}
    fifo.write_text("go on")
    assert job.get_result(60) == "go on"


@pytest.mark.local
def test_round_trips_are_measured(local_base: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = f"--backend local --job-base-dir {shlex.quote(str(local_base))} --count 3"
    found = json.loads(said(capsys, f"ping {options} --json"))
    assert (found["target"], found["count"]) == ("local", 3)
    assert found["min"] <= found["median"] <= found["max"]
    assert said(capsys, f"ping {options}").startswith("local: connected in ")
