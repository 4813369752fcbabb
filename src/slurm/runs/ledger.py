"""The ledger, ``docs/slurm_job_list.md``, as text: one line per run, made from the manifests. No file is touched here.

An entry is a list item that has a field ``run_id=``, such as
``- 2026-02-18 | job_id=4711 | iteration_id=iter1 | run_id=20260218T160045Z | status=submitted``.
What is in fenced code blocks and in comments is no entry, nor is an item that is indented by four columns. A line that
is no entry is never changed, and of an entry only the values that are not the manifest's.
"""

from __future__ import annotations

import datetime
import enum
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from slurm.errors import SlurmError
from slurm.runs.manifest import Manifest

DOC = "docs/slurm_job_list.md"
HEADING = "# Slurm jobs\n\n"
KEYS = ("job_id", "iteration_id", "run_id", "status")

LINE = re.compile(r"[^\n]*\n|[^\n]+")
ENTRY = re.compile(r"(?P<bullet>\ufeff? {0,3}[-*+][ \t]+)(?P<body>[^\n]*?)(?P<end>\r*\n?)\Z")
FIELD = re.compile(r"(?P<key>[ \t]*[^|=\s]+[ \t]*=[ \t]*)(?P<value>[^|]*?)(?P<space>[ \t]*)\Z")
DATE = re.compile(r"(?P<key>[ \t]*)(?P<value>\d{4}-\d\d-\d\d)(?P<space>[ \t]*)\Z")
FENCE = re.compile(r"\ufeff? {0,3}(?P<opening>`{3,}(?=[^`]*\Z)|~{3,})")
COMMENT = re.compile(r"\ufeff? {0,3}(?P<opening><!--)")


class LedgerError(SlurmError):
    """The ledger cannot be read or written, or has a line that somebody has to mend.

    >>> raise LedgerError("docs/slurm_job_list.md: it is a directory")
    Traceback (most recent call last):
        ...
    slurm.runs.ledger.LedgerError: docs/slurm_job_list.md: it is a directory
    """


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


@dataclass(frozen=True)
class Entry:
    """What the ledger says of one run.

    >>> line = "- 2026-02-18 | job_id=4711 | iteration_id=iter1 | run_id=20260218T160045Z | status=submitted"
    >>> str(Entry.parse(line)) == line
    True
    """

    date: str
    job_id: str
    iteration_id: str
    run_id: str
    status: str

    @classmethod
    def of(cls, manifest: Manifest) -> Entry:
        """The entry that a manifest asks for. The date is that of its launch, in UTC."""
        return cls(
            f"{manifest.started_at.astimezone(datetime.timezone.utc):%Y-%m-%d}",
            manifest.job_id,
            manifest.iteration_id.strip(" \t"),
            manifest.run_id,
            str(manifest.status),
        )

    @classmethod
    def parse(cls, line: str) -> Entry | None:
        """The entry in a line; None where it is none. What it does not say is empty."""
        found = Line.parse(line)
        if not found.is_entry:
            return None
        return cls(found.date, *(found.value(key) or "" for key in KEYS))

    def __str__(self) -> str:
        fields = " | ".join(f"{key}={getattr(self, key)}" for key in KEYS)
        return f"- {self.date} | {fields}"


@dataclass(frozen=True)
class Line:
    """One line of the ledger with the characters that end it, split at the bars where it is a list item."""

    bullet: str
    fields: tuple[str, ...]
    end: str

    @classmethod
    def parse(cls, text: str) -> Line:
        """The line that `text` is; one without fields is no list item."""
        item = ENTRY.match(text)
        if item is None:
            return cls(text, (), "")
        return cls(item["bullet"], tuple(item["body"].split("|")), item["end"])

    def __str__(self) -> str:
        return self.bullet + "|".join(self.fields) + self.end

    @property
    def is_entry(self) -> bool:
        """Whether it says which run it is of."""
        return self.value("run_id") is not None

    @property
    def date(self) -> str:
        """The date that it begins with; empty where it does not."""
        found = DATE.match(self.fields[0]) if self.fields else None
        return found["value"] if found else ""

    def values(self, key: str) -> list[str]:
        """What stands behind each ``key=``."""
        found = filter(None, map(FIELD.match, self.fields))
        return [field["value"] for field in found if _key(field) == key]

    def value(self, key: str) -> str | None:
        """What stands behind the first ``key=``; None where there is none."""
        return next(iter(self.values(key)), None)

    def saying(self, entry: Entry) -> Line:
        """This line with the values of `entry`: as it is spaced, and with all that it says beside them."""
        fields = list(self.fields)
        for index, field in enumerate(fields):
            found = FIELD.match(field) or (DATE.match(field) if index == 0 else None)
            key = "" if found is None else "date" if found.re is DATE else _key(found)
            if (
                found is not None
                and key in ("date", *KEYS)
                and found["value"] != getattr(entry, key)
            ):
                # Where there was no value, what is behind the = stands before the bar.
                name = found["key"] if found["value"] else found["key"].rstrip(" \t")
                space = found["space"] or found["key"][len(name) :]
                fields[index] = name + getattr(entry, key) + space
        missing = [key for key in KEYS if self.value(key) is None]
        return self.with_fields(fields, [f"{key}={getattr(entry, key)}" for key in missing])

    def with_fields(self, fields: Iterable[str], further: Iterable[str]) -> Line:
        """This line with other fields, and with `further` ones behind them."""
        fields = list(fields)
        for one in further:
            fields[-1] = f"{fields[-1].rstrip(' ' + chr(9))} "
            fields.append(f" {one}")
        return Line(self.bullet, tuple(fields), self.end)


def _key(field: re.Match[str]) -> str:
    return field["key"].strip(" \t").removesuffix("=").rstrip(" \t")


@dataclass
class _Ledger:
    """The lines of a ledger, and which of them may be entries."""

    lines: list[str]
    free: list[bool]  # whether a line is outside of code blocks and comments

    @classmethod
    def of(cls, text: str) -> _Ledger:
        lines = LINE.findall(text)
        free = [True] * len(lines)
        for first, last in _blocks(lines):
            free[first : last + 1] = [False] * (last + 1 - first)
        return cls(lines, free)

    def entries(self, word: str = "run_id") -> Iterator[tuple[int, Line]]:
        """The entries that have a word somewhere, with their indices."""
        for index, text in enumerate(self.lines):
            if self.free[index] and word in text:
                line = Line.parse(text)
                if line.is_entry:
                    yield index, line

    def of_run(self, run_id: str) -> list[tuple[int, Line]]:
        """The entries of one run. Raises `LedgerError` for one that says something twice."""
        found = [
            (index, line) for index, line in self.entries(run_id) if run_id in line.values("run_id")
        ]
        for index, line in found:
            _refuse_repeated(index, line)
        return found

    def append(self, entries: list[Entry]) -> str:
        """The text with further entries: after the last one and what belongs to it, else at the end."""
        at = self._end_of_entries()
        before = self.lines[:at]
        newline = next((_newline(line) for line in reversed(before) if _newline(line)), "\n")
        if before and not _newline(before[-1]):
            before[-1] += newline
        added = [f"{entry}{newline}" for entry in entries]
        return "".join([*before, *added, *self.lines[at:]])

    def _end_of_entries(self) -> int:
        last = max((index for index, _ in self.entries()), default=None)
        if last is None:
            return len(self.lines)
        end = last + 1
        # Notes that somebody has written below the entry, and that go on with it.
        while end < len(self.lines) and (
            not self.free[end] or (self.lines[end][0] in " \t" and self.lines[end].strip())
        ):
            end += 1
        return end


def _blocks(lines: list[str]) -> Iterator[tuple[int, int]]:
    """The first and the last line of each fenced code block and of each comment.

    One that is never closed is none: all the entries after it would be lost to it.
    """
    never: set[str] = set()  # what opens a block that nothing closes from there on
    index = 0
    while index < len(lines):
        opened = FENCE.match(lines[index]) or COMMENT.match(lines[index])
        opening = opened["opening"] if opened else ""
        if opening and opening not in never:
            end = _end_of_block(lines, index, opening)
            if end is None:
                never.add(opening)
            else:
                yield index, end
                index = end
        index += 1


def _end_of_block(lines: list[str], start: int, opening: str) -> int | None:
    if opening == "<!--":
        return next((at for at in range(start, len(lines)) if "-->" in lines[at]), None)
    mark = re.escape(opening[0])
    closed = re.compile(rf" {{0,3}}{mark}{{{len(opening)},}}[ \t]*\r*\n?\Z")
    return next((at for at in range(start + 1, len(lines)) if closed.match(lines[at])), None)


def _refuse_repeated(index: int, line: Line) -> None:
    for key in KEYS:
        if len(line.values(key)) > 1:
            raise LedgerError(
                f"line {index + 1} of the ledger has {key}= more than once: leave one of them there"
            )


def _newline(line: str) -> str:
    return "\r\n" if line.endswith("\r\n") else "\n" if line.endswith("\n") else ""


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
    ledger = _Ledger.of(text)
    wanted = Entry.of(manifest)
    found = ledger.of_run(manifest.run_id)
    if not found:
        changed = ledger.append([wanted])
        if not _Ledger.of(changed).of_run(manifest.run_id):
            raise LedgerError(
                "what the ledger ends with, a comment that is open, hides its entries"
            )
        return changed, Outcome.APPENDED
    for index, line in found:
        _refuse_conflict(index, line, wanted)
    for index, line in found:
        ledger.lines[index] = str(line.saying(wanted))
    changed = "".join(ledger.lines)
    return changed, Outcome.UNCHANGED if changed == text else Outcome.UPDATED


def _refuse_conflict(index: int, line: Line, wanted: Entry) -> None:
    job_id = line.value("job_id") or ""
    if not job_id or job_id == wanted.job_id:
        return
    if wanted.job_id:
        of, mend = f"job_id={wanted.job_id}", "if the manifest is right, rebuild the ledger"
    else:
        of, mend = "no job_id", "adopt that job, if it is the run's"
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


def verify(text: str, manifest: Manifest, strict: bool = False) -> Verdict:
    """Whether the manifest's run is in the ledger, with its job; with `strict`, with its status as well.

    >>> content = {"run_id": "r1", "iteration_id": "iter1", "job_id": "4711", "status": "running"}
    >>> manifest = Manifest({**content, "timestamps": {"started_at": "2026-02-18T16:00:45Z"}})
    >>> verify("- 2026-02-18 | run_id=r1-2", manifest).detail
    'no line has run_id=r1'
    """
    wanted = Entry.of(manifest)
    try:
        found = _Ledger.of(text).of_run(manifest.run_id)
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
        mend = APPEND if not job_id else REBUILD if wanted.job_id else "slurm runs adopt"
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
    ledger = _Ledger.of(text)
    wanted = _by_run(manifests)
    first: dict[str, int] = {}
    doubles: dict[int, int] = {}
    kept = 0
    for index, line in ledger.entries():
        if not any(run_id in wanted for run_id in line.values("run_id")):
            kept += 1
            continue
        _refuse_repeated(index, line)
        run_id = line.value("run_id") or ""
        original = first.setdefault(run_id, index)
        if original != index:
            doubles[index] = original
        if not wanted[run_id].job_id and line.value("job_id"):  # which only the ledger knows
            wanted[run_id] = replace(wanted[run_id], job_id=line.value("job_id") or "")
    before = {index: ledger.lines[index] for index in first.values()}
    for index, original in doubles.items():
        ledger.lines[original] = str(_with_notes_of(ledger.lines[original], ledger.lines[index]))
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
    result = _Ledger.of(changed).append(new) if new else changed
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


def _with_notes_of(text: str, other: str) -> Line:
    """A line with the fields that only a second entry of its run has."""
    line, double = Line.parse(text), Line.parse(other)
    there = {field.strip() for field in line.fields}
    further = [
        field.strip()
        for field in double.fields
        if field.strip()
        and field.strip() not in there
        and not DATE.match(field)
        and not ((found := FIELD.match(field)) and _key(found) in KEYS)
    ]
    return line.with_fields(line.fields, further)
