"""What a job used: the accounts of both Slurms, of the controller alone, and of nobody."""

from __future__ import annotations

from typing import Any

import pytest
from tests.helpers.fakes import NO_ACCOUNTING, Programs
from tests.helpers.recorded_sacct import HEADER, SLURM_22_05, SLURM_24_11

from slurm.agent import commands
from slurm.agent.tables import parse_table
from slurm.api.slurm_cli import SlurmCliBackend
from slurm.usage import (
    Account,
    Usage,
    exit_in_words,
    format_duration,
    format_size,
    parse_duration,
    parse_size,
    read_accounts,
)

KIB = 1024
BOTH = pytest.mark.parametrize("printed", [SLURM_24_11, SLURM_22_05], ids=["24.11", "22.05"])


def accounts_in(printed: str) -> dict[str, Account]:
    return read_accounts([{**row, "Source": "sacct"} for row in parse_table(printed)])


# --- what sacct printed --------------------------------------------------------------------------


@BOTH
def test_memory_is_that_of_the_largest_step(printed: str) -> None:
    found = accounts_in(printed)
    assert found["9"].usage.max_rss in (496720 * KIB, 496252 * KIB)
    assert found["3"].usage.max_rss in (302904 * KIB, 302332 * KIB)
    assert found["4"].usage.max_rss is None, "it was over before anybody looked"


@BOTH
def test_time_and_place_are_the_jobs_own(printed: str) -> None:
    found = accounts_in(printed)
    assert found["3"].usage.elapsed in (73, 77)
    assert (found["3"].usage.nodes, found["9"].usage.nodes) == ("c1", "c2")
    for never_started in ("7", "8"):
        assert found[never_started].usage == Usage(elapsed=0)


@BOTH
def test_what_was_asked_for_is_there_also_where_the_site_filled_it_in(printed: str) -> None:
    found = accounts_in(printed)
    assert found["3"].requested == {"partition": "cpu", "mem": "500M", "time": "00:01:00"}
    assert found["9"].requested["mem"] == "16000M", "the job asked for --mem=0"


@BOTH
def test_an_element_of_an_array_has_an_account_of_its_own(printed: str) -> None:
    account = accounts_in(printed)["10_1"]
    assert (account.state, account.exit_code) == ("FAILED", "1:0")


@BOTH
def test_who_cancelled_a_job_is_told(printed: str) -> None:
    assert accounts_in(printed)["6"].state == "CANCELLED by 1000"


@BOTH
def test_a_job_killed_for_its_memory_is_known_by_what_it_used(printed: str) -> None:
    """Without cgroups Slurm only kills it: the state is FAILED, as of a job that anybody killed."""
    found = accounts_in(printed)
    assert found["2"].out_of_memory
    assert found["91"].out_of_memory
    assert [job_id for job_id in found if found[job_id].out_of_memory] == ["2", "91"]


@BOTH
def test_the_records_of_ended_jobs_are_complete(printed: str) -> None:
    assert all(account.settled for account in accounts_in(printed).values())


@pytest.mark.parametrize(
    "rows",
    [
        "7|RUNNING|0:0|cpu|1G|1|2|3||c1\n",
        "7|TIMEOUT|0:0|cpu|1G|1|2|3||c1\n7.batch|RUNNING|0:0|||1||3||c1\n",
        "7|NODE_FAIL|0:0|cpu|1G|1|2|3||c1\n7.0|PENDING|0:0|||1||3||c1\n",
        "7|FAILED|0:9||||2|1||c1\n7.batch|CANCELLED by 0|0:9|||1||1|318877K|c1\n",
    ],
    ids=["running", "step running", "step pending", "of 22.05 without its beginning"],
)
def test_a_record_that_slurm_is_still_writing_is_not_complete(rows: str) -> None:
    assert not accounts_in(HEADER + rows)["7"].settled


def test_a_step_out_of_memory_is_why_the_job_failed() -> None:
    rows = "7|FAILED|1:0|cpu|1G|1|2|3||c1\n7.batch|FAILED|1:0|||1||3|9K|c1\n"
    assert not accounts_in(HEADER + rows)["7"].out_of_memory
    rows += "7.0|OUT_OF_MEMORY|0:125|||1||3|1040000K|c1\n"
    assert accounts_in(HEADER + rows)["7"].out_of_memory


# --- numbers -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("205392K", 205392 << 10),
        ("1.50G", 3 << 29),
        ("210321408", 210321408),
        ("2T", 2 << 40),
        ("0", 0),
        ("1Gn", 1 << 30),
        ("100Mc", 400 << 20),
        ("", None),
        ("16?", None),
        ("-1", None),
        ("lots", None),
    ],
)
def test_sizes_in_every_spelling_of_slurms(text: str, size: int | None) -> None:
    assert parse_size(text, cpus="4") == size


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 bytes"),
        (1023, "1023 bytes"),
        (1024, "1K"),
        (1069547520, "1020M"),
        (3 << 29, "1.5G"),
        (205392 << 10, "201M"),
        (5 << 40, "5T"),
        (7 << 60, "7168P"),
    ],
)
def test_sizes_are_told_in_the_unit_people_ask_in(size: int, text: str) -> None:
    assert format_size(size) == text


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("1:13", 73), ("01:02:03", 3723), ("2-00:00:01", 172801), ("00:00.002", 0), ("INVALID", None)],
)
def test_times_in_every_spelling_of_slurms(text: str, seconds: int | None) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("seconds", [0, 59, 3600, 86399, 86400, 1000000])
def test_a_time_is_read_back_as_it_was_told(seconds: int) -> None:
    assert parse_duration(format_duration(seconds)) == seconds


@pytest.mark.parametrize(
    ("exit_code", "words"),
    [
        ("", ""),
        ("0:0", ""),
        ("3:0", "exit code 3:0"),
        ("0:9", "exit code 0:9 (SIGKILL)"),
        ("0:53", "exit code 0:53 (its output file could not be opened)"),
        ("0:125", "exit code 0:125 (killed for its memory)"),
        ("0:99", "exit code 0:99"),
    ],
)
def test_exit_codes_say_what_they_mean(exit_code: str, words: str) -> None:
    assert exit_in_words(exit_code) == words


@pytest.mark.parametrize(
    ("usage", "words"),
    [
        (Usage(), ""),
        (Usage(elapsed=0), "had not started"),
        (Usage(elapsed=0, nodes="c1"), "ran 00:00:00 on c1"),
        (Usage(nodes="c1"), "ran on c1"),
        (Usage(max_rss=1 << 30), "ran and used at most 1G"),
        (Usage(61, 1 << 20, "c[1-2]"), "ran 00:01:01 on c[1-2] and used at most 1M"),
    ],
)
def test_what_was_used_is_told_as_far_as_it_is_known(usage: Usage, words: str) -> None:
    assert usage.in_words() == words


# --- asking --------------------------------------------------------------------------------------


def asked(slurm: SlurmCliBackend, *job_ids: str) -> dict[str, Any]:
    return read_accounts(slurm.query_usage(job_ids))


def test_one_question_for_all_jobs_and_none_of_the_controller(
    slurm: SlurmCliBackend, programs: Programs
) -> None:
    (programs.folder / "accounts").write_text("Welcome to the cluster.\n" + SLURM_24_11)
    found = asked(slurm, "3", "10_1", "77")
    assert set(found) == {"3", "10_1"}
    assert found["3"].usage.max_rss == 302904 * KIB
    [sacct] = programs.calls("sacct")
    assert sacct[sacct.index("-j") + 1] == "3,10_1,77"
    assert "-X" not in sacct, "the steps have the memory"
    assert programs.calls("squeue") == []


def test_the_pending_elements_of_an_array_share_a_row(
    slurm: SlurmCliBackend, programs: Programs
) -> None:
    row = "12_[1-3]|CANCELLED by 0|0:0|cpu|1G|1|2|0||None assigned\n"
    (programs.folder / "accounts").write_text(HEADER + row)
    assert set(asked(slurm, "12_1", "12_3", "12_4")) == {"12_1", "12_3"}


@pytest.mark.parametrize(
    "sacct",
    [
        NO_ACCOUNTING,
        "echo 'sacct: error: Problem talking to the database' >&2; exit 1",
        "exec sleep 600",
        "",
    ],
    ids=["off", "down", "hung", "no program"],
)
def test_without_accounts_the_controller_knows_the_time_and_the_place(
    sacct: str, slurm: SlurmCliBackend, programs: Programs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commands, "USAGE_TIMEOUT", 0.5 if "sleep" in sacct else 10.0)
    programs.add("sacct", sacct)
    if not sacct:
        (programs.folder / "sacct").chmod(0o644)
    (programs.folder / "queue").write_text("7|TIMEOUT|cpu|1:13|c1\n8|RUNNING|cpu|0:01|c2\n")
    found = asked(slurm, "7", "99")
    assert found["7"].usage == Usage(elapsed=73, nodes="c1")
    assert found["7"].requested == {"partition": "cpu"}
    assert found["99"].usage == Usage()
    assert found["7"].settled, "nobody will say more"
    assert found["99"].settled


def test_a_site_without_accounting_is_asked_once(
    slurm: SlurmCliBackend, programs: Programs
) -> None:
    programs.add("sacct", NO_ACCOUNTING)
    asked(slurm, "7")
    asked(slurm, "8")
    assert len(programs.calls("sacct")) == 1


def test_where_nothing_answers_nothing_is_known_and_nothing_fails(
    slurm: SlurmCliBackend, programs: Programs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert asked(slurm, "7")["7"] == Account(settled=True)


@pytest.mark.parametrize("printed", ["", "sacct: error: what?\n", "JobID|State\n7\n7|A|B\n"])
def test_what_is_no_table_has_no_rows(printed: str) -> None:
    assert parse_table(printed) == []
