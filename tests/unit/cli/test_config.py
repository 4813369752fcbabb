"""``slurm config show``: each setting in force, and who said so. Options win over variables, variables over the file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from slurm import Cluster, cli
from slurm.cli.config.show import rows
from slurm.config.command_line import CLUSTER_OPTIONS
from slurm.config.origins import Setting

SLURMFILE = """\
[default]
callbacks = ["slurm.callbacks:LoggerCallback"]
[default.cluster]
backend = "ssh"
[default.cluster.backend_config]
hostname = "hpc"
port = 22
[default.submit]
account = "physics"
mem = false
[gpu.submit]
partition = "gpu"
"""


@pytest.fixture
def slurmfile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (path := tmp_path / "Slurmfile.toml").write_text(SLURMFILE)
    return path


def shown(capsys: pytest.CaptureFixture[str], *options: str) -> dict[str, dict[str, Any]]:
    assert cli.main(["config", "show", "--json", *options]) == 0
    return {one["name"]: one for one in json.loads(capsys.readouterr().out)["settings"]}


def test_each_setting_says_who_said_it(
    slurmfile: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLURM_TASKS_USERNAME", "ann")
    found = shown(capsys, "--env", "gpu", "--port", "2222")
    told = {name: (one["value"], one["source"], one["where"]) for name, one in found.items()}
    assert told["slurmfile"][:2] == (str(slurmfile), "default")
    assert told["environment"] == ("gpu", "flag", "--env")
    place = f"{slurmfile} [default.cluster"
    assert told["cluster.backend"] == ("ssh", "file", f"{place}]")
    assert told["cluster.backend_config.hostname"] == ("hpc", "file", f"{place}.backend_config]")
    assert told["cluster.backend_config.port"] == (2222, "flag", "--port")
    variable = ("ann", "variable", "SLURM_TASKS_USERNAME")
    assert told["cluster.backend_config.username"] == variable
    assert told["cluster.backend_config.connect_timeout"] == (30.0, "default", "default")
    assert told["cluster.python"] == ("python3", "default", "default")
    assert told["submit.account"] == ("physics", "file", f"{slurmfile} [default.submit]")
    assert told["submit.mem"] == (False, "file", f"{slurmfile} [default.submit]")
    assert told["submit.time"] == ("00:10:00", "default", "default")
    assert told["submit.partition"] == ("gpu", "file", f"{slurmfile} [gpu.submit]")
    names = ["slurm.callbacks:LoggerCallback"]
    assert told["callbacks"] == (names, "file", f"{slurmfile} [default]")


def test_variables_name_the_file_and_the_environment(
    slurmfile: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLURMFILE", str(slurmfile))
    monkeypatch.setenv("SLURM_ENV", "gpu")
    monkeypatch.chdir("/")
    found = shown(capsys)
    assert found["slurmfile"]["where"] == "SLURMFILE"
    assert (found["environment"]["value"], found["environment"]["where"]) == ("gpu", "SLURM_ENV")


def test_a_backend_that_is_named_leaves_the_file_aside(
    slurmfile: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = shown(capsys, "--backend", "local", "--max-cpus", "2", "--account", "x")
    assert found["slurmfile"] == {
        "name": "slurmfile", "value": None, "source": "flag", "where": "--backend",
    }  # fmt: skip
    assert found["cluster.backend_config.max_cpus"]["where"] == "--max-cpus"
    assert found["submit.account"]["where"] == "--account"
    assert {one["source"] for one in found.values()} == {"flag", "default"}


@pytest.mark.parametrize("option", CLUSTER_OPTIONS, ids=lambda option: option.name)
def test_an_option_wins_over_its_variable_and_that_over_the_file(
    option: Any, slurmfile: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    (other := slurmfile.with_name("other.toml")).write_text(SLURMFILE)
    values = {"--port": ("1", "2"), "--max-cpus": ("1", "2"), "--env": ("gpu", "default"),
              "--backend": ("slurm", "ssh"), "--slurmfile": (str(other), str(slurmfile))}  # fmt: skip
    by_variable, by_option = values.get(option.name, ("first", "second"))
    more = ["--backend", "local"] if option.name == "--max-cpus" else []
    more += ["--hostname", "h"] if option.name == "--backend" else []
    if not more:
        more = ["--env", "default"] if option.name not in ("--env", "--slurmfile") else []
    monkeypatch.setenv(option.variable, by_variable)
    if option.name != "--backend":  # ssh's options are no options of slurm
        said = shown(capsys, *more)
        assert (option.variable, "variable") in {(o["where"], o["source"]) for o in said.values()}
    said = shown(capsys, *more, option.name, by_option)
    assert (option.name, "flag") in {(one["where"], one["source"]) for one in said.values()}
    assert option.variable not in {one["where"] for one in said.values()}


def test_variables_hold_for_every_command(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLURM_TASKS_BACKEND", "ssh")
    monkeypatch.setenv("SLURM_TASKS_HOSTNAME", "hpc")
    assert cli.main(["tree", "jobs"]) == 2
    assert "a path on the cluster: start it with /" in capsys.readouterr().err
    assert cli.main(["login", "--check"]) == 1
    assert "hpc: slurm login hpc" in capsys.readouterr().err
    monkeypatch.setenv("SLURM_TASKS_BACKEND", "local")
    assert cli.main(["login"]) == 2
    assert "nothing to log in to with --backend local" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("SLURM_TASKS_PORT", "x", "SLURM_TASKS_PORT: 'x' is not a whole number"),
        ("SLURM_TASKS_BACKEND", "cloud", "SLURM_TASKS_BACKEND 'cloud' is none of local, slurm"),
    ],
)
def test_a_variable_that_means_nothing_is_one_line(
    variable: str, value: str, said: str, slurmfile: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv(variable, value)
    assert cli.main(["config", "show"]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith(f"slurm config show: {said}")


def test_an_empty_variable_is_none(
    slurmfile: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLURM_TASKS_PORT", "")
    assert shown(capsys)["cluster.backend_config.port"]["source"] == "file"


def test_the_table_has_a_row_for_each(slurmfile: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert rows([Setting("submit.mem", False, "file", "f [default.submit]")])[1][1] == "false"
    assert cli.main(["config", "show"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["SETTING", "VALUE", "FROM"]
    assert any(line.split()[:2] == ["submit.account", "physics"] for line in lines)


def test_what_it_shows_is_what_a_cluster_is_made_of(
    slurmfile: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = shown(capsys)
    cluster = Cluster.from_env()
    assert found["cluster.job_base_dir"]["value"] == cluster.site.base
    assert found["cluster.python"]["value"] == cluster.python
    assert found["submit.account"]["value"] == cluster.submit_defaults["account"]
