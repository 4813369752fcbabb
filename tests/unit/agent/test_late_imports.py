"""How the agent's modules import what only some requests need: several threads may do so at once."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from slurm import agent

MODULES = sorted(Path(agent.__file__).parent.glob("*.py"))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_nothing_is_taken_from_a_module_that_another_thread_may_be_loading(path: Path) -> None:
    """Python 3.9.2, which Debian bullseye has, says "partially initialized module" there; newer ones cannot be made to."""
    functions = [
        one
        for one in ast.walk(ast.parse(path.read_text()))
        if isinstance(one, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
    ]
    inner = [one for function in functions for one in ast.walk(function)]
    late = [one for one in inner if isinstance(one, ast.ImportFrom)]
    assert [one.module for one in late if one.level and one.module] == []
    # What concurrent.futures has in modules of its own is taken from there: it does the same when it is asked for it.
    assert "concurrent.futures.ThreadPool" not in path.read_text()
    assert "from concurrent.futures import" not in path.read_text()
