"""The lines of the ledger: which of them are entries, how an entry is read, and how its values are replaced.

A line is taken apart at its bars and put together again to the letter, so that what nobody wants to change stays.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from slurm.errors import SlurmError
from slurm.runs.manifest import Manifest

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
    slurm.runs.ledger_lines.LedgerError: docs/slurm_job_list.md: it is a directory
    """


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
            f"{manifest.started_at:%Y-%m-%d}",
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

    def with_notes_of(self, double: Line) -> Line:
        """This line with the fields that only a second entry of its run has."""
        there = {field.strip() for field in self.fields}
        further = [
            field.strip()
            for field in double.fields
            if field.strip()
            and field.strip() not in there
            and not DATE.match(field)
            and not ((found := FIELD.match(field)) and _key(found) in KEYS)
        ]
        return self.with_fields(self.fields, further)


def _key(field: re.Match[str]) -> str:
    return field["key"].strip(" \t").removesuffix("=").rstrip(" \t")


@dataclass
class Ledger:
    """The lines of a ledger, and which of them may be entries."""

    lines: list[str]
    free: list[bool]  # whether a line is outside of code blocks and comments

    @classmethod
    def of(cls, text: str) -> Ledger:
        """The ledger that `text` is."""
        lines = LINE.findall(text)
        free = [True] * len(lines)
        for first, last in _blocks(lines):
            free[first : last + 1] = [False] * (last + 1 - first)
        return cls(lines, free)

    def entries(
        self, word: str = "run_id", *, backwards: bool = False
    ) -> Iterator[tuple[int, Line]]:
        """The entries that have a word somewhere, with their indices; the last one first if that is asked for."""
        indices = range(len(self.lines))
        for index in reversed(indices) if backwards else indices:
            text = self.lines[index]
            if word in text and self.free[index]:
                line = Line.parse(text)
                if line.is_entry:
                    yield index, line

    def of_run(self, run_id: str) -> list[tuple[int, Line]]:
        """The entries of one run. Raises `LedgerError` for one that says something twice."""
        found = [
            (index, line) for index, line in self.entries(run_id) if run_id in line.values("run_id")
        ]
        for index, line in found:
            refuse_repeated(index, line)
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
        last = next((index for index, _ in self.entries(backwards=True)), None)
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
        line = lines[index]
        # Hardly any line begins one, and ledgers are long.
        opened = None if line[0] in "-*+" else FENCE.match(line) or COMMENT.match(line)
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


def refuse_repeated(index: int, line: Line) -> None:
    """Raises `LedgerError` for an entry, with its index, that says something twice."""
    for key in KEYS:
        if len(line.values(key)) > 1:
            raise LedgerError(
                f"line {index + 1} of the ledger has {key}= more than once: leave one of them there"
            )


def _newline(line: str) -> str:
    return "\r\n" if line.endswith("\r\n") else "\n" if line.endswith("\n") else ""
