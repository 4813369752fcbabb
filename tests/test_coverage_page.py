"""The page that says which test shows which statement of the specification: no test in it is made up."""

from __future__ import annotations

import ast
import functools
import re
from pathlib import Path

TESTS = Path(__file__).parent
PAGE = TESTS.parent / "docs" / "reference" / "coverage.md"


def rows() -> list[tuple[str, str]]:
    found = re.findall(r"^\| (.+?) \| (.*?) ?\|$", PAGE.read_text("utf-8"), re.MULTILINE)
    return [(statement, cell) for statement, cell in found if statement != "statement"]


@functools.cache
def functions_in(path: Path) -> set[str]:
    tree = ast.parse(path.read_text("utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def problems_of(cell: str) -> list[str]:
    named = re.findall(r"`([\w/]+\.py)::(\w+)`", cell)
    missing = [f"{file} has no {name}" for file, name in named if not is_there(TESTS / file, name)]
    # What type checkers say of a user's program is checked by `make lint`.
    others = [name for file, name in named if not name.startswith("test_")]
    untested = [f"{name} is no test" for name in others if "typed_usage.py" not in cell]
    return [*missing, *untested] if named else ["no test shows it"]


def is_there(file: Path, name: str) -> bool:
    return file.is_file() and name in functions_in(file)


def test_every_statement_has_a_test_that_exists() -> None:
    problems = {statement: problems_of(cell) for statement, cell in rows()}
    assert {statement: found for statement, found in problems.items() if found} == {}


def test_the_page_has_both_documents() -> None:
    assert len(rows()) > 120
