"""The pages that say which test shows a statement of a document, or a fault: no test in them is made up."""

from __future__ import annotations

import ast
import functools
import re
from pathlib import Path

import pytest
from tests.helpers.mutations import Tables, problems, rows
from tests.mutate_coverage import Copy

TESTS = Path(__file__).parent
DOCS = TESTS.parent / "docs"
SPECIFICATION, FAULTS = DOCS / "reference" / "coverage.md", DOCS / "explanation" / "reliability.md"
RUNS = DOCS / "reference" / "cookbook-coverage.md"


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


@pytest.mark.parametrize("page", [SPECIFICATION, RUNS, FAULTS], ids=lambda page: page.name)
def test_every_statement_has_a_test_that_exists(page: Path) -> None:
    problems = {statement: problems_of(cell) for statement, cell in rows(page)}
    assert {statement: found for statement, found in problems.items() if found} == {}


@pytest.mark.parametrize(
    ("page", "documents", "least"),
    [
        (
            SPECIFICATION,
            ["Architecture", "Workflow Execution", "The example and its tutorial"],
            160,
        ),
        (RUNS, ["The SLURM Cookbook", "The contract of runs", "What the original did wrong"], 115),
    ],
    ids=["specification", "runs"],
)
def test_a_page_has_all_its_documents(page: Path, documents: list[str], least: int) -> None:
    parts = re.split(r"^## ", page.read_text("utf-8"), flags=re.MULTILINE)[1:]
    counts = {
        part.partition("\n")[0]: len(re.findall(r"^\| (?!statement)", part, re.MULTILINE))
        for part in parts
    }
    assert list(counts) == documents
    assert min(counts.values()) >= 8
    assert len(rows(page)) > least


def test_the_page_of_runs_is_about_all_of_the_cookbook() -> None:
    """Its headings are the cookbook's, and so are the keys, the words and the commands in it."""
    text = RUNS.read_text("utf-8")
    cookbook = text.partition("## The contract of runs")[0]
    headings = re.findall(r"^### (.*)$", cookbook, re.MULTILINE)
    assert headings == [
        *("Slurm detection", "Policy configuration", "Launch lifecycle", "Slurm job ledger"),
        *("Asynchronous monitor", "Recovery from common failures"),
    ]
    for word in (
        *("compute.location", "dry_run_command", "requirements_by_stage.launch.env_smoke"),
        *("requirements_by_stage.slurm_monitor.env_smoke", "agent_runner.edit_scope.mode"),
        *("autorun.todo_fallback.slurm.stage", "completed_at", "docs/slurm_job_list.md"),
        *("submitted", "running", "synced", "completed", "failed", "artifact_sync_to_local.status"),
        *("slurm policy apply preset slurm", "slurm run", "slurm verify --stage launch"),
        *("slurm slurm-job-list append", "slurm slurm-job-list verify"),
    ):
        assert word in cookbook


def test_every_statement_has_a_mutation_that_can_be_made() -> None:
    found = problems(TESTS.parent, Tables.read(TESTS.parent))
    assert not found, "\n".join(found)


def test_what_is_mutated_is_a_copy_with_every_module(tmp_path: Path) -> None:
    copy = Copy(tmp_path)
    for folder in ("src", "tests"):
        assert modules_below(copy.root / folder) == modules_below(TESTS.parent / folder)


def modules_below(folder: Path) -> set[Path]:
    return {path.relative_to(folder) for path in folder.rglob("*.py")}


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
