"""Samples, and the lines of the table that are made of them: plain data, no clock."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Collection, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.driver import BenchmarkError, reason_of


@dataclass(frozen=True)
class Series:
    """All samples of one thing, in `unit`."""

    name: str
    unit: str
    values: tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    def as_json(self) -> dict[str, Any]:
        """Its numbers; p90 is the least value that nine in ten do not exceed."""
        ordered = sorted(self.values)
        return {
            "unit": self.unit,
            "n": len(ordered),
            "median": self.median,
            "min": ordered[0],
            "p90": ordered[math.ceil(0.9 * len(ordered)) - 1],
            "values": list(self.values),
        }


@dataclass(frozen=True)
class Bar:
    """What section 8 of the design asks for: the most there may be, or with `least` the least.

    It is about what was found, or with `of_ratio` about the ratio.
    """

    limit: float
    of_ratio: bool = False
    least: bool = False


@dataclass(frozen=True)
class Line:
    """A line of the table: `what` was found, in `unit`, beside `other`, what `than` takes.

    Where there is nothing to find or to compare with, `found` or `other` is None and `note` says why.
    `rate`: more is better, so that the ratio is always the times as long.
    """

    what: str
    unit: str
    found: float | None
    than: str = ""
    other: float | None = None
    bar: Bar | None = None
    rate: bool = False
    note: str = ""

    @property
    def ratio(self) -> float | None:
        """How many times as long (or as much) as what it is compared with."""
        if not self.found or not self.other:
            return None
        return self.other / self.found if self.rate else self.found / self.other

    @property
    def ok(self) -> bool | None:
        """Whether the bar is met; None where there is none."""
        if self.bar is None:
            return None
        measured = self.ratio if self.bar.of_ratio else self.found
        if measured is None:
            return False
        return measured >= self.bar.limit if self.bar.least else measured <= self.bar.limit

    def as_json(self) -> dict[str, Any]:
        return {
            "what": self.what,
            "unit": self.unit,
            "found": self.found,
            "than": self.than,
            "other": self.other,
            "ratio": self.ratio,
            "bar": self.bar and vars(self.bar),
            "rate": self.rate,
            "note": self.note,
            "ok": self.ok,
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Line:
        """What `as_json` made."""
        bar = stored["bar"]
        return cls(
            what=stored["what"],
            unit=stored["unit"],
            found=stored["found"],
            than=stored["than"],
            other=stored["other"],
            bar=bar and Bar(**bar),
            rate=stored["rate"],
            note=stored["note"],
        )


def interleave(
    ways: Mapping[str, Callable[[], float]],
    rounds: int,
    *,
    warm_up: int = 1,
    failures: MutableMapping[str, str] | None = None,
    peers: Collection[str] = (),
) -> dict[str, tuple[float, ...]]:
    """Call each of `ways` once a round, so that what disturbs the machine disturbs them all alike.

    Each round begins with another one. The samples of the first `warm_up` rounds are thrown away. One
    of the `peers` that fails is left out, and `failures` says why; what else fails is raised.

    >>> interleave({"a": lambda: 1.0, "b": lambda: 2.0}, 2)
    {'a': (1.0, 1.0), 'b': (2.0, 2.0)}
    """
    names = list(ways)
    found: dict[str, list[float]] = {name: [] for name in names}
    for number in range(warm_up + rounds):
        start = number % len(names)
        for name in [name for name in names[start:] + names[:start] if name in found]:
            try:
                value = ways[name]()
            except BenchmarkError as error:
                if failures is None or name not in peers:
                    raise
                failures[name] = reason_of(error)
                del found[name]
                continue
            if number >= warm_up:
                found[name].append(value)
    return {name: tuple(values) for name, values in found.items()}


def beside(
    what: str,
    ours: str,
    than: str,
    series: Mapping[str, Series],
    reasons: Mapping[str, str],
    *,
    rate: bool = False,
) -> Line:
    """The line for a peer: its median, or why there is none."""
    other = series[than].median if than in series else None
    mine = series[ours]
    return Line(what, mine.unit, mine.median, than, other, rate=rate, note=reasons.get(than, ""))


HEAD = ("what", "found", "compared with", "ratio", "bar", "")


def table(lines: Sequence[Line]) -> str:
    """The lines as a Markdown table."""
    rows: list[tuple[str, ...]] = [HEAD]
    before: tuple[str, ...] = ()
    for line in lines:
        cells = _cells(line)
        again = cells[:2] == before  # the same, beside something else
        rows.append(("", "", *cells[2:]) if again else cells)
        before = cells[:2]
    shown = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([shown[0], "|---|---:|---|---:|---|---|", *shown[1:]])


def _cells(line: Line) -> tuple[str, ...]:
    found = line.note if line.found is None else number_of(line.found, line.unit)
    than = line.than
    if line.other is not None:
        than = f"{than}: {number_of(line.other, line.unit)}"
    elif line.found is not None and line.note:
        than = f"{than}: {line.note}" if than else line.note
    ratio = "" if line.ratio is None else number_of(line.ratio, "", digits=2)
    verdict = {None: "", True: "ok", False: "**MISSED**"}[line.ok]
    return (line.what, found, than, ratio, _bar(line), verdict)


def _bar(line: Line) -> str:
    if line.bar is None:
        return ""
    sign = "≥" if line.bar.least else "≤"
    if line.bar.of_ratio:
        return f"{sign} {line.bar.limit:g}x"
    return f"{sign} {line.bar.limit:g} {line.unit}".rstrip()


def number_of(value: float, unit: str, *, digits: int = 3) -> str:
    """So many significant digits, and the unit.

    >>> number_of(1234.5, "ms"), number_of(0.012345, "s"), number_of(7, "")
    ('1230 ms', '12.3 ms', '7')
    >>> number_of(0.0199, "", digits=2), number_of(1.96, "", digits=2)
    ('0.02', '2')
    """
    if not value:
        return f"0 {unit}".rstrip()
    if unit == "s" and value < 1:
        return number_of(1000 * value, "ms", digits=digits)
    places = digits - 1 - math.floor(math.log10(abs(value)))
    shown = f"{round(value, places):.{max(0, places)}f}"
    if "." in shown:
        shown = shown.rstrip("0").rstrip(".")
    return f"{shown} {unit}".rstrip()
