"""The page ``docs/reference/mistakes.md`` as a table, and a prompt at which its rows are typed.

A ``python`` block after ``<!-- mistake: KIND -->`` is typed, the ``text`` block after it is what is shown then; ``...``
there stands for anything on one line. Of a program that is all that it writes, else the traceback's last lines.
"""

from __future__ import annotations

import importlib
import os
import re
import sys
import traceback
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import slurm

PAGE = Path(__file__).parents[2] / "docs/reference/mistakes.md"
ROW = re.compile(
    r"^<!-- mistakes?: (?P<kind>[^\n]+) -->\n```python\n(?P<typed>.*?)^```\n(?:\n```text\n(?P<shown>.*?)^```$)?",
    re.MULTILINE | re.DOTALL,
)
OURS = f"{Path(slurm.__file__).parent}{os.sep}"
MARKERS = re.compile(r"\s*[~^]+\s*")
# What a Python before 3.11 shows of `UsersFrames` itself.
OUR_FRAME = re.compile(rf'^  File "{re.escape(OURS)}.*\n    .*\n', re.MULTILINE)


class Mistake(NamedTuple):
    """A row of the page."""

    kind: str
    typed: str
    shown: str


TABLE = [
    Mistake(*(match[name] or "" for name in Mistake._fields))
    for match in ROW.finditer(PAGE.read_text("utf-8"))
]
[BEFORE] = [row.typed for row in TABLE if row.kind == "before"]


def rows(kind: str) -> pytest.MarkDecorator:
    """The rows of a kind, as parameters of a test."""
    found = [row for row in TABLE if row.kind.partition(" ")[0] == kind]
    assert found, f"the page has no mistakes of the kind {kind}"
    return pytest.mark.parametrize("row", found, ids=lambda row: row.typed.splitlines()[-1][:60])


class Session:
    """Types rows one after the other, as into one prompt; what stands before them all is a module in `folder`."""

    def __init__(self, folder: Path, **names: Any) -> None:
        (folder / "before_mistakes.py").write_text(BEFORE)
        module = importlib.import_module("before_mistakes")
        self.names: dict[str, Any] = {**vars(module), "__name__": "typed", **names}

    def error_of(self, typed: str) -> Exception:
        """What the lines raise."""
        with pytest.raises(Exception) as raised:  # noqa: PT011 - the page says which
            exec(compile(typed, "<typed>", "exec"), self.names)  # noqa: S102 - the page's own lines
        return raised.value


def assert_shown(row: Mistake, error: Exception) -> None:
    """The error's own lines are those of the page."""
    assert_same(row, "".join(traceback.format_exception_only(type(error), error)))


def assert_same(row: Mistake, written: str) -> None:
    wanted = [re.escape(line).replace(re.escape("..."), ".*") for line in row.shown.splitlines()]
    lines = [line.rstrip() for line in written.splitlines() if not MARKERS.fullmatch(line)]
    shown = "\n".join(lines)
    assert re.fullmatch("\n".join(wanted), shown), shown


def assert_no_frame_of_ours(error: Exception) -> None:
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if frame.filename.startswith(OURS)]
    assert frames
    assert sys.version_info < (3, 11) or not ours, ours
    assert sys.version_info < (3, 11) or (
        f'File "{OURS}' not in "".join(traceback.format_exception(error))
    )
