"""The page that says which test shows which statement of the specification: no test in it is made up."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
PAGE = TESTS.parent / "docs" / "reference" / "coverage.md"


def rows() -> list[tuple[str, str]]:
    found = re.findall(r"^\| (.+?) \| (.*?) ?\|$", PAGE.read_text("utf-8"), re.MULTILINE)
    return [(statement, cell) for statement, cell in found if statement != "statement"]


def functions_in(path: Path) -> set[str]:
    tree = ast.parse(path.read_text("utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize(("statement", "cell"), rows(), ids=[row[0][:60] for row in rows()])
def test_every_statement_has_a_test_that_exists(statement: str, cell: str) -> None:
    named = re.findall(r"`([\w/]+\.py)::(\w+)`", cell)
    assert named, f"no test shows: {statement}"
    for file, name in named:
        assert name in functions_in(TESTS / file), f"{file} has no {name}"
        # What type checkers say of a user's program is checked by `make lint`.
        assert name.startswith("test_") or file == "typed_usage.py"


def test_the_page_has_both_documents() -> None:
    assert len(rows()) > 120
