"""``slurm init``: what it writes is what a cluster is made of; it asks on a terminal, and overwrites nothing."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.helpers import slurm_site
from tests.helpers.fakes import Programs

from slurm import Cluster, cli
from slurm.config.new_slurmfile import slurmfile_text
from slurm.config.slurmfile import cluster_settings

LOCAL = ("--backend", "local", "--yes")


class Terminal(io.StringIO):
    """Somebody who types."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (folder := tmp_path / "it's mine").mkdir(mode=0o700)
    (tmp_path / "home").mkdir(mode=0o700)
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    return folder


@pytest.fixture
def site(programs: Programs) -> Programs:
    slurm_site.install(programs)
    return programs


ARGUMENTS: list[dict[str, Any]] = [
    {"backend_type": "local"},
    {"backend_type": "local", "max_cpus": 2, "job_base_dir": '/scratch/it\'s "mine"\\'},
    {
        "backend_type": "local",
        "job_base_dir": "/a \xa0\u2028/\U0001f600",
        "python": '\'"""\\u0041#',
    },
    {"backend_type": "slurm", "submit": {"account": 'a"b\\c', "partition": "it's"}},
    {"backend_type": "slurm", "submit": {"account": "physics", "partition": "cpu"}},
    {"backend_type": "ssh", "hostname": "hpc", "username": "ü", "port": 22, "python": "/opt/py"},
]


def test_each_character_is_written_as_toml_has_it(folder: Path) -> None:
    arguments = {"backend_type": "local", "python": "".join(map(chr, range(0x100)))}
    (folder / "Slurmfile.toml").write_bytes(slurmfile_text(arguments).encode())
    assert cluster_settings(env="default").arguments == arguments


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--account", "two\nlines"),
        ("--account", "a\x7f"),
        ("--partition", "a\tb"),
        ("--account", "\udcff"),
        ("--env", "\udcff"),
        ("--job-base-dir", "/a/\udcff"),
    ],
)
def test_what_a_slurmfile_cannot_have_is_refused_before_one_is_written(
    option: str, value: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["init", *LOCAL, option, value]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("slurm init: ")
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("arguments", ARGUMENTS)
@pytest.mark.parametrize("environment", ["default", "gpu", "my laptop", 'a "b".c'])
def test_what_is_written_is_read_again(
    arguments: dict[str, Any], environment: str, folder: Path
) -> None:
    (folder / "Slurmfile.toml").write_text(slurmfile_text(arguments, environment=environment))
    assert cluster_settings(env=environment).arguments == arguments
    assert repr(Cluster.from_env(env=environment)).startswith("<Cluster ")


@pytest.mark.local
def test_it_writes_checks_and_says_what_to_type_next(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base = folder / "jobs"
    assert cli.main(["init", *LOCAL, "--max-cpus", "2", "--job-base-dir", str(base)]) == 0
    path = folder / "Slurmfile.toml"
    assert path.stat().st_mode & 0o777 == 0o600
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"wrote {path}"
    assert lines[-1] == "next: slurm doctor --job"
    assert any(line.startswith("PASS scheduler: 2 cpus") for line in lines)
    assert repr(Cluster.from_env()) == f"<Cluster local {base}>"


@pytest.mark.local
def test_it_proposes_what_the_cluster_has(
    site: Programs, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["init", "--backend", "slurm", "--yes"]) == 0
    assert cluster_settings().submit == {"account": "physics", "partition": "cpu"}
    assert '# partition = "gpu"' in (folder / "Slurmfile.toml").read_text()


@pytest.mark.local
def test_it_asks_on_a_terminal(
    site: Programs, folder: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(sys, "stdin", Terminal("slurm\n\nnope\ngpu\n~/mine\n"))
    cli.main(["init"])
    found = cluster_settings().arguments
    assert found["backend_type"] == "slurm"
    assert found["submit"] == {"account": "physics", "partition": "gpu"}
    assert found["job_base_dir"] == "~/mine"
    asked = capsys.readouterr().err
    assert "partition (cpu, gpu) [cpu]" in asked
    assert "'nope' is not one of" in asked


@pytest.mark.local
def test_a_name_that_the_cluster_has_not_is_refused(
    site: Programs, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["init", "--backend", "slurm", "--partition", "cpo", "--yes"]) == 2
    assert "did you mean 'cpu'?" in capsys.readouterr().err
    assert not list(folder.iterdir())


@pytest.mark.local
def test_a_cluster_that_does_not_answer_has_its_file_all_the_same(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["--hostname", "127.0.0.1", "--port", "1", "--account", "physics", "--yes"]
    assert cli.main(["init", *given, "--env", "hpc"]) == 1
    said = capsys.readouterr()
    assert "accounts and partitions are not known: 127.0.0.1: " in said.err
    assert said.out.splitlines()[-1] == "next: slurm doctor --job --env hpc"
    found = cluster_settings(env="hpc").arguments
    assert found == {
        "backend_type": "ssh", "hostname": "127.0.0.1", "port": 1, "submit": {"account": "physics"},
    }  # fmt: skip


def test_nothing_is_overwritten(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (path := folder / "Slurmfile.toml").write_text("# mine\n")
    assert cli.main(["init", *LOCAL]) == 2
    assert "is there already: --force replaces it" in capsys.readouterr().err
    assert path.read_text() == "# mine\n"
    path.unlink()
    path.symlink_to(folder / "nowhere")
    assert cli.main(["init", *LOCAL]) == 2


@pytest.mark.local
def test_force_replaces_a_file(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (path := folder / "Slurmfile.toml").write_text("# mine\n")
    path.chmod(0o644)
    assert cli.main(["init", *LOCAL, "--force"]) == 0
    assert path.read_text() != "# mine\n"
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.local
def test_a_folder_that_others_can_write_to_needs_the_file_named(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder.chmod(0o777)
    assert cli.main(["init", *LOCAL]) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith("next: slurm doctor --job --slurmfile ")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--backend", "ssh"], "name the host: --hostname"),
        (["--backend", "local", "--slurmfile", "nowhere/Slurmfile.toml"], "there is no directory"),
        (["--backend", "local", "--slurmfile", "notes.txt"], "ends with .toml"),
        (["--backend", "local", "--partition", ""], "--partition"),
    ],
)
def test_what_makes_no_sense_is_one_line(
    arguments: list[str], said: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["init", *arguments]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert said in line
    assert not list(folder.iterdir())


@pytest.mark.local
def test_a_folder_may_be_named(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "there").mkdir()
    assert cli.main(["init", *LOCAL, "--slurmfile", "there"]) == 0
    capsys.readouterr()
    assert cli.main(["config", "show", "--slurmfile", "there", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["settings"]
