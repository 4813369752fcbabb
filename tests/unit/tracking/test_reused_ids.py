"""Which job a row is about: its id alone does not tell, for a controller may give one away twice."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.helpers.fakes import Programs

from slurm.api.slurm_cli import SlurmCliBackend
from slurm.tracking.reused_ids import JobMark

TOKEN, OTHER = "f00d" * 8, "beef" * 8
SCRIPT = "/home/me/slurm_jobs/train/20261122_064428_0a1b2c3d/job.sh"


def test_the_queue_says_where_jobs_came_from(slurm: SlurmCliBackend, programs: Programs) -> None:
    folder = Path(SCRIPT).parent
    origin = f"{TOKEN} a|b|{SCRIPT}|{folder}"
    (programs.folder / "queue").write_text(
        f"7|RUNNING|None|c1|N/A|{origin}\n8_[0-1]|PENDING|Priority||N/A|{OTHER}|{SCRIPT}|{folder}\n"
    )
    first, *tasks = slurm.query_jobs(["7", "8_0", "8_1"])
    assert first.origin == origin
    assert [one.origin for one in tasks] == [f"{OTHER}|{SCRIPT}|{folder}"] * 2
    [asked] = programs.calls("squeue")
    assert asked[asked.index("-o") + 1] == "%i|%T|%r|%N|%e|%k|%o|%Z"


def test_the_queue_is_asked_for_jobs_in_hidden_partitions_too(
    slurm: SlurmCliBackend, programs: Programs
) -> None:
    """Or they would seem to be forgotten."""
    slurm.query_jobs(["7"])
    slurm.get_queue()
    assert all("-a" in call for call in programs.calls("squeue"))


def test_accounts_say_where_jobs_came_from(slurm: SlurmCliBackend, programs: Programs) -> None:
    line = f"sbatch --parsable --comment={TOKEN} {SCRIPT}"
    (programs.folder / "accounts").write_text(f"7|COMPLETED|0:0|cpu|c1|1|2||{line}\n")
    [seen] = slurm.query_jobs(["7"])
    assert (seen.state, seen.origin) == ("COMPLETED", f"|{line}|")


def test_of_a_submission_with_many_words_the_last_are_kept(
    slurm: SlurmCliBackend, programs: Programs
) -> None:
    line = f"sbatch --dependency=afterok:{':'.join(map(str, range(10000)))} {SCRIPT}"
    (programs.folder / "accounts").write_text(f"7|COMPLETED|0:0|cpu|c1|1|2|{TOKEN}|{line}\n")
    [seen] = slurm.query_jobs(["7"])
    assert seen.origin.endswith(f":9999 {SCRIPT}|")
    assert len(seen.origin) == 8192


@pytest.mark.parametrize("looks", [1, 3])
def test_accounts_that_do_not_know_where_jobs_came_from_are_asked_once(
    looks: int, slurm: SlurmCliBackend, programs: Programs
) -> None:
    """Slurm 20.11 has no SubmitLine."""
    refuses = "echo 'sacct: error: Invalid field requested: \"SubmitLine\"' >&2; exit 1"
    knows = 'echo "7|COMPLETED|0:0|cpu|c1|1|2"'
    programs.add("sacct", f'case "$*" in *SubmitLine*) {refuses};; esac; {knows}')
    for _ in range(looks):
        [seen] = slurm.query_jobs(["7"])
        assert (seen.state, seen.origin) == ("COMPLETED", "")
    assert len(programs.calls("sacct")) == 1 + looks


# --- a job's mark ----------------------------------------------------------------------------------

FOLDER = SCRIPT.rpartition("/")[0]
ELSEWHERE = "/home/me/slurm_jobs/train/20261122_064430_ffffffff"
MARK = JobMark(TOKEN, FOLDER)


@pytest.mark.parametrize(
    "origin",
    [
        f"{TOKEN}|{SCRIPT}|{FOLDER}",
        f"{TOKEN} a note|b|{SCRIPT}|{FOLDER}",
        f"{TOKEN}|/spool/copy.sh|/home/me",  # a wrapper around sbatch, and the option chdir
        f"|{SCRIPT}|/home/me",  # the site writes comments of its own, or somebody edited this one
        f"cluster|{SCRIPT}|{FOLDER}",
        f"{OTHER}|{SCRIPT}|{FOLDER}",
        f"(null)|(null)|{FOLDER}",
        f"edited|/mnt/nfs7{SCRIPT}|/home/me",  # another path to the same directory
        f"|sbatch --parsable --comment={TOKEN} --dependency=afterok:3 /spool/copy.sh|",
        f"|sbatch --parsable {SCRIPT}|",
    ],
)
def test_any_mark_is_enough_to_know_a_job_by(origin: str) -> None:
    assert MARK.matches(origin) is True


@pytest.mark.parametrize(
    "origin",
    [
        f"{OTHER}|{ELSEWHERE}/job.sh|{ELSEWHERE}",
        f"|{ELSEWHERE}/job.sh|{ELSEWHERE}",
        "(null)|(null)|/home/me",  # sbatch --wrap
        "(null)|bash|/home/me",
        "|sbatch --wrap hostname|",
        f"{OTHER}|{FOLDER}/tasks/train/20261122_064430_ffffffff/job.sh|{FOLDER}/tasks/train/2",  # a child
        f"{OTHER}|{FOLDER}/job_1.sh|/home/me",
        f"{OTHER}|/home/me/x{FOLDER[1:].replace('/', '_')}/job.sh|/home/me",
    ],
)
def test_what_comes_from_elsewhere_and_has_no_mark_is_another_job(origin: str) -> None:
    assert MARK.matches(origin) is False


@pytest.mark.parametrize("origin", ["", "x", f"{OTHER}||", "(null)|(null)|(null)", "a|b"])
def test_a_comment_alone_makes_no_job_anothers(origin: str) -> None:
    assert MARK.matches(origin) is None
