"""``slurm shell``: which command it becomes. The programs are fakes."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from tests.helpers.fakes import Programs
from tests.helpers.job_tasks import read

from slurm import Cluster, cli
from slurm.api.ssh import SSHCommandBackend

PATIENCE = 120.0


class Became(Exception):
    """It would be another program now."""


@pytest.fixture(autouse=True)
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is a terminal; and nothing takes the place of this process."""

    def become(program: str, argv: list[str]) -> None:
        raise Became(*argv)

    monkeypatch.setattr(os, "execvp", become)
    monkeypatch.setattr("slurm.cli.shell.has_terminal", lambda: True)


def shell(base: Path, *words: str) -> list[str]:
    with pytest.raises(Became) as became:
        cli.main(["shell", *words, "--backend", "slurm", "--job-base-dir", str(base)])
    return list(became.value.args)


def refused(base: Path, capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert cli.main(["shell", *words, "--backend", "slurm", "--job-base-dir", str(base)]) == 2
    [line] = capsys.readouterr().err.splitlines()
    return line


def test_it_is_a_step_of_the_job(tmp_path: Path, programs: Programs) -> None:
    programs.add("squeue", "echo '17|RUNNING|c[1-2]|None'")
    first, flag, script = shell(tmp_path, "12_3")
    assert (first, flag) == ("sh", "-c")
    assert (
        "exec srun --jobid=17 $overlap --nodes=1 --ntasks=1 --mem=0 --nodelist=c1 --pty" in script
    )
    assert "--nodelist=c2" in shell(tmp_path, "12_3", "--node", "c2")[2]
    [asked, _] = programs.calls("squeue")
    assert asked[asked.index("-j") + 1] == "12_3"


@pytest.mark.parametrize(("helps", "expected"), [("echo --overlap", "--overlap"), ("exit 1", "")])
def test_an_old_srun_has_no_overlap(
    helps: str, expected: str, tmp_path: Path, programs: Programs
) -> None:
    programs.add("squeue", "echo '17|RUNNING|c1|None'")
    programs.add("srun", f'if [ "$1" = --help ]; then {helps}; fi')
    argv = shell(tmp_path, "17")
    subprocess.run(argv, check=True)
    helped, ran = programs.calls("srun")
    assert helped == ["--help"]
    assert ("--overlap" in ran) is bool(expected)
    assert (ran[0], ran[-1]) == ("--jobid=17", "-l")


def test_what_does_not_run_is_one_line(
    tmp_path: Path, programs: Programs, capsys: pytest.CaptureFixture[str]
) -> None:
    programs.add("squeue", "echo '17|PENDING||Priority'")
    assert refused(tmp_path, capsys, "17") == (
        "slurm shell: job 17 does not run: it is PENDING, jobs with a higher priority are before it"
    )
    programs.add("squeue", "echo '17|RUNNING|c1|None'")
    assert "does not run on c7: its nodes are c1" in refused(tmp_path, capsys, "17", "--node", "c7")
    programs.add("squeue", "echo 'slurm_load_jobs error: Invalid job id specified' >&2; exit 1")
    assert "job 17 is not in the queue: slurm_load_jobs error" in refused(tmp_path, capsys, "17")


def test_over_ssh_it_has_a_terminal_there() -> None:
    argv = SSHCommandBackend(hostname="hpc", port=2222).terminal_argv("exec sh -c 'srun x'")
    assert argv[:2] == ["ssh", "-t"]
    assert argv[-3:] == ["--", "hpc", "exec sh -c 'srun x'"]


def test_without_a_terminal_it_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("slurm.cli.shell.has_terminal", lambda: False)
    assert "a shell needs a terminal" in refused(tmp_path, capsys, "17")


def test_of_a_job_of_this_machine_it_says_how_it_ended_or_where_its_shell_is(
    local: Cluster, local_base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    where = ["--backend", "local", "--job-base-dir", str(local_base)]
    os.mkfifo(tmp_path / "gate")
    running = read(str(tmp_path / "gate"))
    with open(tmp_path / "gate", "w"):  # which it has opened by then
        assert running.get_status() == "RUNNING"
        assert cli.main(["shell", running.id, *where]) == 2
        assert "is a process of this machine" in capsys.readouterr().err
    assert running.wait(PATIENCE)
    for word in (running.id, running.job_dir):
        assert cli.main(["shell", word, *where]) == 2
        said = capsys.readouterr().err
        assert said == f"slurm shell: job {running.id} does not run: it is COMPLETED\n"
