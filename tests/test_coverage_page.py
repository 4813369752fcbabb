"""The pages that say which test shows a statement of the specification, or a fault: no test in them is made up."""

from __future__ import annotations

import ast
import functools
import re
from pathlib import Path

import pytest
from tests.helpers.mutations import Tables, problems, rows

TESTS = Path(__file__).parent
DOCS = TESTS.parent / "docs"
SPECIFICATION, FAULTS = DOCS / "reference" / "coverage.md", DOCS / "explanation" / "reliability.md"


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


@pytest.mark.parametrize("page", [SPECIFICATION, FAULTS], ids=lambda page: page.name)
def test_every_statement_has_a_test_that_exists(page: Path) -> None:
    problems = {statement: problems_of(cell) for statement, cell in rows(page)}
    assert {statement: found for statement, found in problems.items() if found} == {}


def test_the_page_has_both_documents() -> None:
    assert len(rows(SPECIFICATION)) > 120


def test_every_statement_has_a_mutation_that_can_be_made() -> None:
    found = problems(TESTS.parent, Tables.read(TESTS.parent))
    assert not found, "\n".join(found)


def test_every_test_of_a_fault_is_on_its_page() -> None:
    named = FAULTS.read_text("utf-8")
    files = [
        file
        for file in (TESTS / "slurm" / "faults").glob("*/test_*.py")
        if file.name != "test_verbs.py"
    ]
    tests = {
        f"{file.relative_to(TESTS)}::{name}"
        for file in files
        for name in functions_in(file)
        if name.startswith("test_")
    }
    assert len(tests) > 10
    assert {test for test in tests if f"`{test}`" not in named} == set()
