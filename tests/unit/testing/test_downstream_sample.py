"""The sample of somebody else's project shows what the plugin has: each of its fixtures is in one of its tests."""

from __future__ import annotations

import ast
from pathlib import Path

from slurm.testing import plugin

SAMPLE = Path(__file__).parents[2] / "downstream" / "tests"


def words_of_tests() -> set[str]:
    """Names of parameters, and texts: a fixture may be asked for by its name."""
    found: set[str] = set()
    for file in SAMPLE.glob("test_*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.arg):
                found.add(node.arg)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.add(node.value)
    return found


def fixtures_of(file: Path) -> set[str]:
    """The names of what is decorated as one: what pytest makes of that is of another type in each of its versions."""
    return {
        node.name
        for node in ast.parse(file.read_text("utf-8")).body
        if isinstance(node, ast.FunctionDef)
        if any("pytest.fixture" in ast.unparse(one) for one in node.decorator_list)
    }


def test_the_tests_of_the_sample_use_every_fixture() -> None:
    fixtures = fixtures_of(Path(plugin.__file__))
    assert {"cluster", "slurm_cluster", "fake_slurm"} < fixtures
    assert fixtures - words_of_tests() == set()
