"""Files that nobody named: they are believed only where nobody else could have written them."""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from slurm import Cluster, cli
from slurm.config import found_files
from slurm.config.slurmfile import cluster_settings, find_slurmfile
from slurm.errors import ConfigError
from slurm.packaging.projects import project_of

STRANGER = 54321  # nobody's here
ATTACK = """
[default.cluster]
backend = "ssh"
python = "./run-me"
[default.cluster.backend_config]
hostname = "login"
config_file = "ssh_config"
"""
SSH_CONFIG = "Host *\n  ProxyCommand sh -c 'touch {}'\n"

GiveAway = Callable[[Path], None]


@pytest.fixture
def give_away(monkeypatch: pytest.MonkeyPatch) -> GiveAway:
    """Makes a file somebody else's. Only root can do so; anybody else is taken for another than he is."""

    def give(path: Path) -> None:
        try:
            os.chown(path, STRANGER, -1)
        except PermissionError:
            monkeypatch.setattr(os, "getuid", lambda: STRANGER)

    return give


@pytest.fixture
def above(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory above the working directory, with a Slurmfile in it."""
    (tmp_path / "above" / "mine").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "above" / "mine")
    (tmp_path / "above" / "Slurmfile.toml").write_text(ATTACK)
    (tmp_path / "above" / "ssh_config").write_text(SSH_CONFIG.format(tmp_path / "it-ran"))
    return tmp_path / "above"


def refusal(look: Callable[[], object] = find_slurmfile) -> str:
    with pytest.raises(ConfigError) as caught:
        look()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_slurmfile_of_somebody_else_is_refused_unless_it_is_named(
    above: Path, give_away: GiveAway, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = above / "Slurmfile.toml"
    give_away(path)
    with pytest.raises(ConfigError) as caught:
        Cluster.from_env()
    assert str(caught.value).startswith(
        f"{path} is not read, for nobody named it and it belongs to "
    )
    assert str(caught.value).endswith(f"SLURMFILE={path}, or --slurmfile")
    assert not (above.parent / "it-ran").exists()
    assert cluster_settings(path).arguments["python"] == "./run-me"
    assert cluster_settings("../").arguments["python"] == "./run-me"
    monkeypatch.setenv("SLURMFILE", str(path))
    assert cluster_settings().arguments["python"] == "./run-me"


def test_a_program_says_so_in_one_line(
    above: Path, give_away: GiveAway, capfd: pytest.CaptureFixture[str]
) -> None:
    give_away(above / "Slurmfile.toml")
    assert cli.main(["login"]) == 2
    [line] = capfd.readouterr().err.splitlines()
    assert "is not read, for nobody named it" in line


@pytest.mark.parametrize("mode", [0o777, 0o1777])
def test_one_in_a_directory_that_everybody_can_write_to_is_refused(above: Path, mode: int) -> None:
    above.chmod(mode)
    assert f"others can write to {above}: it could have anything run as you" in refusal()


def test_one_that_others_can_write_to_is_refused(above: Path) -> None:
    (above / "Slurmfile.toml").chmod(0o666)
    assert "nobody named it and others can write to it: " in refusal()


def test_a_group_of_more_than_the_user_counts_as_others(
    above: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    above.chmod(0o775)
    monkeypatch.setattr(found_files, "is_private_group", lambda gid: True)
    assert find_slurmfile() == above / "Slurmfile.toml"
    monkeypatch.setattr(found_files, "is_private_group", lambda gid: False)
    if os.getuid() == 0:  # root's own group is root
        os.chown(above, -1, STRANGER)
    assert f"others can write to {above}" in refusal()


def test_a_directory_of_somebody_else_is_refused(above: Path, give_away: GiveAway) -> None:
    give_away(above)
    assert "belongs to " in refusal()


def test_what_a_link_leads_to_counts(above: Path, tmp_path: Path) -> None:
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    (above / "Slurmfile.toml").rename(tmp_path / "open" / "other.toml")
    (above / "Slurmfile.toml").symlink_to(tmp_path / "open" / "other.toml")
    assert f"others can write to {tmp_path / 'open'}" in refusal()


def test_directories_above_it_may_be_open(tmp_path: Path, above: Path) -> None:
    tmp_path.chmod(0o1777)  # as /tmp is, where people work in directories of their own
    assert find_slurmfile() == above / "Slurmfile.toml"


def test_a_planted_environment_name_is_not_taken_for_a_named_file(
    above: Path, give_away: GiveAway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(above)
    (above / "gpu").write_text(ATTACK)
    give_away(above / "gpu")
    assert f"SLURMFILE={'gpu'}" in refusal(lambda: cluster_settings("gpu"))
    assert cluster_settings("./gpu").arguments["hostname"] == "login"


def test_a_planted_project_is_not_built(above: Path, give_away: GiveAway) -> None:
    (above / "pyproject.toml").write_text("[build-system]\nrequires = []\n")
    assert project_of(subprocess.run, None) == above
    give_away(above / "pyproject.toml")
    said = refusal(lambda: project_of(subprocess.run, None))
    assert said.endswith(f"If you trust it, name {above} with the packaging's project")
    assert project_of(subprocess.run, above) == above


@pytest.fixture
def closed(above: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory above the working directory that its user may not look into, which root may."""
    found = os.stat

    def stat(path: object, **how: bool) -> os.stat_result:
        if str(path).startswith(f"{above}/"):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return found(path, **how)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "stat", stat)
    return above


def test_where_nobody_can_look_is_no_sign_that_there_is_none(closed: Path) -> None:
    here = f"{closed / 'mine'}"
    for look, name in (
        (find_slurmfile, "Slurmfile.toml"),
        (Cluster.from_env, "Slurmfile.toml"),
        (lambda: project_of(subprocess.run, None), "pyproject.toml"),
    ):
        said = f"{name} cannot be looked for: {here}/{name}: Permission denied"
        assert refusal(look) == said
    named = closed / "Slurmfile.toml"
    said = f"Slurmfile.toml cannot be looked for: {named}: Permission denied"
    assert refusal(lambda: Cluster.from_env(named)) == said


def test_a_working_directory_that_is_gone_is_said(above: Path) -> None:
    (above / "mine").rmdir()
    said = "cannot be looked for: the working directory: No such file or directory"
    assert refusal() == f"Slurmfile.toml {said}"
    assert refusal(lambda: project_of(subprocess.run, None)) == f"pyproject.toml {said}"


def test_nobodys_home_is_said_with_the_name_of_the_setting(
    above: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = "there is no such user on this machine"
    assert refusal(lambda: Cluster.from_env("~nobody-here/a.toml")).endswith(said)
    (above / "mine" / "Slurmfile.toml").write_text(
        ATTACK.replace('"ssh_config"', '"~nobody-here/ssh"')
    )
    assert refusal(Cluster.from_env) == f"config_file '~nobody-here/ssh': {said}"
    monkeypatch.setenv("SLURMFILE", "~nobody-here/a.toml")
    assert refusal(Cluster.from_env) == f"SLURMFILE '~nobody-here/a.toml': {said}"


def test_a_slurmfile_that_is_nested_too_deeply_is_said(above: Path) -> None:
    path = above / "mine" / "Slurmfile.toml"
    path.write_text("a = " + "[" * 100_000)
    assert refusal(Cluster.from_env) == f"{path}: it is nested too deeply"
