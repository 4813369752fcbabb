"""A user's project as it is installed on the cluster, from what its ``pyproject.toml`` says."""

from __future__ import annotations

from pathlib import Path

import pytest

from slurm.errors import ConfigError
from slurm.testing.editable import EditableProject
from slurm.testing.environment import wanted_by
from slurm.testing.shape import Shape

PROJECT = """\
[project]
name = "my-curves"
version = "1.2"
requires-python = ">=3.9"
dependencies = ["numpy>=1.26", "slurm-tasks"]
[project.scripts]
fit = "curves.cli:App.main [plots]"
[project.entry-points."curves.kinds"]
cubic = "curves.kinds:Cubic"
"""


def write(folder: Path, text: str = PROJECT) -> Shape:
    (folder / "pyproject.toml").write_text(text)
    return Shape(editable=str(folder), requirements=("tabulate",))


def test_it_has_its_metadata_entry_points_and_commands(tmp_path: Path) -> None:
    write(tmp_path)
    files = EditableProject.of(tmp_path).files()
    assert files["site-packages/__editable__.my_curves.pth"] == "/project\n"
    info = "site-packages/my_curves-1.2.dist-info"
    assert "Name: my-curves\nVersion: 1.2\n" in files[f"{info}/METADATA"]
    assert files[f"{info}/entry_points.txt"] == (
        "[console_scripts]\nfit = curves.cli:App.main [plots]\n[curves.kinds]\ncubic = curves.kinds:Cubic\n"
    )
    assert files["bin/fit"].endswith("from curves.cli import App\nsys.exit(App.main())\n")


def test_code_may_be_in_src_and_nothing_need_be_said(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    assert (
        EditableProject.of(tmp_path).files()["site-packages/__editable__.project.pth"]
        == "/project/src\n"
    )


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            "fit =",
            '"../fit" =',
            "the script ../fit = 'curves.cli:App.main [plots]' names no function",
        ),
        ("curves.cli:App.main", "curves.cli", "names no function, as package.module:function does"),
        ("curves.cli:App.main", "curves.cli:main();import os", "names no function"),
        ('"1.2"', '"1/2"', "version '1/2' is none that a project can have"),
        ('"my-curves"', '"../../x"', "name '../../x' is none that a project can have"),
        ('"curves.kinds:Cubic"', "3", "the entry points of curves.kinds are no names of objects"),
    ],
)
def test_what_cannot_be_meant_is_said_with_the_file(
    tmp_path: Path, old: str, new: str, said: str
) -> None:
    assert old in PROJECT
    write(tmp_path, PROJECT.replace(old, new, 1))
    with pytest.raises(ConfigError) as caught:
        EditableProject.of(tmp_path)
    assert str(caught.value).startswith(f"{tmp_path}/pyproject.toml: ")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_it_depends_on_is_wanted_with_what_was_named(tmp_path: Path) -> None:
    shape = write(tmp_path)
    wanted = wanted_by(shape, {})
    assert list(wanted.lines()) == ["numpy>=1.26", "tabulate"]
    assert (wanted.python, wanted.is_locked) == (">=3.9", False)
    assert wanted_by(shape, {"bin/fit": "another"}).key != wanted.key
    assert list(wanted_by(Shape(requirements=("tabulate",)), {}).lines()) == ["tabulate"]


def test_what_is_locked_stays_in_its_versions_beside_what_was_named(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text(f"numpy==2.0 --hash=sha256:{'0' * 64}\n")
    named = wanted_by(write(tmp_path), {})
    assert list(named.lines()) == ["numpy==2.0", "tabulate"]
    alone = wanted_by(Shape(editable=str(tmp_path)), {})
    assert alone.is_locked
    assert "--hash" in next(iter(alone.lines()))


def test_dependencies_that_only_poetry_knows_are_not_left_out_silently(tmp_path: Path) -> None:
    shape = write(tmp_path, '[tool.poetry]\nname = "x"\n')
    with pytest.raises(ConfigError, match="leaves its dependencies to poetry"):
        wanted_by(shape, {})
