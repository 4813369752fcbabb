"""The table of what backends cannot do."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.conformance.limits import CANNOT


@pytest.mark.parametrize("backend", ["local", "slurm", "ssh"])
def test_the_table_excuses_from_tests_that_exist_and_says_why(backend: str) -> None:
    files = Path(__file__).parent.glob("test_*.py")
    tests = {name for file in files for name in re.findall(r"def (test_\w+)", file.read_text())}
    assert set(CANNOT) == {"local", "slurm", "ssh"}
    assert set(CANNOT[backend]) <= tests
    assert all(CANNOT[backend].values())
