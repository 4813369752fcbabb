"""The page on cleaning up: what it has typed prints what it shows."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.helpers.pages import blocks, require_shown, run, script_of
from tests.helpers.site_pythons import this_python, write_program

from slurm.api.local import LocalBackend

pytestmark = pytest.mark.local
PAGE = Path(__file__).parents[1] / "docs/how-to/clean-up.md"
HOME_SHOWN = "/home/me"


@pytest.fixture
def project(tmp_path: Path, lend_sdk: Callable[[Path], None]) -> Iterator[Path]:
    """A folder to type the commands in, with a home of its own beside it."""
    folder = tmp_path.resolve() / "project"
    folder.mkdir()
    lend_sdk(folder.parent / "home/slurm_jobs")
    python = this_python(folder.parent / "bin/python")
    write_program(python.with_name("slurm"), f'exec {shlex.quote(str(python))} -m slurm.cli "$@"')
    yield folder
    scheduler = LocalBackend(state_dir=str(folder.parent / "home/slurm_jobs/.local"))
    scheduler.shutdown(kill_jobs=True)


def test_what_is_typed_on_the_page_prints_what_it_shows(project: Path) -> None:
    marked = [block for block in blocks(PAGE) if block.is_of("local")]
    search = f"export PATH={shlex.quote(str(project.parent / 'bin'))}:$PATH\n"
    written = run(["bash", "-c", search + script_of(marked)], project, 200)
    require_shown(marked, written.replace(str(project.parent / "home"), HOME_SHOWN))
