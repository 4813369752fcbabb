"""What a named check found: one line, with what mends it."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from typing import NamedTuple


class Verdict(str, enum.Enum):
    """How a check ended; SKIP is one that was not made, for what it depends on is not there, or nobody asked for it."""

    PASS = "PASS"
    WARN = "WARN"
    FAIL = "FAIL"
    SKIP = "SKIP"

    def __str__(self) -> str:
        return self.value


class Finding(NamedTuple):
    """What one check found; `fix` is what to do about it, empty where there is nothing to do.

    >>> print(Finding("ledger", Verdict.FAIL, "docs/slurm_job_list.md is a directory", "move it away"))
    FAIL ledger: docs/slurm_job_list.md is a directory; fix: move it away
    """

    name: str
    verdict: Verdict
    text: str
    fix: str = ""

    def __str__(self) -> str:
        return f"{self.verdict} {self.name}: {self.text}" + (
            f"; fix: {self.fix}" if self.fix else ""
        )


def failed(findings: Iterable[Finding]) -> bool:
    """Whether one of the checks failed; a warning is none."""
    return any(one.verdict is Verdict.FAIL for one in findings)


def printable(text: str, most: int = 200) -> str:
    """A text of somebody else's, such as a program's last words, on one line of a terminal.

    >>> printable("no \\x1b[31mpartition\\n")
    'no ?[31mpartition'
    """
    line = " ".join(text.split())
    line = "".join(one if one.isprintable() else "?" for one in line)
    return line if len(line) <= most else line[:most] + "..."
