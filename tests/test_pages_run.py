"""Pages whose programs and commands run on this machine, as a reader types them; what they show is what comes of it.

- A block after ``<!-- file: PATH -->`` is a file, a ``bash`` block after ``<!-- run: local -->`` what is typed beside it.
- One after ``<!-- run: walk -->`` is typed by `docs/walk.sh`, which takes all blocks of its pages as they are in the built site.
- A ``python`` block after ``<!-- program -->`` is run as a file of its own.
- One after ``<!-- within: NAME -->`` is a part of a program: ``tests/helpers/given/NAME.py`` has the rest of it.
- One after ``<!-- theirs: TOOL -->`` is for another tool, and parsed only.
- A command after ``<!-- not run: WHY -->`` cannot be run here.
- One after ``<!-- test -->`` is a test; those of a page are one file for pytest.

Programs find a ``Slurmfile.toml`` that names the local backend, unless the page has one.
"""

from __future__ import annotations

import ast
import re
import shlex
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.helpers.pages import Block, blocks, require_shown, run, script_of
from tests.helpers.site_pythons import this_python, write_program

from slurm.api.local import LocalBackend

ROOT = Path(__file__).parents[1]
GIVEN = ROOT / "tests/helpers/given"
GOES_ON = "# the page goes on here"
SLURMFILE = '[default.cluster]\nbackend = "local"\n'
# Pages with a test module of their own, which runs what is on them.
ELSEWHERE = {
    "how-to/build-a-wheel.md": "tests/test_packaging_pages.py",
    "how-to/clean-up.md": "tests/test_clean_up_page.py",
    "how-to/find-follow-and-cancel-jobs.md": "tests/slurm/test_jobs_page.py",
    "how-to/keep-a-record-of-runs.md": "tests/test_runs_page.py",
    "how-to/notebooks.md": "tests/test_notebook_page.py",
    "how-to/run-in-a-container.md": "tests/test_packaging_pages.py",
    "how-to/run-tests-in-ci.md": "tests/test_ci_page.py",
    "how-to/send-dependencies.md": "tests/test_packaging_pages.py",
    "how-to/send-your-code.md": "tests/test_packaging_pages.py",
    "how-to/set-up-a-cluster.md": "tests/slurm/test_set_up_page.py",
    "how-to/use-an-environment-of-the-site.md": "tests/test_site_environment_page.py",
    "how-to/use-the-test-cluster.md": "tests/test_cluster_page.py",
    "reference/command-line.md": "tests/test_documentation.py",
    "reference/mistakes.md": "tests/helpers/mistakes.py",
    "tutorials/parallel-train-eval-workflow.md": "tests/test_documentation.py",
}
PAGES = {
    str(path.relative_to(ROOT / "docs")): path for path in sorted((ROOT / "docs").rglob("*.md"))
}
OURS = [name for name in PAGES if name not in ELSEWHERE]
LOCAL = [
    name for name in OURS if any(one.mark.startswith("run: local") for one in blocks(PAGES[name]))
]
SINGLE = [
    pytest.param(name, number, id=f"{name}-{number}")
    for name in OURS
    for number, one in enumerate(blocks(PAGES[name]))
    if one.mark == "program" or one.mark.startswith("within: ")
]
WITH_TESTS = [name for name in OURS if any(one.mark == "test" for one in blocks(PAGES[name]))]
KINDS = re.compile(r"(file|theirs|from|signatures|within|mistakes?|run): .+|program|test")
TYPED = re.compile(r"(run|file|theirs|not run): .")


@pytest.fixture
def project(tmp_path: Path, lend_sdk: Callable[[Path], None]) -> Iterator[Path]:
    """A folder to type in, with a home of its own beside it; `python` and `slurm` are on the PATH."""
    folder = tmp_path.resolve() / "project"
    folder.mkdir()
    (folder / "Slurmfile.toml").write_text(SLURMFILE)
    lend_sdk(folder.parent / "home/slurm_jobs")
    python = this_python(folder.parent / "bin/python")
    write_program(python.with_name("slurm"), f'exec {shlex.quote(str(python))} -m slurm.cli "$@"')
    write_program(
        python.with_name("pytest"),
        f'exec {shlex.quote(str(python))} -m pytest -p no:cacheprovider "$@"',
    )
    yield folder
    scheduler = LocalBackend(state_dir=str(folder.parent / "home/slurm_jobs/.local"))
    scheduler.shutdown(kill_jobs=True)


@pytest.mark.local
@pytest.mark.parametrize("name", LOCAL)
def test_what_is_typed_prints_what_the_page_shows(name: str, project: Path) -> None:
    marked = [one for one in blocks(PAGES[name]) if one.is_of("local")]
    search = f"export PATH={shlex.quote(str(project.parent / 'bin'))}:$PATH\n"
    written = run(["bash", "-c", search + script_of(marked)], project, 250)
    require_shown(marked, written.replace(str(project.parent / "home"), "/home/me"))


@pytest.mark.local
@pytest.mark.parametrize(("name", "number"), SINGLE)
def test_a_program_runs_as_a_file(name: str, number: int, project: Path) -> None:
    block = [*blocks(PAGES[name])][number]
    (project / "program.py").write_text(whole(block))
    written = run([str(project.parent / "bin/python"), "program.py"], project, 250)
    require_shown([block], f"<<<0>>>\n{written}")


def whole(block: Block) -> str:
    """The program that a block is, or is a part of."""
    _, _, given = block.mark.partition("within: ")
    if not given:
        return block.text
    rest = (GIVEN / f"{given}.py").read_text("utf-8")
    [indent] = re.findall(rf"^( *){re.escape(GOES_ON)}$", rest, re.MULTILINE)
    return rest.replace(indent + GOES_ON, textwrap.indent(block.text, indent))


@pytest.mark.local
@pytest.mark.parametrize("name", WITH_TESTS)
def test_the_tests_of_a_page_pass(name: str, project: Path) -> None:
    parts = [one.text for one in blocks(PAGES[name]) if one.mark == "test"]
    number = sum(len(re.findall(r"^(?:async )?def test_", part, re.MULTILINE)) for part in parts)
    (project / "test_page.py").write_text("\n\n".join(parts))
    command = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "test_page.py"]
    assert f"{number} passed" in run([str(project.parent / "bin/python"), *command], project, 250)


@pytest.mark.parametrize("name", OURS)
def test_each_block_of_python_is_run_in_some_way(name: str) -> None:
    """Or it is an excerpt, or a list of signatures, that is compared with the code."""
    python = [one for one in blocks(PAGES[name]) if one.language == "python"]
    assert [one.text for one in python if not KINDS.fullmatch(one.mark)] == []


@pytest.mark.parametrize("name", OURS)
def test_each_command_is_run_or_says_why_not(name: str) -> None:
    typed = [one for one in blocks(PAGES[name]) if one.language == "bash"]
    assert [one.text for one in typed if not TYPED.match(one.mark)] == []


@pytest.mark.parametrize("name", OURS)
def test_a_program_that_submits_has_its_main_guard(name: str) -> None:
    unguarded = [
        one.text for one in blocks(PAGES[name]) if is_program(one) and submits_at_once(one.text)
    ]
    assert unguarded == []


def is_program(block: Block) -> bool:
    """Whether a reader would save it as a file."""
    own = ("within: ", "mistake", "test", "theirs: ")
    return block.language == "python" and not block.mark.startswith(own)


def submits_at_once(source: str) -> bool:
    """Whether it enters a cluster where the module is imported, as a job does that needs a function of it."""
    entered = [ast.unparse(one) for one in ast.parse(source).body if isinstance(one, ast.With)]
    return any("luster" in one.partition(":\n")[0] for one in entered)


@pytest.mark.parametrize(("name", "module"), ELSEWHERE.items())
def test_a_page_that_is_run_elsewhere_is_named_there(name: str, module: str) -> None:
    if name in PAGES:
        assert Path(name).name in (ROOT / module).read_text("utf-8")
