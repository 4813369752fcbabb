"""What the pages of statements say of the tests, and how the source is to be mutated so that they fail.

Files of ``tests/mutations/`` are TOML::

    [[mutation]]
    statement = "`workflow(...)` has the default time `01:00:00`"  # the first cell of a row of one of `PAGES`
    file = "src/slurm/decorators.py"       # or a folder: every .py file below it
    find = 'time="01:00:00"'               # occurs exactly once
    replace = 'time="02:00:00"'
    all = true                             # optional: it occurs once or more, and is replaced everywhere
    also = [{file = "...", find = "...", replace = "..."}]  # optional: further edits of the same mutation
    tests = ["unit/root/test_task.py::test_x"]  # optional: those of the row that must fail, instead of all
    breaks_import = true                   # optional: a file of tests that cannot be loaded any more has failed

    [[unmutated]]
    statement = "..."
    why = "..."                            # why no change of the product makes it untrue
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PAGES = ("docs/reference/coverage.md", "docs/reference/cookbook-coverage.md")
TABLES = "tests/mutations"
HEADINGS = ("statement", "fault")


@dataclass(frozen=True)
class Edit:
    """A text in a file, and what stands there instead."""

    file: str
    find: str
    replace: str
    all: bool = False

    def files(self, root: Path) -> list[Path]:
        """The file, or those of a folder that have the text."""
        place = root / self.file
        if not place.is_dir():
            return [place]
        return [
            path for path in sorted(place.rglob("*.py")) if self.find in path.read_text("utf-8")
        ]

    def problems(self, root: Path) -> Iterator[str]:
        """Why it cannot be made, if so."""
        files = [path for path in self.files(root) if path.is_file()]
        count = sum(path.read_text("utf-8").count(self.find) for path in files)
        if count != 1 and not (self.all and count):
            yield f"{self.file} has {self.find!r} {count} times"
        if self.find == self.replace:
            yield f"{self.find!r} is replaced by itself"


@dataclass(frozen=True)
class Mutation:
    """Edits that make a statement untrue; `tests` are those that must fail then, None for all of its row."""

    statement: str
    edits: tuple[Edit, ...]
    tests: tuple[str, ...] | None
    breaks_import: bool
    table: str

    @property
    def title(self) -> str:
        """The mutation in a few words."""
        first = self.edits[0]
        return (
            f"{self.table}: {self.statement}: {first.find!r} -> {first.replace!r} in {first.file}"
        )


@dataclass(frozen=True)
class Tables:
    """All files of ``tests/mutations/``."""

    mutations: list[Mutation]
    unmutated: dict[str, str]

    @classmethod
    def read(cls, root: Path) -> Tables:
        """The tables of a checkout."""
        mutations: list[Mutation] = []
        unmutated: dict[str, str] = {}
        for path in sorted((root / TABLES).glob("*.toml")):
            content = tomllib.loads(path.read_text("utf-8"))
            mutations += [_mutation(entry, path.name) for entry in content.pop("mutation", [])]
            for entry in content.pop("unmutated", []):
                unmutated[entry["statement"]] = entry["why"]
            if content:
                raise ValueError(f"{path.name} has {', '.join(content)}")
        return cls(mutations, unmutated)


def _mutation(entry: dict[str, Any], table: str) -> Mutation:
    rest = dict(entry)
    statement, tests = rest.pop("statement"), rest.pop("tests", None)
    also, breaks_import = rest.pop("also", []), rest.pop("breaks_import", False)
    edits = tuple(Edit(**fields) for fields in (rest, *also))
    return Mutation(statement, edits, None if tests is None else tuple(tests), breaks_import, table)


def rows(page: Path) -> list[tuple[str, str]]:
    """What a page says, and the cell, or the cells, that have its tests."""
    found = re.findall(r"^\| (.+?) \| (.*?) ?\|$", page.read_text("utf-8"), re.MULTILINE)
    return [(statement, cell) for statement, cell in found if statement not in HEADINGS]


def tests_in(cell: str) -> list[str]:
    """The tests that a cell names, as ``file.py::name`` below ``tests/``."""
    return re.findall(r"`([\w/]+\.py::\w+)`", cell)


def statements(root: Path) -> dict[str, list[str]]:
    """The statements of all pages, each with its tests."""
    return {statement: tests_in(cell) for statement, cell in _all_rows(root)}


def _all_rows(root: Path) -> list[tuple[str, str]]:
    return [row for page in PAGES for row in rows(root / page)]


def problems(root: Path, tables: Tables) -> list[str]:
    """Where tables, pages and source do not fit together."""
    page = statements(root)
    found = [f"the pages have twice: {name}" for name in _repeated(root)]
    broken: dict[str, set[str]] = {}
    for mutation in tables.mutations:
        named = page.get(mutation.statement)
        if named is None:
            found.append(f"{mutation.title}: no page has such a statement")
            continue
        tests = named if mutation.tests is None else mutation.tests
        broken.setdefault(mutation.statement, set()).update(tests)
        wrong = [f"its row has no {test}" for test in tests if test not in named]
        wrong += [text for edit in mutation.edits for text in edit.problems(root)]
        found += [f"{mutation.title}: {text}" for text in wrong]
    found += [f"no page has the statement {name}" for name in tables.unmutated if name not in page]
    for statement, tests in page.items():
        if statement in tables.unmutated:
            found += [f"has mutations and has none: {statement}"] if statement in broken else []
        elif statement not in broken:
            found.append(f"no mutation: {statement}")
        else:
            missing = [test for test in tests if test not in broken[statement]]
            found += [f"no mutation breaks {test}: {statement}" for test in missing]
    return found


def _repeated(root: Path) -> list[str]:
    names = [statement for statement, _ in _all_rows(root)]
    return sorted({name for name in names if names.count(name) > 1})
