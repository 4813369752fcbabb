"""The program that looks around on a cluster: what it makes of what Slurm's commands print, and of directories."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from tests.helpers import slurm_site
from tests.helpers.fakes import Programs

from slurm.cluster_checks import site_probe


@pytest.fixture
def site(programs: Programs) -> Programs:
    slurm_site.install(programs)
    return programs


def answer(part: str, **request: Any) -> Any:
    return site_probe.answer({"parts": [part], **request})[part]


def test_programs_are_found_with_their_versions(site: Programs) -> None:
    found = answer("programs")
    assert set(found) == set(site_probe.PROGRAMS)
    assert {one["version"] for one in found.values()} == {"slurm 24.11.5"}


def test_a_program_that_is_not_there(programs: Programs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(programs.folder))
    assert set(answer("programs").values()) == {None}
    assert answer("controller")["code"] == 127


def test_the_controllers_configuration(site: Programs) -> None:
    config = answer("controller")["config"]
    assert (config["ClusterName"], config["MaxArraySize"]) == ("hpc", "10001")
    site.add("scontrol", "echo 'Unable to contact slurm controller' >&2; exit 1")
    assert answer("controller") == {
        "code": 1, "error": "Unable to contact slurm controller", "config": {},
    }  # fmt: skip
    assert answer("partitions") == []


def test_accounts_of_the_user(site: Programs) -> None:
    found = answer("accounting")
    assert (found["code"], found["default_account"]) == (0, "physics")
    [row] = found["associations"]
    assert (row["account"], row["maxsubmit"]) == ("physics", "3")
    site.add("sacct", "echo 'Slurm accounting storage is disabled' >&2; exit 1")
    site.add("sacctmgr", "exit 1")
    found = answer("accounting")
    assert found["associations"] == []
    assert "disabled" in found["error"]


def test_partitions_have_what_is_free_on_nodes_that_take_jobs(site: Programs) -> None:
    cpu, gpu = answer("partitions")
    assert (cpu["partition"], cpu["default"], cpu["max_time"]) == ("cpu", True, "1-00:00:00")
    assert cpu["nodes"] == {"mixed": 1, "idle+drain": 1, "idle": 1}
    assert cpu["cpus"] == {"total": 20, "used": 2, "free": 10}
    assert cpu["memory"] == {"total": 40000, "used": 4000, "free": 20000}
    assert cpu["gpus"] == {"total": 4, "used": 1, "free": 1}
    assert (cpu["default_memory"], gpu["default_memory"]) == ("2048M a cpu", "")
    assert (gpu["state"], gpu["default"], gpu["accounts"]) == ("DRAIN", False, "physics")
    assert gpu["cpus"]["total"] == 16


def test_the_queue(site: Programs) -> None:
    found = answer("queue")
    assert [one["job_id"] for one in found["jobs"]] == ["7", "8_[0-9]"]
    assert found["jobs"][1]["name"] == "a|strange name"
    assert found["complete"]
    assert "-u" in site.calls("squeue")[-1]
    answer("queue", all_users=True)
    assert "-u" not in site.calls("squeue")[-1]
    site.add("squeue", "echo broken >&2; exit 1")
    assert answer("queue") == {"error": "broken", "jobs": [], "complete": True}


def test_a_queue_that_is_too_long_is_cut(site: Programs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(site_probe, "MOST_JOBS", 1)
    found = answer("queue")
    assert (len(found["jobs"]), found["complete"]) == (1, False)


def test_a_directory_that_is_there_and_one_that_can_be_made(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    there = answer("base", base=str(tmp_path))
    assert (there["exists"], there["own"], there["others_can_write"]) == (True, True, False)
    assert there["free"] > 0
    below = answer("base", base=str(tmp_path / "a/b"))
    assert (below["exists"], below["there"], below["writable"]) == (False, str(tmp_path), True)
    tmp_path.chmod(0o777)
    assert answer("base", base=str(tmp_path))["others_can_write"]
    (tmp_path / "file").touch()
    assert not answer("base", base=str(tmp_path / "file"))["is_directory"]
    assert answer("base", base=str(tmp_path / "file/x"))["problem"] or True


def test_a_directory_that_leads_nowhere(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    assert "symbolic links" in answer("base", base=str(tmp_path / "loop"))["problem"]


def test_the_home_directory_and_the_kind_of_file_system(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert answer("base", base="~/jobs")["path"] == str(tmp_path / "jobs")
    assert answer("base", base="/proc")["file_system"] == "proc"


def test_what_quota_says_of_who_is_over_it(programs: Programs, tmp_path: Path) -> None:
    programs.add("quota", "echo '  /home  100G*  100G'; exit 1")
    assert answer("base", base=str(tmp_path))["quota"] == "/home 100G* 100G"
    programs.add("quota", "exit 0")
    assert answer("base", base=str(tmp_path))["quota"] == ""


def test_a_file_that_is_seen(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("here")
    assert answer("seen", seen=str(tmp_path / "x")) == {"content": "here", "problem": ""}
    missing = answer("seen", seen=str(tmp_path / "y"))
    assert missing == {"content": None, "problem": os.strerror(2)}
