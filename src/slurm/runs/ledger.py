"""The ledger, ``docs/slurm_job_list.md``, as text: one line per run, made from the manifests. No file is touched here.

An entry is a list item that has a field ``run_id=``, such as
``- 2026-02-18 | job_id=4711 | iteration_id=iter1 | run_id=20260218T160045Z | status=submitted``.
What is in fenced code blocks and in comments is no entry, nor is an item that is indented by four columns. A line that
is no entry is never changed, and of an entry only the values that are not the manifest's.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass, replace

from slurm.runs.ledger_lines import Entry, Ledger, LedgerError, Line, refuse_repeated
from slurm.runs.manifest import Manifest

HEADING = "# Slurm jobs\n\n"


class LedgerConflict(LedgerError):
    """The ledger has another job for this run than the manifest. Attributes: `line`, `in_ledger`, `in_manifest`.

    >>> error = LedgerConflict("...", line=3, in_ledger="4711", in_manifest="4712")
    >>> error.line, error.in_ledger, error.in_manifest
    (3, '4711', '4712')
    """

    def __init__(self, message: str, *, line: int, in_ledger: str, in_manifest: str) -> None:
        super().__init__(message)
        self.line = line
        self.in_ledger = in_ledger
        self.in_manifest = in_manifest


class Outcome(str, enum.Enum):
    """What an upsert did."""

    APPENDED = "appended"
    UPDATED = "updated"
    UNCHANGED = "unchanged"

    def __str__(self) -> str:
        return self.value


def upsert(text: str, manifest: Manifest) -> tuple[str, Outcome]:
    """The ledger with the manifest's entry, and what that took.

    All the entries of a run, should there be more than one, are made to agree. Raises `LedgerConflict` where one of
    them has another job, `LedgerError` where one says something twice; then nothing is changed.

    >>> content = {"run_id": "r1", "iteration_id": "iter1", "job_id": "4711", "status": "running"}
    >>> manifest = Manifest({**content, "timestamps": {"started_at": "2026-02-18T16:00:45Z"}})
    >>> text, outcome = upsert("", manifest)
    >>> text, str(outcome)
    ('- 2026-02-18 | job_id=4711 | iteration_id=iter1 | run_id=r1 | status=running\\n', 'appended')
    """
    changed, [outcome] = upsert_all(text, [manifest])
    if isinstance(outcome, LedgerError):
        raise outcome
    return changed, outcome


def upsert_all(text: str, manifests: Iterable[Manifest]) -> tuple[str, list[Outcome | LedgerError]]:
    """The ledger with the entries of many manifests, and what became of each: `Outcome`, or why it was left as it is.

    >>> upsert_all("Our jobs.\\n", [])
    ('Our jobs.\\n', [])
    """
    ledger = Ledger.of(text)
    entries: dict[str, list[tuple[int, Line]]] = {}
    for index, line in ledger.entries():
        for run_id in line.values("run_id"):
            entries.setdefault(run_id, []).append((index, line))
    new: dict[str, Entry] = {}
    outcomes: list[Outcome | LedgerError] = []
    for manifest in manifests:
        found = entries.get(manifest.run_id, [])
        if not found:
            new[manifest.run_id] = Entry.of(manifest)
            outcomes.append(Outcome.APPENDED)
            continue
        try:
            outcomes.append(_brought_up_to_date(ledger, found, Entry.of(manifest)))
        except LedgerError as error:
            outcomes.append(error)
    if not new:
        return "".join(ledger.lines), outcomes
    changed = ledger.append(list(new.values()))
    if not Ledger.of(changed).of_run(next(iter(new))):
        raise LedgerError("what the ledger ends with, a comment that is open, hides its entries")
    return changed, outcomes


def _brought_up_to_date(ledger: Ledger, found: list[tuple[int, Line]], wanted: Entry) -> Outcome:
    """Have all entries of a run say the same; none of them where one has another job."""
    for index, line in found:
        refuse_repeated(index, line)
        _refuse_conflict(index, line, wanted)
    outcome = Outcome.UNCHANGED
    for index, line in found:
        changed = str(line.saying(wanted))
        if changed != ledger.lines[index]:
            ledger.lines[index] = changed
            outcome = Outcome.UPDATED
    return outcome


def _refuse_conflict(index: int, line: Line, wanted: Entry) -> None:
    job_id = line.value("job_id") or ""
    if not job_id or job_id == wanted.job_id:
        return
    if wanted.job_id:
        of, mend = f"job_id={wanted.job_id}", "if the manifest is right, rebuild the ledger"
    else:
        of, mend = "no job_id", "write that job into it, if it is the run's"
    iteration = line.value("iteration_id")
    if iteration and iteration != wanted.iteration_id:
        of += f", being of iteration_id={wanted.iteration_id} and not {iteration}"
        mend = "give one of the two runs another run_id"
    raise LedgerConflict(
        f"run_id={wanted.run_id}: line {index + 1} of the ledger has job_id={job_id}, its manifest has {of}; {mend}",
        line=index + 1,
        in_ledger=job_id,
        in_manifest=wanted.job_id,
    )


class Cause(str, enum.Enum):
    """Why a ledger does not pass."""

    MISSING = "entry missing"
    UNCLEAR = "entry unclear"
    JOB_ID = "job id differs"
    STATUS = "status differs"

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True)
class Verdict:
    """Whether the ledger agrees with a manifest.

    `line` is where the entry is, 0 where it is nowhere; `cause` is None where all is well; `detail` says it in words,
    and `mend` names the command of ``slurm`` that helps, or what a person does.
    """

    line: int
    cause: Cause | None = None
    detail: str = ""
    mend: str = ""

    @property
    def passed(self) -> bool:
        """Whether it does."""
        return self.cause is None


APPEND, REBUILD = "append", "rebuild"
WRITE_DOWN = "write that job_id into the manifest, if the job is the run's"


def verify(text: str, manifest: Manifest, strict: bool = False) -> Verdict:
    """Whether the manifest's run is in the ledger, with its job; with `strict`, with its status as well.

    >>> content = {"run_id": "r1", "iteration_id": "iter1", "job_id": "4711", "status": "running"}
    >>> manifest = Manifest({**content, "timestamps": {"started_at": "2026-02-18T16:00:45Z"}})
    >>> verify("- 2026-02-18 | run_id=r1-2", manifest).detail
    'no line has run_id=r1'
    """
    wanted = Entry.of(manifest)
    try:
        found = Ledger.of(text).of_run(manifest.run_id)
    except LedgerError as error:
        return Verdict(0, Cause.UNCLEAR, str(error), "leave one of them there, then append")
    if not found:
        return Verdict(0, Cause.MISSING, f"no line has run_id={wanted.run_id}", APPEND)
    for index, line in found:
        verdict = _judged(index + 1, line, wanted, strict)
        if not verdict.passed:
            return verdict
    return Verdict(found[0][0] + 1)


def _judged(number: int, line: Line, wanted: Entry, strict: bool) -> Verdict:
    job_id, status = line.value("job_id") or "", line.value("status") or ""
    if job_id != wanted.job_id:
        detail = f"line {number} has job_id={job_id}, the manifest has job_id={wanted.job_id}"
        mend = APPEND if not job_id else REBUILD if wanted.job_id else WRITE_DOWN
        return Verdict(number, Cause.JOB_ID, detail, mend)
    if strict and status != wanted.status:
        detail = f"line {number} has status={status}, the manifest has status={wanted.status}"
        return Verdict(number, Cause.STATUS, detail, APPEND)
    return Verdict(number)


@dataclass(frozen=True)
class Rebuilt:
    """What a rebuild did: how many runs it entered, how many entries it changed, left or took out.

    `removed` are second entries of a run; `kept` are entries whose manifest was not there.
    """

    appended: int = 0
    updated: int = 0
    unchanged: int = 0
    removed: int = 0
    kept: int = 0


def rebuild(text: str, manifests: Iterable[Manifest]) -> tuple[str, Rebuilt]:
    """The ledger made anew from all manifests of Slurm runs, and what that took.

    Here the manifests are right: their job ids replace those of the ledger. An entry stays where it is; second
    entries of a run are taken out, and what only they say is kept in the first. Entries without a manifest stay, and
    so does a job id that the manifest does not know. Raises `LedgerError` where two manifests have one run id and
    different jobs.

    >>> rebuild("Our jobs.\\n", [])
    ('Our jobs.\\n', Rebuilt(appended=0, updated=0, unchanged=0, removed=0, kept=0))
    """
    ledger = Ledger.of(text)
    wanted = _by_run(manifests)
    first: dict[str, int] = {}
    doubles: dict[int, int] = {}
    kept = 0
    for index, line in ledger.entries():
        if not any(run_id in wanted for run_id in line.values("run_id")):
            kept += 1
            continue
        refuse_repeated(index, line)
        run_id = line.value("run_id") or ""
        original = first.setdefault(run_id, index)
        if original != index:
            doubles[index] = original
        if not wanted[run_id].job_id and line.value("job_id"):  # which only the ledger knows
            wanted[run_id] = replace(wanted[run_id], job_id=line.value("job_id") or "")
    before = {index: ledger.lines[index] for index in first.values()}
    for index, original in doubles.items():
        line, double = (Line.parse(ledger.lines[at]) for at in (original, index))
        ledger.lines[original] = str(line.with_notes_of(double))
    for run_id, index in first.items():
        ledger.lines[index] = str(Line.parse(ledger.lines[index]).saying(wanted[run_id]))
    updated = sum(ledger.lines[index] != was for index, was in before.items())
    new = sorted(
        (entry for run_id, entry in wanted.items() if run_id not in first),
        key=lambda entry: (entry.date, entry.run_id),
    )
    for index in doubles:
        ledger.lines[index] = ""
    changed = "".join(ledger.lines)
    result = Ledger.of(changed).append(new) if new else changed
    return result, Rebuilt(len(new), updated, len(first) - updated, len(doubles), kept)


def _by_run(manifests: Iterable[Manifest]) -> dict[str, Entry]:
    newest: dict[str, Manifest] = {}
    for manifest in manifests:
        if not manifest.is_slurm:
            continue
        other = newest.get(manifest.run_id)
        if other is not None and other.job_id != manifest.job_id:
            raise LedgerError(
                f"two runs are run_id={manifest.run_id}: job_id={other.job_id} in {other.path} and "
                f"job_id={manifest.job_id} in {manifest.path}; give one of them another run_id"
            )
        if other is None or manifest.revision > other.revision:
            newest[manifest.run_id] = manifest
    return {run_id: Entry.of(manifest) for run_id, manifest in newest.items()}
