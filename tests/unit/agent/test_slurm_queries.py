"""squeue, sacct, scancel and sinfo, against fake programs on the PATH."""

from __future__ import annotations

from typing import Any

import pytest
from tests.helpers.fakes import NO_ACCOUNTING, Programs

from slurm.agent import commands, queries
from slurm.agent.tables import find_mark, parse_sacct, parse_squeue
from slurm.api.slurm_cli import SlurmCliBackend
from slurm.errors import SchedulerUnreachable, SlurmError


def states(slurm: SlurmCliBackend, *job_ids: str) -> dict[str, tuple[str, str]]:
    return {o.job_id: (o.source, str(o.state)) for o in slurm.query_jobs(job_ids)}


# --- squeue and sacct ----------------------------------------------------------------------------


def test_one_question_for_all_jobs(slurm: SlurmCliBackend, programs: Programs) -> None:
    (programs.folder / "queue").write_text(
        "1|RUNNING|None|c1|N/A|x\n2|PENDING|Priority||N/A|y\n9|RUNNING|None|c2|N/A|another's\n"
    )
    (programs.folder / "accounts").write_text("3|COMPLETED|0:0|cpu|c1|1|2\n")
    assert states(slurm, "1", "2", "3", "4") == {
        "1": ("squeue", "RUNNING"),
        "2": ("squeue", "PENDING"),
        "3": ("sacct", "COMPLETED"),
        "4": ("absent", "UNKNOWN"),
    }
    [squeue] = programs.calls("squeue")
    [sacct] = programs.calls("sacct")
    assert sacct[sacct.index("-j") + 1] == "3,4"
    assert "all" in squeue


@pytest.mark.parametrize("ids", [["7"], ["7_1", "7_2"]])
def test_one_submission_is_asked_for_by_its_id_whatever_else_is_queued(
    ids: list[str], slurm: SlurmCliBackend, programs: Programs
) -> None:
    (programs.folder / "queue").write_text("".join(f"{one}|RUNNING|None|c1|N/A|x\n" for one in ids))
    assert states(slurm, *ids) == dict.fromkeys(ids, ("squeue", "RUNNING"))
    [squeue] = programs.calls("squeue")
    assert squeue[squeue.index("-j") + 1] == "7"


def test_of_one_that_has_left_the_queue_accounts_are_asked(
    slurm: SlurmCliBackend, programs: Programs
) -> None:
    programs.add("squeue", "echo 'slurm_load_jobs error: Invalid job id specified' >&2; exit 1")
    (programs.folder / "accounts").write_text("3|COMPLETED|0:0|cpu|c1|1|2\n")
    assert states(slurm, "3") == {"3": ("sacct", "COMPLETED")}
    assert states(slurm, "4") == {"4": ("absent", "UNKNOWN")}


@pytest.mark.parametrize("mark", ["\u2028", "\x85", "\x0b", "\x1c"])
def test_a_comment_is_no_row_whatever_else_python_takes_for_the_end_of_a_line(
    mark: str, slurm: SlurmCliBackend, programs: Programs
) -> None:
    comment = f"t1 mine{mark}2|COMPLETED|None|c1|N/A|and more"
    queue = f"1|RUNNING|None|c1|N/A|{comment}\n2|RUNNING|None|c1|N/A|t2\n"
    (programs.folder / "queue").write_text(queue)
    assert states(slurm, "1", "2") == {"1": ("squeue", "RUNNING"), "2": ("squeue", "RUNNING")}
    assert [row["comment"] for row in parse_squeue(queue)] == [comment, "t2"]
    assert find_mark(queue, "and", "/job.sh") == "1"


def test_accounting_is_not_asked_about_jobs_in_the_queue(
    slurm: SlurmCliBackend, programs: Programs
) -> None:
    (programs.folder / "queue").write_text("1|RUNNING|None|c1|N/A|x\n")
    states(slurm, "1")
    assert programs.calls("sacct") == []


def test_a_failed_job_in_the_queue_has_its_exit_code(
    slurm: SlurmCliBackend, programs: Programs
) -> None:
    (programs.folder / "queue").write_text(
        "1|FAILED|NonZeroExitCode|c1|N/A|x\n2|RUNNING|None|c1|N/A|y\n"
    )
    programs.add("scontrol", "echo 'JobId=1 JobState=FAILED DerivedExitCode=0:0 ExitCode=3:0'")
    first, second = slurm.query_jobs(["1", "2"])
    assert (first.source, first.state, first.exit_code) == ("squeue", "FAILED", "3:0")
    assert (second.state, second.exit_code) == ("RUNNING", "")
    assert programs.calls("scontrol") == [["-o", "show", "job", "1"]]


def test_a_site_without_accounting_is_asked_once(
    slurm: SlurmCliBackend, programs: Programs
) -> None:
    programs.add("sacct", NO_ACCOUNTING)
    (programs.folder / "queue").write_text("1|COMPLETED|None|c1|N/A|x\n")
    for _ in range(3):
        assert states(slurm, "1", "2") == {
            "1": ("squeue", "COMPLETED"),
            "2": ("absent", "UNKNOWN"),
        }
    assert len(programs.calls("sacct")) == 1


def test_a_site_without_the_program_sacct_is_one_without_accounting(
    slurm: SlurmCliBackend, programs: Programs
) -> None:
    (programs.folder / "sacct").unlink()
    (programs.folder / "queue").write_text("1|COMPLETED|None|c1|N/A|x\n")
    assert states(slurm, "1", "2") == {"1": ("squeue", "COMPLETED"), "2": ("absent", "UNKNOWN")}


def test_accounting_that_hangs_does_not_hide_what_the_queue_says(
    slurm: SlurmCliBackend, programs: Programs, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs.add("sacct", "exec sleep 600")
    (programs.folder / "queue").write_text("1|FAILED|NonZeroExitCode|c1|N/A|x\n")
    with monkeypatch.context() as hurried:
        hurried.setattr(commands, "SACCT_TIMEOUT", 0.15)
        assert states(slurm, "1", "2") == {"1": ("squeue", "FAILED"), "2": ("sacct", "UNKNOWN")}
    (programs.folder / "accounts").write_text("2|COMPLETED|0:0|cpu|c1|1|2\n")
    programs.add("sacct", 'cat "$HERE/accounts"')
    assert states(slurm, "2") == {"2": ("sacct", "COMPLETED")}


def test_more_jobs_than_an_argument_holds_are_asked_for_in_turns(
    slurm: SlurmCliBackend, programs: Programs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queries, "MOST_IDS_IN_ARGUMENT", 2)
    (programs.folder / "accounts").write_text("3|COMPLETED|0:0|cpu|c1|1|2\n")
    assert states(slurm, "1", "2", "3")["3"] == ("sacct", "COMPLETED")
    asked = [call[call.index("-j") + 1] for call in programs.calls("sacct")]
    assert asked == ["1,2", "3"]


@pytest.mark.parametrize(
    "squeue",
    [
        "echo 'slurm_load_jobs error: Unable to contact slurm controller (connect failure)' >&2; exit 1",
        "echo 'slurm_load_jobs error: Invalid job id specified' >&2; exit 1",
        "exit 1",
    ],
)
def test_a_queue_that_gives_no_answer_says_nothing_about_any_job(
    squeue: str, slurm: SlurmCliBackend, programs: Programs
) -> None:
    programs.add("squeue", squeue)
    with pytest.raises(SchedulerUnreachable):
        slurm.query_jobs(["1", "2"])


def test_a_hung_queue_is_given_up(
    slurm: SlurmCliBackend, programs: Programs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commands, "COMMAND_TIMEOUT", 0.15)
    programs.add("squeue", "exec sleep 600")
    with pytest.raises(SchedulerUnreachable, match="squeue gave no answer"):
        slurm.query_jobs(["1"])


def test_accounting_that_gives_no_answer_does_not_end_a_job(
    slurm: SlurmCliBackend, programs: Programs
) -> None:
    programs.add("sacct", "echo 'sacct: error: Problem talking to the database' >&2; exit 1")
    try:
        said = states(slurm, "1")
    except SchedulerUnreachable:
        return
    assert said["1"][0] != "absent"


def test_accounting_that_gives_no_answer_does_not_hide_what_the_queue_says(
    slurm: SlurmCliBackend, programs: Programs
) -> None:
    programs.add("sacct", "echo 'sacct: error: Problem talking to the database' >&2; exit 1")
    (programs.folder / "queue").write_text("1|FAILED|NonZeroExitCode|c1|N/A|x\n")
    said = states(slurm, "1", "2")
    assert said["1"] == ("squeue", "FAILED")
    assert said["2"][0] != "absent"


def test_a_command_that_talks_a_lot_does_not_hang(
    slurm: SlurmCliBackend, programs: Programs
) -> None:
    talk = "i=0; while [ $i -lt 3000 ]; do echo $i'|RUNNING|None|c1|N/A|xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx'; "
    talk += "echo warning warning warning warning warning >&2; i=$((i+1)); done"
    programs.add("squeue", talk)
    assert states(slurm, "2999") == {"2999": ("squeue", "RUNNING")}


def test_bytes_that_are_no_text_are_replaced(slurm: SlurmCliBackend, programs: Programs) -> None:
    programs.add("squeue", r"printf '1|RUNNING|\377\376|c1|N/A|x\n'")
    assert states(slurm, "1") == {"1": ("squeue", "RUNNING")}


def test_an_array_in_the_queue_is_no_job_of_ours(
    slurm: SlurmCliBackend, programs: Programs
) -> None:
    (programs.folder / "queue").write_text(
        "11_[0-2%1]|PENDING|Priority||N/A|x\n11_3|RUNNING|None|c1|N/A|x\n"
    )
    assert states(slurm, "11")["11"] == ("absent", "UNKNOWN")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("7|RUNNING|None|c1|N/A|", {"job_id": "7", "state": "RUNNING", "comment": ""}),
        (
            "  7|PENDING|(a, b)||N/A|tok a|b",
            {"job_id": "7", "reason": "(a, b)", "comment": "tok a|b"},
        ),
        ("7|PENDING|Priority||N/A|(null)", {"comment": "(null)", "node": ""}),
        ("", None),
        ("squeue: warning: something", None),
        ("7|RUNNING", None),
    ],
)
def test_a_line_of_squeue(line: str, expected: dict[str, Any] | None) -> None:
    rows = parse_squeue(f"{line}\n8|RUNNING|None|c1|N/A|x\n")
    assert rows[-1]["job_id"] == "8"
    if expected is None:
        assert len(rows) == 1
    else:
        assert expected.items() <= rows[0].items()


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            "7|COMPLETED|0:0|cpu|c1|1700000000|1700000001",
            {"state": "COMPLETED", "end": "1700000001"},
        ),
        ("7|CANCELLED by 1000|0:15|cpu|c1|Unknown|Unknown", {"state": "CANCELLED"}),
        ("7|CANCELLED+|0:9|cpu|c1|1|2", {"state": "CANCELLED", "exit_code": "0:9"}),
        ("7|FAILED|1:0|cpu|c[1-2]|None|None", {"node": "c[1-2]", "start": "None"}),
        ("", None),
        ("7|FAILED|1:0", None),
        ("sacct: error: something", None),
    ],
)
def test_a_line_of_sacct(line: str, expected: dict[str, Any] | None) -> None:
    rows = parse_sacct(f"{line}\n8|FAILED|1:0|cpu|c1|1|2\n")
    assert rows[-1]["job_id"] == "8"
    if expected is None:
        assert len(rows) == 1
    else:
        assert expected.items() <= rows[0].items()


# --- scancel and sinfo ---------------------------------------------------------------------------


def test_cancelling_hands_over_the_ids_and_nothing_else(
    slurm: SlurmCliBackend, programs: Programs
) -> None:
    programs.add("scancel", "exit 0")
    slurm.cancel_jobs(["1", "2"])
    assert programs.calls("scancel") == [["--", "1", "2"]]


def test_cancelling_what_has_ended_is_no_error(slurm: SlurmCliBackend, programs: Programs) -> None:
    programs.add(
        "scancel",
        "echo 'scancel: error: Kill job error on job id 1: Invalid job id specified' >&2; exit 1",
    )
    slurm.cancel_jobs(["1"])


def test_a_cancel_that_fails_says_why(slurm: SlurmCliBackend, programs: Programs) -> None:
    programs.add("scancel", "echo 'scancel: error: Access/permission denied' >&2; exit 1")
    with pytest.raises(SlurmError, match="permission denied"):
        slurm.cancel_jobs(["1"])


SINFO = "cpu*|up|infinite|2|idle|(null)\\ngpu|up|1-00:00:00|1|mix|gpu:2\\n"


@pytest.mark.parametrize("banner", ["", "Maintenance on Monday.\\n"])
def test_partitions_are_read_past_what_a_site_prints(
    banner: str, slurm: SlurmCliBackend, programs: Programs
) -> None:
    programs.add("sinfo", f"printf '{banner}{SINFO}'")
    cpu, gpu = slurm.get_cluster_info()["partitions"]
    assert (cpu["partition"], cpu["default"], cpu["nodes"]) == ("cpu", True, 2)
    assert (gpu["partition"], gpu["default"], gpu["gres"]) == ("gpu", False, "gpu:2")


def test_the_queue_is_the_users_live_jobs(slurm: SlurmCliBackend, programs: Programs) -> None:
    (programs.folder / "queue").write_text("1|RUNNING|None|c1|N/A|x\n")
    [row] = slurm.get_queue()
    assert (row["job_id"], row["state"]) == ("1", "RUNNING")
    [squeue] = programs.calls("squeue")
    assert "-u" in squeue
    assert "all" not in squeue


def test_the_end_of_a_job_that_has_ended_is_known(
    slurm: SlurmCliBackend, programs: Programs
) -> None:
    """Of one that goes on squeue shows when its time limit would end it."""
    (programs.folder / "queue").write_text(
        "1|COMPLETED|None|c1|1700000001|x\n2|RUNNING|None|c1|1900000000|y\n3|FAILED|None|c1|N/A|z\n"
    )
    ends = {one.job_id: one.ended_at for one in slurm.query_jobs(["1", "2", "3"])}
    assert ends == {"1": 1700000001.0, "2": None, "3": None}


# --- which jobs have not ended -------------------------------------------------------------------


def test_a_job_that_may_yet_be_put_into_the_queue_again_has_not_ended(
    slurm: SlurmCliBackend, programs: Programs
) -> None:
    (programs.folder / "queue").write_text(
        "1|COMPLETED|None|c1|1|x\n2|NODE_FAIL|None|c1|1|x\n3|SUSPENDED|None|c1|N/A|x\n"
        "4_[0-2]|PENDING|None||N/A|x|/jobs/4/job.sh|/jobs/4\n"
    )
    rows = slurm.agent.scheduler.unended()
    assert [row["job_id"] for row in rows] == ["2", "3", "4_[0-2]"]
    assert rows[-1]["comment"] == "x|/jobs/4/job.sh|/jobs/4"
    [call] = programs.calls("squeue")
    assert call[-1].endswith("%k|%o|%Z")


def test_accounts_tell_which_jobs_have_ended_and_another_of_the_same_id_does_not_count(
    slurm: SlurmCliBackend, programs: Programs
) -> None:
    rows = [
        "1|TIMEOUT|0:0|cpu|c1|1|2|t1|sbatch /jobs/train/1/job.sh",
        "2|COMPLETED|0:0|cpu|c1|1|2|another|sbatch /elsewhere/job.sh",
        "3_0|COMPLETED|0:0|cpu|c1|1|2||sbatch /jobs/train/3/job.sh",
        "3_1|RUNNING|0:0|cpu|c1|1|2||sbatch /jobs/train/3/job.sh",
        "4_0|CANCELLED by 1000|0:0|cpu|c1|1|7|t4|",
        "4_1|COMPLETED|0:0|cpu|c1|1|5|t4|",
        "6|CANCELLED by 1000|0:0|cpu|c1|Unknown|Unknown|t6|",
    ]
    (programs.folder / "accounts").write_text("\n".join(rows) + "\n")
    asked = {str(n): [f"t{n}", f"/jobs/train/{n}"] for n in (1, 2, 3, 4, 5, 6)}
    assert slurm.agent.scheduler.ended(asked) == {"1": 2.0, "4": 7.0, "6": 0.0}
    [call] = programs.calls("sacct")
    assert call[call.index("-j") + 1] == "1,2,3,4,5,6"


def test_without_accounts_nobody_knows_which_jobs_have_ended(
    slurm: SlurmCliBackend, programs: Programs
) -> None:
    programs.add("sacct", NO_ACCOUNTING)
    assert slurm.agent.scheduler.ended({"1": ["t1"]}) == {}
    assert slurm.agent.scheduler.ended({"1": ["t1"]}) == {}
    assert len(programs.calls("sacct")) == 1
