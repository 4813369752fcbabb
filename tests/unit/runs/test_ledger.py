"""The ledger as text: its entries, what an upsert changes, and what no upsert changes."""

from __future__ import annotations

import datetime

import hypothesis
import pytest
from hypothesis import strategies as st
from tests.helpers.run_manifests import RUN_ID, manifest

from slurm.runs.ledger import (
    HEADING,
    Cause,
    LedgerConflict,
    Outcome,
    Rebuilt,
    rebuild,
    upsert,
    verify,
)
from slurm.runs.ledger_lines import Entry, LedgerError
from slurm.runs.manifest import Manifest

ENTRY = f"- 2026-02-18 | job_id=4711 | iteration_id=iter1 | run_id={RUN_ID} | status=submitted"
OTHER = (
    "- 2026-02-17 | job_id=4000 | iteration_id=iter0 | run_id=20260217T100000Z | status=completed"
)


# --- entries -------------------------------------------------------------------------------------


def test_an_entry_is_written_to_the_letter() -> None:
    assert str(Entry.of(manifest())) == ENTRY


def test_its_date_is_that_of_the_launch_in_utc() -> None:
    late = manifest(timestamps={"started_at": "2026-02-18T23:30:00-05:00"})
    assert Entry.of(late).date == "2026-02-19"


ids = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,20}", fullmatch=True)
# As the manifest's schema has it: neither bars nor control characters.
iterations = st.text(
    st.characters(exclude_characters="|", min_codepoint=0x20, exclude_categories=["Cs"]), min_size=1
).map(lambda text: text.strip(" "))
entries = st.builds(
    Entry,
    st.dates(datetime.date(1000, 1, 1)).map(str),
    st.one_of(st.just(""), st.from_regex(r"[0-9]{1,9}(_[0-9]{1,4})?", fullmatch=True)),
    iterations,
    ids,
    st.sampled_from(["pending", "submitted", "running", "synced", "completed", "failed"]),
)


@hypothesis.given(entries, st.sampled_from(["", "\n", "\r\n"]))
def test_what_is_written_is_read_again(entry: Entry, end: str) -> None:
    assert Entry.parse(str(entry) + end) == entry


@pytest.mark.parametrize(
    "line",
    [
        "",
        "Text about run_id=1",
        "- a list of things",
        "- see run_id=1 for that",
        "-run_id=1",
        "    - run_id=1 | status=failed",
        "| run_id=1 |",
    ],
)
def test_what_is_no_entry(line: str) -> None:
    assert Entry.parse(line) is None


# --- one run, one line ---------------------------------------------------------------------------


def test_a_run_is_appended_then_unchanged_then_updated() -> None:
    text, outcome = upsert(HEADING, manifest())
    assert (text, outcome) == (f"{HEADING}{ENTRY}\n", Outcome.APPENDED)
    assert upsert(text, manifest()) == (text, Outcome.UNCHANGED)
    running = text.replace("submitted", "running")
    assert upsert(text, manifest(status="running")) == (running, Outcome.UPDATED)


@pytest.mark.parametrize("longer", [f"{RUN_ID}-2", f"x{RUN_ID}", f"{RUN_ID}.1", f"x-{RUN_ID}-x"])
def test_a_run_id_that_is_part_of_another_one_is_not_found_in_it(longer: str) -> None:
    there = ENTRY.replace(RUN_ID, longer).replace("4711", "99") + "\n"
    assert verify(there, manifest()).cause is Cause.MISSING
    text, outcome = upsert(there, manifest())
    assert (text, outcome) == (f"{there}{ENTRY}\n", Outcome.APPENDED)
    assert upsert(f"{ENTRY}\n", manifest(run_id=longer, job_id="99"))[0] == f"{ENTRY}\n{there}"


def test_the_status_follows_the_manifest_to_the_end() -> None:
    text = ""
    for status in ("pending", "submitted", "running", "synced", "completed"):
        told = manifest(status=status, job_id=None if status == "pending" else "4711")
        text, _ = upsert(text, told)
        assert verify(text, told, strict=True).passed
    assert text == ENTRY.replace("submitted", "completed") + "\n"


@pytest.mark.parametrize(
    ("by_hand", "expected"),
    [
        (
            f"*  2026-02-18|job_id = 4711 | run_id= {RUN_ID}  |status=submitted | note=slow | iteration_id=iter1",
            f"*  2026-02-18|job_id = 4711 | run_id= {RUN_ID}  |status=running | note=slow | iteration_id=iter1",
        ),
        (
            f"- Monday | run_id={RUN_ID} | the big one",
            f"- Monday | run_id={RUN_ID} | the big one | job_id=4711 | iteration_id=iter1 | status=running",
        ),
        (
            f"- 2026-01-01 | job_id=   | iteration_id=old| run_id={RUN_ID} | status= ",
            f"- 2026-02-18 | job_id=4711   | iteration_id=iter1| run_id={RUN_ID} | status=running ",
        ),
    ],
)
def test_what_a_person_wrote_into_an_entry_stays(by_hand: str, expected: str) -> None:
    assert upsert(by_hand, manifest(status="running")) == (expected, Outcome.UPDATED)


def test_lines_end_as_those_before_them() -> None:
    dos = f"Jobs\r\n\r\n{OTHER}"
    assert upsert(dos, manifest())[0] == f"{dos}\r\n{ENTRY}\r\n"
    assert upsert(f"{ENTRY}\r\nend", manifest(status="running"))[0] == (
        ENTRY.replace("submitted", "running") + "\r\nend"
    )


def test_a_new_entry_comes_after_the_last_one_and_its_notes() -> None:
    text = f"{OTHER}\n  its node was slow\n  ```\n  log\n\n  ```\n\n## Notes\nmore\n"
    assert upsert(text, manifest())[0] == text.replace("\n\n## N", f"\n{ENTRY}\n\n## N")


@pytest.mark.parametrize(
    "example",
    [
        f"```\n{ENTRY}\n```\n",
        f"~~~~ text\n```\n{ENTRY}\n~~~\n~~~~\n",
        f"<!-- as in\n{ENTRY}\n-->\n",
    ],
)
def test_examples_are_no_entries(example: str) -> None:
    assert verify(example, manifest()).cause is Cause.MISSING
    text, outcome = upsert(example, manifest(job_id="12"))
    assert outcome is Outcome.APPENDED
    assert text == example + ENTRY.replace("4711", "12") + "\n"
    assert upsert(text, manifest(job_id="12"))[1] is Outcome.UNCHANGED


def test_a_code_block_that_is_never_closed_hides_no_entry() -> None:
    text = f"```\n{ENTRY}\n"
    assert upsert(text, manifest()) == (text, Outcome.UNCHANGED)


def test_an_entry_that_would_be_hidden_is_not_appended() -> None:
    with pytest.raises(LedgerError, match="a comment that is open, hides its entries"):
        upsert("<!--\n", manifest(iteration_id="a --> b"))


# --- conflicts, and more than one entry ----------------------------------------------------------


def test_another_job_is_a_conflict_that_names_both_and_the_line() -> None:
    with pytest.raises(LedgerConflict) as caught:
        upsert(f"{HEADING}{ENTRY}\n", manifest(job_id="4712"))
    error = caught.value
    assert (error.line, error.in_ledger, error.in_manifest) == (3, "4711", "4712")
    assert str(error) == (
        f"run_id={RUN_ID}: line 3 of the ledger has job_id=4711, its manifest has job_id=4712; "
        "if the manifest is right, rebuild the ledger"
    )


def test_a_job_that_only_the_ledger_knows_is_not_lost() -> None:
    unknown = manifest(status="pending", job_id=None)
    with pytest.raises(LedgerConflict, match="has no job_id; write that job into it"):
        upsert(ENTRY, unknown)
    assert verify(ENTRY, unknown).mend.startswith("write that job_id into the manifest")
    assert "job_id=4711 " in rebuild(ENTRY, [unknown])[0]


def test_one_run_id_of_two_iterations_is_said() -> None:
    with pytest.raises(LedgerConflict, match="iteration_id=iter2 and not iter1; give one of the"):
        upsert(ENTRY, manifest(job_id="4712", iteration_id="iter2"))


def test_all_entries_of_a_run_are_made_to_agree() -> None:
    twice = f"{ENTRY}\n{OTHER}\n{ENTRY} | again\n"
    assert upsert(twice, manifest(status="running")) == (
        twice.replace("submitted", "running"),
        Outcome.UPDATED,
    )


def test_entries_with_different_jobs_are_refused() -> None:
    twice = f"{ENTRY}\n{ENTRY.replace('4711', '4712')}\n"
    with pytest.raises(LedgerConflict, match="line 2 of the ledger has job_id=4712"):
        upsert(twice, manifest())
    verdict = verify(twice, manifest())
    assert (verdict.cause, verdict.line) == (Cause.JOB_ID, 2)
    assert rebuild(twice, [manifest()]) == (f"{ENTRY}\n", Rebuilt(unchanged=1, removed=1))


def test_an_entry_that_says_something_twice_is_refused() -> None:
    unclear = f"{ENTRY} | job_id=9"
    with pytest.raises(LedgerError, match="line 1 of the ledger has job_id= more than once"):
        upsert(unclear, manifest())
    with pytest.raises(LedgerError, match="line 1 of the ledger has job_id= more than once"):
        rebuild(unclear, [manifest()])
    assert verify(unclear, manifest()).cause is Cause.UNCLEAR
    upsert(unclear, manifest(run_id="another"))


# --- verify --------------------------------------------------------------------------------------


def test_verify_names_the_cause_and_what_mends_it() -> None:
    text = f"{HEADING}{ENTRY}\n"
    assert verify(text, manifest(status="running")).passed
    seen = [
        verify(HEADING, manifest()),
        verify(text, manifest(job_id="9")),
        verify(text.replace("4711", ""), manifest()),
        verify(text, manifest(status="running"), strict=True),
    ]
    assert [(verdict.cause, verdict.line, verdict.mend) for verdict in seen] == [
        (Cause.MISSING, 0, "append"),
        (Cause.JOB_ID, 3, "rebuild"),
        (Cause.JOB_ID, 3, "append"),
        (Cause.STATUS, 3, "append"),
    ]
    assert verify(text, manifest(), strict=True).passed


# --- rebuild -------------------------------------------------------------------------------------


def test_a_rebuild_believes_the_manifests_and_keeps_every_other_line() -> None:
    text = f"# Ours\n\n{OTHER}\n{ENTRY} | note=a\nbetween\n{ENTRY} | note=b\n\nend"
    later = manifest(run_id="20260219T000000Z", job_id="5", status="failed")
    manifests = [later, manifest(job_id="4712"), manifest(run_id="here", host_mode="local")]
    changed, done = rebuild(text, manifests)
    mended = ENTRY.replace("4711", "4712")
    assert changed == (
        f"# Ours\n\n{OTHER}\n{mended} | note=a | note=b\n{Entry.of(later)}\nbetween\n\nend"
    )
    assert done == Rebuilt(appended=1, updated=1, removed=1, kept=1)
    assert rebuild(changed, manifests) == (changed, Rebuilt(unchanged=2, kept=1))


def test_new_entries_of_a_rebuild_are_in_the_order_of_their_launches() -> None:
    days = ["2026-03-02", "2026-03-01", "2026-03-03"]
    runs = [
        manifest(run_id=f"r{n}", job_id=str(n + 1), timestamps={"started_at": f"{day}T00:00:00Z"})
        for n, day in enumerate(days)
    ]
    text, _ = rebuild("", runs)
    assert [line[2:12] for line in text.splitlines()] == sorted(days)


def test_two_manifests_with_one_run_id_are_refused_unless_they_have_one_job() -> None:
    one, other = manifest("a/run_manifest.json"), manifest("b/run_manifest.json", job_id="9")
    with pytest.raises(LedgerError, match=r"job_id=4711 in a/.* and job_id=9 in b/"):
        rebuild("", [one, other])
    newer = manifest("b/run_manifest.json", status="running", revision=3)
    assert rebuild("", [newer, one])[0] == ENTRY.replace("submitted", "running") + "\n"


# --- whatever the text ---------------------------------------------------------------------------

known = st.sampled_from(
    [
        ENTRY,
        OTHER,
        f"{ENTRY} | note=1",
        f"- run_id={RUN_ID}",
        f"* x |run_id =  {RUN_ID}-2 | status=",
        "```",
        "~~~",
        "````",
        "<!--",
        "-->",
        "  note",
        "",
        "\ufeff",
        f"Text with run_id={RUN_ID}",
    ]
)
anything = st.text(st.characters(exclude_characters="\n", exclude_categories=["Cs"]), max_size=20)
texts = st.builds(
    lambda lines, last: "".join(line + end for line, end in lines) + last,
    st.lists(st.tuples(known | anything, st.sampled_from(["\n", "\r\n"])), max_size=12),
    known | anything,
)
manifests = st.builds(
    lambda status, run_id: manifest(status=status, run_id=run_id),
    st.sampled_from(["submitted", "running", "synced", "completed", "failed"]),
    st.sampled_from([RUN_ID, f"{RUN_ID}-2", "z", "20260217T100000Z"]),
)


def others(text: str, run_id: str) -> list[str]:
    """The lines that an upsert of the run leaves as they are, without what ends the last one."""
    lines = text.split("\n")
    parsed = [(line.rstrip("\r"), Entry.parse(line)) for line in lines]
    return [line for line, entry in parsed if line and (entry is None or entry.run_id != run_id)]


def attempt(text: str, told: Manifest) -> tuple[str, Outcome]:
    try:
        return upsert(text, told)
    except LedgerError:  # of entries as `texts` makes them: there is another job
        hypothesis.reject()


@hypothesis.given(texts, manifests)
def test_an_upsert_is_idempotent_and_passes(text: str, told: Manifest) -> None:
    changed, _ = attempt(text, told)
    assert upsert(changed, told) == (changed, Outcome.UNCHANGED)
    assert verify(changed, told, strict=True).passed


@hypothesis.given(texts, manifests)
def test_an_upsert_keeps_all_other_lines_in_their_order(text: str, told: Manifest) -> None:
    changed, outcome = attempt(text, told)
    assert others(changed, told.run_id) == others(text, told.run_id)
    if outcome is Outcome.APPENDED:
        added = f"{Entry.of(told)}"
        at = changed.rindex(added) if changed.count(added) == 1 else None
        if at is not None and text.endswith("\n"):
            rest = changed[at + len(added) :]
            assert changed[:at] + rest.removeprefix("\r").removeprefix("\n") == text


@hypothesis.given(texts, st.lists(manifests, max_size=4))
def test_a_rebuild_is_idempotent_and_every_run_of_it_passes(
    text: str, told: list[Manifest]
) -> None:
    try:
        changed, _ = rebuild(text, told)
    except LedgerError:
        hypothesis.reject()
    again, done = rebuild(changed, told)
    assert (again, done.appended, done.updated, done.removed) == (changed, 0, 0, 0)
    assert all(verify(changed, one).passed for one in told)
