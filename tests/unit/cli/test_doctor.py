"""``slurm doctor``: the whole, on this machine and on a site of fake programs; each check by itself is tested elsewhere."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from tests.helpers import slurm_site
from tests.helpers.fakes import Programs
from tests.helpers.job_tasks import read

from slurm import Cluster, cli
from slurm.cluster_checks import directory, nodes, reaching, scheduler

pytestmark = pytest.mark.local


def doctor(capsys: pytest.CaptureFixture[str], *options: str) -> tuple[int, dict[str, Any]]:
    status = cli.main(["doctor", "--json", *options])
    said = json.loads(capsys.readouterr().out)
    assert (said["verdict"] == "FAIL") is (status == 1)
    return status, {one["name"]: one for one in said["findings"]}


@pytest.fixture
def site(programs: Programs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Programs:
    slurm_site.install(programs)
    monkeypatch.setenv("HOME", str(tmp_path))
    return programs


def test_a_site_where_nothing_is_wrong(site: Programs, capsys: pytest.CaptureFixture[str]) -> None:
    status, found = doctor(capsys, "--backend", "slurm")
    assert status == 0, found
    names = ["sdk", "slurmfile", *scheduler.NAMES, *directory.NAMES, *nodes.NAMES]
    assert list(found) == names
    assert found["slurmfile"]["text"] == "none is read: --backend slurm"
    assert found["account"]["text"] == "your default, physics"
    assert found["job"]["verdict"] == "SKIP"
    assert "add --job" in found["job"]["text"]


def test_checks_go_on_after_one_has_failed(
    site: Programs, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (open_base := tmp_path / "open").mkdir()
    open_base.chmod(0o777)
    site.add(
        "scontrol", "case $1 in --version) echo slurm 24.11.5;; *) echo down >&2; exit 1;; esac"
    )
    options = ("--backend", "slurm", "--job-base-dir", str(open_base), "--job")
    status, found = doctor(capsys, *options)
    assert status == 1
    failed = [name for name, one in found.items() if one["verdict"] == "FAIL"]
    assert failed == ["controller", "job-base-dir"]
    assert found["job"]["text"] == "not looked at: controller, job-base-dir failed"


def test_a_machine_without_slurm_is_no_login_node(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("sh", "bash"):
        (folder / name).symlink_to(str(shutil.which(name)))
    monkeypatch.setenv("PATH", str(folder))
    status, found = doctor(capsys, "--backend", "slurm", "--job-base-dir", str(tmp_path / "jobs"))
    assert status == 1
    assert "sbatch" in found["commands"]["text"]
    assert found["job-base-dir"]["verdict"] == "PASS"


def test_this_machine_runs_its_job(local_base: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, found = doctor(capsys, "--backend", "local", "--job-base-dir", str(local_base), "--job")
    assert status == 0, found
    assert {found[name]["verdict"] for name in ("scheduler", *nodes.NAMES)} == {"PASS"}
    assert not list(local_base.glob(".doctor-*"))


def test_a_job_that_does_not_start_is_cancelled(
    local: Cluster, local_base: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    os.mkfifo(fifo := tmp_path / "fifo")
    job = read.with_options(cpus_per_task=4)(str(fifo))  # all that there are
    options = ("--backend", "local", "--job-base-dir", str(local_base), "--job", "--timeout", "1")
    status, found = doctor(capsys, *options)
    assert status == 1
    assert found["job"]["text"] == "it is PENDING (Resources) after 1 s, and was cancelled"
    fifo.write_text("go on")
    assert job.get_result(60) == "go on"


def test_a_cluster_that_cannot_be_reached(capsys: pytest.CaptureFixture[str]) -> None:
    given = ("--backend", "ssh", "--hostname", "127.0.0.1", "--port", "1")
    status, found = doctor(capsys, *given)
    assert status == 1
    assert found["connection"]["fix"] == "see what ssh says: ssh -v -p 1 127.0.0.1 true"
    others = [name for name in found if name not in ("sdk", "slurmfile", "connection")]
    assert {found[name]["verdict"] for name in others} == {"SKIP"}
    assert set(reaching.CONNECTION) <= set(found)
    assert "clock" in found


def test_a_slurmfile_that_is_wrong(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    status, found = doctor(capsys)
    assert status == 1
    assert "there is no Slurmfile.toml" in found["slurmfile"]["text"]
    assert "slurm init" in found["slurmfile"]["fix"]
    (tmp_path / "Slurmfile.toml").write_text("[default.clutser]\n")
    assert "'clutser'" in doctor(capsys)[1]["slurmfile"]["text"]


def test_it_prints_a_line_for_each(site: Programs, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["doctor", "--backend", "slurm"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert all(line.split()[0] in ("PASS", "SKIP") for line in lines)
    assert "PASS controller: hpc answers" in lines
