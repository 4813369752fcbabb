"""The page on notebooks: a real kernel runs its cells, one after the other, and shows what it says."""

from __future__ import annotations

import importlib
import os
from pathlib import Path
from typing import Any

import pytest
from tests.helpers.pages import blocks

pytestmark = pytest.mark.story

PAGE = Path(__file__).parents[1] / "docs/how-to/notebooks.md"
# ipywidgets are not there, and a warning that they are missing fails a cell.
FIRST = """\
import sys, warnings
warnings.filterwarnings("error", message=".*ipywidgets")
sys.modules["ipywidgets"] = None
"""


def cells() -> list[str]:
    return [one.text for one in blocks(PAGE) if one.language == "python"]


def run(folder: Path, sources: list[str]) -> list[Any]:
    """The cells of a notebook that a kernel has run in `folder`. Fails where a cell has raised something."""
    new: Any = importlib.import_module("nbformat.v4")
    notebook = new.new_notebook()
    notebook.cells = [new.new_code_cell(source) for source in sources]
    client = importlib.import_module("nbclient").NotebookClient
    client(notebook, timeout=240, resources={"metadata": {"path": str(folder)}}).execute()
    return list(notebook.cells)


def shown(cell: Any, kind: str = "text/html") -> str:
    """What a cell shows as its value or on its display."""
    found = [one["data"].get(kind, "") for one in cell.outputs if "data" in one]
    return "\n".join(found)


def test_the_cells_of_the_page_run_and_show_what_it_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tmp_path.chmod(0o700)
    base = tmp_path / "jobs"
    (tmp_path / "Slurmfile.toml").write_text(f'[default.cluster]\njob_base_dir = "{base}"\n')
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(["src", str(PAGE.parents[2] / "src")]))
    activate, submit, array, gather, progress = cells()
    more = [
        f"from slurm import JobTree\nJobTree.from_dir({str(base)!r})",
        "job",
        "await job",
        f"{progress}\nsquare.map([1, None, 3]).submit().wait(240)",
        "cluster.close()\ncluster",
    ]
    done = run(tmp_path, [FIRST + activate, submit, array, gather, *more])
    assert "Job 1 square" in shown(done[1])
    assert shown(done[3], "text/plain").split()[:4] == ["[49,", "[0,", "1,", "4,"]
    assert "21/21: 21 COMPLETED" in shown(done[4])
    assert "COMPLETED" in shown(done[5])
    assert shown(done[6], "text/plain") == "49"
    assert "square" in shown(done[7])
    assert "closed" in shown(done[8])
