"""The page on environments of the site: its program runs, and its settings are such."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.helpers.pages import blocks, require_shown, run, script_of
from tests.helpers.site_pythons import this_python

from slurm.api.local import LocalBackend
from slurm.config.slurmfile import cluster_settings
from slurm.packaging import strategy_of

PAGE = Path(__file__).parents[1] / "docs/how-to/use-an-environment-of-the-site.md"
SETTINGS = [block for block in blocks(PAGE) if block.language == "toml"]


@pytest.fixture
def project(tmp_path: Path, lend_sdk: Callable[[Path], None]) -> Iterator[Path]:
    """A folder to type the commands in, with a home of its own beside it."""
    folder = tmp_path.resolve() / "project"
    folder.mkdir()
    lend_sdk(folder.parent / "home/slurm_jobs")
    this_python(folder.parent / "bin/python")
    yield folder
    scheduler = LocalBackend(state_dir=str(folder.parent / "home/slurm_jobs/.local"))
    scheduler.shutdown(kill_jobs=True)


@pytest.mark.local
def test_its_program_says_what_the_page_shows(project: Path) -> None:
    marked = [block for block in blocks(PAGE) if block.is_of("local")]
    search = f"export PATH={shlex.quote(str(project.parent / 'bin'))}:$PATH\n"
    require_shown(marked, run(["bash", "-c", search + script_of(marked)], project, 200))


@pytest.mark.parametrize("number", range(len(SETTINGS)))
def test_its_settings_make_a_packaging(number: int, tmp_path: Path) -> None:
    (tmp_path / "Slurmfile.toml").write_text(SETTINGS[number].text)
    arguments = cluster_settings(tmp_path / "Slurmfile.toml").arguments
    made = strategy_of(arguments["packaging"]).inherited()
    assert made["setup"] or made["conda"] or made["uv"]
