"""The page on testing without Docker: its tests pass, as a user would run them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from tests.helpers.pages import blocks, run

PAGE = Path(__file__).parents[1] / "docs/how-to/test-without-docker.md"


@pytest.mark.local
def test_its_tests_pass(tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    texts = [block.text for block in blocks(PAGE) if block.language == "python"]
    (project / "test_page.py").write_text("\n\n".join(texts))
    number = sum(text.count("\ndef test_") + text.startswith("def test_") for text in texts)
    assert number > 3
    written = run([sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"], project, 200)
    assert f"{number} passed" in written
