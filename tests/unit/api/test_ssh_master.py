"""Where the sockets of `slurm login` are, and which of them are used. With real ssh: tests/slurm/connection."""

from __future__ import annotations

import os
import re
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.helpers.fakes import Programs

from slurm import cli
from slurm.api.ssh_command import SSHCommand
from slurm.api.ssh_master import (
    LONGEST_FOLDER,
    Destination,
    answers,
    flaw,
    folder,
    live_socket,
    master_for,
    parse_destination,
)
from slurm.errors import ConfigError

PRINTED = "host hpc\nuser me\nhostname 10.0.0.1\nport 22\ncontrolmaster false\nproxycommand none\n"
HPC = SSHCommand("hpc")


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A home whose path is short, as those of users are."""
    with tempfile.TemporaryDirectory(dir="/tmp") as made:
        monkeypatch.setenv("HOME", made)
        yield Path(made)


@pytest.fixture
def sockets(home: Path) -> Path:
    """The folder that `slurm login` makes in it."""
    (home / ".ssh").mkdir(mode=0o700)
    (home / ".ssh" / "slurm-tasks").mkdir(mode=0o700)
    return home / ".ssh" / "slurm-tasks"


@pytest.fixture
def ssh(programs: Programs) -> Programs:
    """An ssh that goes to 10.0.0.1, and says so."""
    programs.add("ssh", f"printf '{PRINTED}'")
    return programs


def listening(path: Path) -> socket.socket:
    made = socket.socket(socket.AF_UNIX)
    made.bind(str(path))
    made.listen()
    return made


# --- where ssh goes ------------------------------------------------------------------------------


def test_a_destination_is_read_from_what_ssh_prints() -> None:
    said = PRINTED + "proxyjump a,b\ncontrolpath /home/me/my sockets/x\nstricthostkeychecking true"
    assert parse_destination(said) == Destination(
        "me", "10.0.0.1", "22", "a,b", "/home/me/my sockets/x", "true"
    )
    assert str(parse_destination(said)) == "me@10.0.0.1"
    assert str(parse_destination(said.replace("port 22", "port 2222"))) == "me@10.0.0.1 port 2222"


def test_what_is_no_destination_is_refused() -> None:
    with pytest.raises(ConfigError, match="OpenSSH"):
        parse_destination("usage: ssh [-l login_name] hostname")


def test_each_destination_has_a_socket_of_its_own() -> None:
    others = [
        PRINTED.replace("user me", "user you"),
        PRINTED.replace("10.0.0.1", "10.0.0.2"),
        PRINTED.replace("port 22", "port 23"),
        PRINTED + "proxyjump gate",
        PRINTED.replace("proxycommand none", "proxycommand nc %h %p"),
    ]
    names = [parse_destination(said).name for said in (PRINTED, *others)]
    assert len(set(names)) == len(names)
    assert parse_destination(PRINTED.replace("host hpc", "host alias")).name == names[0]


# --- the folder ----------------------------------------------------------------------------------


@pytest.mark.parametrize("home", ["/" + "h" * 80, "home", "~", "/home/${HOME}"])
def test_where_a_home_makes_no_path_of_a_socket_the_folder_is_in_tmp(home: str) -> None:
    assert folder(home, 1000) == "/tmp/slurm-tasks-ssh-1000"


def test_a_home_may_be_as_long_as_ssh_can_bear() -> None:
    home = "/" + "h" * (LONGEST_FOLDER - len("//.ssh/slurm-tasks"))
    assert folder(home, 1000) == f"{home}/.ssh/slurm-tasks"
    assert folder(home + "h", 1000) == "/tmp/slurm-tasks-ssh-1000"
    assert folder(home[:-1] + "ü", 1000) == "/tmp/slurm-tasks-ssh-1000"


def test_a_folder_of_ours_has_no_flaw(sockets: Path) -> None:
    assert flaw(str(sockets)) == ""


@pytest.mark.parametrize("mode", [0o755, 0o770, 0o702])
def test_a_folder_that_is_open_to_others_is_not_used(sockets: Path, mode: int) -> None:
    sockets.chmod(mode)
    assert flaw(str(sockets)) == f"{sockets} is open to others: chmod 700 {sockets}"


def test_a_folder_that_others_can_replace_is_not_used(sockets: Path) -> None:
    sockets.parent.chmod(0o777)
    assert f"they may write to {sockets.parent}" in flaw(str(sockets))
    sockets.parent.chmod(0o1777)
    assert flaw(str(sockets)) == ""


def test_a_link_to_a_folder_is_not_used(sockets: Path, home: Path) -> None:
    (home / "link").symlink_to(sockets)
    assert flaw(str(home / "link")) == f"{home / 'link'} is not a directory"


def test_a_folder_of_somebody_else_is_not_used(
    sockets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only root could make one."""
    monkeypatch.setattr(os, "geteuid", lambda: os.stat(sockets).st_uid + 1)
    assert "belongs to another user" in flaw(str(sockets))


# --- the sockets ---------------------------------------------------------------------------------


def test_only_a_socket_at_which_somebody_listens_answers(sockets: Path) -> None:
    path = sockets / "socket"
    assert not answers(str(path))
    path.touch()
    assert not answers(str(path))
    path.unlink()
    with listening(path):
        assert answers(str(path))
    assert not answers(str(path)), "it is still there, and stale"


def test_where_nobody_has_logged_in_no_process_is_started(home: Path, ssh: Programs) -> None:
    assert live_socket(HPC) == ""
    for path in (home / ".ssh", home / ".ssh" / "slurm-tasks"):
        path.mkdir(mode=0o700)
        assert live_socket(HPC) == ""
    assert ssh.calls("ssh") == []


def test_a_live_socket_is_found_by_where_ssh_goes(sockets: Path, ssh: Programs) -> None:
    path = Path(master_for(HPC).path)
    assert path.parent == sockets
    with listening(path):
        assert live_socket(HPC) == str(path)
        assert live_socket(SSHCommand("alias-of-it", username="me", port=22)) == str(path)
        assert ssh.calls("ssh")[-1] == ["-G", "-p", "22", "-l", "me", "--", "alias-of-it"]
        ssh.add("ssh", f"printf '{PRINTED.replace('22', '23')}'")
        assert live_socket(HPC) == ""
    ssh.add("ssh", f"printf '{PRINTED}'")
    assert live_socket(HPC) == "", "a stale one is none"


def test_a_socket_that_others_could_have_made_is_not_used(sockets: Path, ssh: Programs) -> None:
    with listening(Path(master_for(HPC).path)):
        sockets.chmod(0o777)
        assert live_socket(HPC) == ""


def test_the_users_own_socket_comes_first(sockets: Path, ssh: Programs) -> None:
    with listening(Path(master_for(HPC).path)):
        ssh.add("ssh", f"printf '{PRINTED}controlpath /home/me/cm\\n'")
        assert live_socket(HPC) == ""
        master = master_for(HPC)
        assert (master.path, master.own) == ("/home/me/cm", False)
        assert "-S" not in master.argv(8)


def test_an_ssh_config_that_cannot_be_read_is_left_to_the_connection(
    sockets: Path, ssh: Programs
) -> None:
    with listening(Path(master_for(HPC).path)):
        ssh.add("ssh", "echo 'config: line 1: Bad configuration option: foo' >&2; exit 255")
        assert live_socket(HPC) == ""
    with pytest.raises(ConfigError, match="ssh -G hpc: config: line 1: Bad configuration option"):
        master_for(HPC)


# --- the command ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("configured", "used"),
    [("ask", "ask"), ("true", "yes"), ("false", "ask"), ("accept-new", "ask")],
)
def test_a_login_asks_about_host_keys_unless_unknown_ones_are_refused(
    home: Path, ssh: Programs, configured: str, used: str
) -> None:
    ssh.add("ssh", f"printf '{PRINTED}stricthostkeychecking {configured}\\n'")
    argv = master_for(HPC).argv(12)
    assert f"StrictHostKeyChecking={used}" in argv
    assert "ControlPersist=12h" in argv
    assert argv[-3:] == ["--", "hpc", "exit 0"]


def test_the_folder_of_the_sockets_is_made_for_its_owner_only(home: Path, ssh: Programs) -> None:
    master_for(HPC).prepare()
    for path in (home / ".ssh", home / ".ssh" / "slurm-tasks"):
        assert path.stat().st_mode & 0o777 == 0o700
    master_for(HPC).prepare()


def test_a_folder_that_cannot_be_made_is_said(home: Path, ssh: Programs) -> None:
    (home / ".ssh").touch()
    with pytest.raises(ConfigError, match=f"cannot make {home}/.ssh"):
        master_for(HPC).prepare()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["hpc", "--hostname", "other"], "name only one"),
        (["hpc", "--backend", "slurm"], "nothing to log in to"),
        (["--backend", "local"], "nothing to log in to"),
        (["hpc", "--hours", "0"], "from 1 to 168"),
        (["hpc", "--check", "--exit"], "not allowed with"),
        (["-oProxyCommand=x"], "no such option.* .?-o"),
        (["--backend", "ssh", "--hostname", "a b"], "is not a host"),
        ([], "name the HOST"),
    ],
)
def test_what_cannot_be_logged_in_to_gets_one_line(
    arguments: list[str],
    said: str,
    ssh: Programs,
    home: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(home)
    assert cli.main(["login", *arguments]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert re.search(said, line)
    assert ssh.calls("ssh") == []


def test_a_local_cluster_in_the_slurmfile_is_nothing_to_log_in_to(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(home)
    (home / "Slurmfile.toml").write_text("[default.cluster]\nbackend = 'local'\n")
    assert cli.main(["login"]) == 2
    assert "the Slurmfile's backend is not ssh" in capsys.readouterr().err
