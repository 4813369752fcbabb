"""The page on the test cluster: its tests pass in a project, on a cluster of the shape that the page says."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest
from tests.helpers.pages import Block, blocks, run

from slurm.packaging.toml_files import read_toml
from slurm.testing.shape_options import SHAPE_OPTIONS, ShapeOption, shape_arguments

PAGE = Path(__file__).parents[1] / "docs/how-to/use-the-test-cluster.md"
PROJECT = """\
[project]
name = "my-project"
version = "1"
dependencies = ["tabulate>=0.9"]

[tool.pytest.ini_options]
pythonpath = ["src"]
"""
PYTEST = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist"]
DOUBLE = "\n\n@task\ndef double(value: int) -> int:\n    return 2 * value\n"


def of_pytest() -> list[Block]:
    """What the page has for a ``pyproject.toml``."""
    return [one for one in blocks(PAGE) if one.text.startswith("[tool.pytest.ini_options]")]


def shape_of(given: dict[str, Any]) -> dict[str, Any]:
    """What `DockerCluster` is told where this is in an ini file."""

    def value_of(one: ShapeOption) -> Any:
        return given.get(one.argument)

    return shape_arguments(value_of)


def test_every_word_of_a_shape_is_on_the_page_with_an_item_that_is_taken() -> None:
    rows = [line.split("|") for line in PAGE.read_text("utf-8").splitlines()]
    shown = {row[1].strip(" `"): row for row in rows if len(row) == 7}
    for one in SHAPE_OPTIONS:
        row = [cell.strip(" `") for cell in shown[f"slurm_{one.argument}"]]
        assert row[2] == f"--slurm-{one.option}"
        assert row[4] == f"{one.argument}="
        item = row[5]
        given: dict[str, Any] = {one.argument: [item] if one.is_list else item}
        # What an item names beside itself.
        more = {"users": ["ann"], "nodes": ["c[1-2]"], "partitions": ["all"], "qos": ["low"]}
        for name, items in more.items():
            given[name] = [*items, *given.get(name, [])] if name != one.argument else given[name]
        if one.argument == "partitions":
            given["partitions"] = ["all", item]
        if one.argument == "qos":
            given["qos"] = ["low", item]
        if one.argument == "accounting":  # without it there are no QOS
            del given["qos"]
        assert shape_of(given)


def test_the_ini_files_of_the_page_make_a_shape(tmp_path: Path) -> None:
    assert len(of_pytest()) == 4
    for block in of_pytest():
        (file := tmp_path / "pyproject.toml").write_text(block.text)
        options = read_toml(file)["tool"]["pytest"]["ini_options"]
        assert shape_of({name.partition("_")[2]: value for name, value in options.items()})


@pytest.mark.slurm
@pytest.mark.matrix
def test_the_tests_of_the_page_pass(tmp_path: Path) -> None:
    project = tmp_path / "project"
    (package := project / "src/my_project").mkdir(parents=True)
    editable, _, preempting, _ = (block.text.partition("\n")[2] for block in of_pytest())
    (project / "pyproject.toml").write_text(PROJECT + editable + preempting + "slurm_rest = true\n")
    python = [one.text for one in blocks(PAGE) if one.language == "python"]
    [tasks] = [text for text in python if "def train(" in text]
    (package / "__init__.py").touch()
    (package / "tasks.py").write_text(tasks + DOUBLE)
    tests = [text for text in python if "def test_" in text and "log_in" not in text]
    assert len(tests) == 7
    for number, text in enumerate(tests):
        (project / f"test_{number}.py").write_text(text)
    assert " passed" in run(PYTEST, project, 800)
    assert not (project / ".slurm-cluster").exists()


@pytest.mark.slurm
@pytest.mark.matrix
def test_the_test_of_the_page_logs_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with tempfile.TemporaryDirectory(
        prefix="h-", dir="/tmp"
    ) as home:  # for paths of sockets, which are short
        monkeypatch.setenv("HOME", home)
        (tmp_path / "pyproject.toml").write_text(PROJECT + of_pytest()[-1].text.partition("\n")[2])
        [test] = [
            one.text for one in blocks(PAGE) if "def test_" in one.text and "log_in" in one.text
        ]
        (tmp_path / "test_it.py").write_text(test)
        assert "1 passed" in run(PYTEST, tmp_path, 800)
