"""``slurm test-cluster`` and ``python -m slurm.testing``: the same commands, with the same options."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from tests.helpers.fakes import Programs

from slurm import cli
from slurm.cli import test_cluster
from slurm.testing import ClusterError, DockerCluster, using
from slurm.testing import __main__ as module
from slurm.testing.command_options import COMMANDS, options_of

GIVEN = {
    "up": ["--project", "mine", "--node", "c1", "--node", "c2 cpus=4", "--port", "2222", "--verbose"],
    "down": ["--project", "mine", "--state-dir", "keys"],
    "shell": ["--state-dir", "keys"],
    "status": [],
    "logs": ["--follow"],
}  # fmt: skip


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, Any]]]:
    """What is run, in place of Docker; the status is 3."""
    seen: list[tuple[str, dict[str, Any]]] = []

    def run(command: str, options: dict[str, Any]) -> int:
        names = {one.argument for one in options_of(command)}
        seen.append((command, {k: v for k, v in options.items() if k in names and v}))
        return 3

    monkeypatch.setattr(using, "run", run)
    monkeypatch.setattr(module, "run", run)
    return seen


@pytest.mark.parametrize("name", COMMANDS)
def test_both_programs_run_the_same(name: str, asked: list[tuple[str, dict[str, Any]]]) -> None:
    assert cli.main(["test-cluster", name, *GIVEN[name]]) == 3
    assert module.main([name, *GIVEN[name]]) == 3
    [first, second] = [(one, {k: _plain(v) for k, v in said.items()}) for one, said in asked]
    assert first == second
    assert first[0] == name


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


@pytest.mark.parametrize("name", COMMANDS)
def test_both_programs_have_the_same_options(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    command = test_cluster.command_named(name)
    options = {one for param in command.params for one in param.opts}
    assert options == {one.option for one in options_of(name)}
    with pytest.raises(SystemExit):
        module.main([name, "--help"])
    said = capsys.readouterr().out
    assert all(one in said for one in options)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["status", "--project", "a/b"], "the project name 'a/b' must be of lowercase letters"),
        (["up", "--port", "x"], "--port must be a port's number, not 'x'"),
        (["up", "--node", "c1 cpu=4"], "node 'c1 cpu=4': there is no 'cpu'"),
        (["up", "--release", "jessie"], "jessie"),
    ],
)
def test_what_makes_no_sense_is_one_line(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for status in (cli.main(["test-cluster", *arguments]), module.main(arguments)):
        assert status == 1
    first, second = capsys.readouterr().err.splitlines()
    assert said in first
    assert said in second


# One that runs bookworm, whoever asks.
ENGINE = """
case "$1 $2" in
  "compose version") echo 2.26.1 ;;
  ps*) echo bookworm ;;
esac
"""


@pytest.mark.parametrize(
    ("given", "environ", "used"),
    [
        ([], "", "bookworm"),
        (["--release", "forky"], "", "forky"),
        ([], "trixie", "trixie"),
        (["--release", "forky"], "trixie", "forky"),
    ],
)
def test_up_uses_the_release_that_runs_unless_another_is_named(
    given: list[str],
    environ: str,
    used: str,
    programs: Programs,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def noted(cluster: DockerCluster) -> str:
        raise ClusterError(f"up in {cluster.compose.release}")

    programs.add("docker", ENGINE)
    monkeypatch.setattr(DockerCluster, "up", noted)
    monkeypatch.setenv("DEBIAN_RELEASE", environ)
    assert cli.main(["test-cluster", "up", *given]) == 1
    assert capsys.readouterr().err.endswith(f"up in {used}\n")


def test_a_cluster_of_another_release_is_left_alone_and_a_line_says_what_to_do(
    programs: Programs, tmp_path: Path
) -> None:
    programs.add("docker", ENGINE)
    with pytest.raises(ClusterError) as caught:
        DockerCluster("mine", release="trixie", state_dir=tmp_path / "state").up()
    assert str(caught.value) == (
        "the cluster mine is of the release bookworm, not trixie: name bookworm to use it, or another project to have both; "
        f"this removes it with all that is in it: slurm test-cluster down --project mine --state-dir {tmp_path}/state"
    )
    assert not [call for call in programs.calls("docker") if "down" in call or "up" in call]


def test_where_there_is_no_docker_that_is_what_is_said(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "env").symlink_to("/usr/bin/env")
    monkeypatch.setenv("PATH", str(tmp_path))
    for command in ("status", "logs", "down"):
        assert cli.main(["test-cluster", command]) == 1
        assert "there is no docker command here" in capsys.readouterr().err
    with pytest.raises(ClusterError, match="there is no docker command here"):
        DockerCluster("mine", state_dir=tmp_path).exec("login", ["id"])


def test_without_the_extra_a_line_says_which_to_install(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "testcontainers", None)
    monkeypatch.setitem(sys.modules, "testcontainers.compose", None)
    assert cli.main(["test-cluster", "up"]) == 1
    [line] = capsys.readouterr().err.splitlines()
    assert "pip install 'slurm-tasks[testing]'" in line
    assert not list(tmp_path.iterdir())
