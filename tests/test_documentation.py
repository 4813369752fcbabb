"""The documentation, held against the code: its commands run, its links lead somewhere, its reference is complete.

Which blocks of a page are run is told in `tests.helpers.pages`. A ``python`` block after ``<!-- from: FILE -->`` is an
excerpt of that file, one after ``<!-- signatures: OBJECT -->`` a list of signatures.
"""

from __future__ import annotations

import ast
import inspect
import pkgutil
import re
import secrets
import sys
import textwrap
from collections.abc import Callable, Iterator
from importlib.metadata import metadata
from pathlib import Path
from typing import Any

import click
import pytest
from tests.helpers.pages import blocks, normalised, require_shown, run, script_of

import slurm
from slurm import Cluster, cli, errors
from slurm.api.local import LocalBackend
from slurm.api.ssh import SSHCommandBackend
from slurm.cli.commands import root
from slurm.config import slurmfile
from slurm.config.named_classes import class_named
from slurm.examples import hello_world, map_reduce
from slurm.examples.parallel_train_eval import workflow
from slurm.packaging import STRATEGIES, PackagingStrategy
from slurm.testing import DockerCluster
from slurm.testing import __main__ as testing

ROOT = Path(__file__).parents[1]
EXAMPLE = ROOT / "src/slurm/examples/parallel_train_eval"
TUTORIAL = ROOT / "docs/tutorials/parallel-train-eval-workflow.md"
REFERENCE = ROOT / "docs/reference"
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), EXAMPLE / "README.md"])
EVERY_PAGE = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
HOME_SHOWN = "/home/me/slurm-tasks"


@pytest.fixture
def checkout(tmp_path: Path, lend_sdk: Callable[[Path], None]) -> Iterator[Path]:
    """A folder with what the documented commands need of a checkout, and a home of its own beside it."""
    folder = tmp_path.resolve() / "slurm-tasks"
    folder.mkdir()
    lend_sdk(folder.parent / "home/slurm_jobs")
    (folder / ".venv").symlink_to(sys.prefix)
    yield folder
    scheduler = LocalBackend(state_dir=str(folder.parent / "home/slurm_jobs/.local"))
    scheduler.shutdown(kill_jobs=True)


@pytest.mark.local
def test_the_program_in_the_readme_runs(checkout: Path) -> None:
    [program] = [block for block in blocks(ROOT / "README.md") if block.language == "python"]
    (checkout / "first.py").write_text(program.text)
    output = run([".venv/bin/python", "first.py"], checkout, 240)
    assert normalised(output) == normalised(program.shown)


def run_blocks(page: Path, tier: str, checkout: Path, prefix: str, timeout: float) -> None:
    """Run the page's blocks of `tier` in one shell, with `prefix` before the names of runs."""
    marked = [block for block in blocks(page) if block.is_of(tier)]
    assert marked, f"{page.name} has no commands for {tier}"
    script = checkout.parent / "commands.sh"
    script.write_text(re.sub(r"\brun-(?=\d)", f"run-{prefix}", script_of(marked)))
    written = run(["bash", str(script)], checkout, timeout)
    written = written.replace(str(checkout), HOME_SHOWN).replace(f"run-{prefix}", "run-")
    require_shown(marked, written)


@pytest.mark.story
def test_the_tutorials_local_commands_print_what_it_shows(checkout: Path) -> None:
    run_blocks(TUTORIAL, "local", checkout, "", 240)


@pytest.mark.slurm
def test_the_tutorials_cluster_commands_print_what_it_shows(
    checkout: Path, slurm_cluster: DockerCluster
) -> None:
    (folder := checkout / ".slurm-cluster/slurm-tasks").mkdir(parents=True)
    (folder / "Slurmfile.toml").write_text(slurm_cluster.slurmfile.read_text())
    host = re.compile("^Host .*", re.MULTILINE)
    ssh_config = host.sub("Host slurm-tasks", slurm_cluster.ssh_config.read_text(), count=1)
    (folder / "ssh_config").write_text(ssh_config)
    run_blocks(TUTORIAL, "cluster", checkout, secrets.token_hex(4) + "-", 550)


@EVERY_PAGE
def test_links_lead_somewhere(page: Path) -> None:
    prose = re.sub(r"^```.*?^```$", "", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    for target in re.findall(r"(?:\]\(|^\[[^\]]+\]: )(?!https://)([^)\s]+)", prose, re.MULTILINE):
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), f"{page.name} links to {path}"
        assert not anchor or anchor in anchors(file), f"{page.name} links to {target}"


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading).lower().replace(" ", "-") for heading in headings}


@EVERY_PAGE
def test_named_files_and_make_targets_exist(page: Path) -> None:
    text = page.read_text("utf-8")
    for name in re.findall(r"`((?:src|docs|tests|docker|scripts|\.ci)/[\w./-]*)`", text):
        assert (ROOT / name).exists(), f"{page.name} names {name}"
    makefile = (ROOT / "Makefile").read_text()
    commands = "".join(block.text for block in blocks(page) if block.language == "bash")
    typed = re.findall(r"^make ([a-z-]+)", commands, re.MULTILINE)
    for target in [*typed, *re.findall(r"`make ([a-z-]+)", text)]:
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), f"{page.name}: make {target}"


@EVERY_PAGE
def test_code_is_python_and_excerpts_are_from_their_files(page: Path) -> None:
    for block in blocks(page):
        kind, _, where = block.mark.partition(": ")
        if kind == "from":
            source = iter((ROOT / where).read_text("utf-8").splitlines())  # so the order counts
            wanted = [line for line in block.text.splitlines() if line.strip() not in ("", "...")]
            assert [line for line in wanted if line not in source] == [], where
        elif block.language == "python":
            ast.parse(block.text)


@EVERY_PAGE
def test_slurmfiles_are_accepted(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(ROOT / "tests/scratch_packaging")
    for block in blocks(page):
        if block.language == "toml" and not block.text.startswith(
            ("[project", "[build-system", "[tool.")
        ):
            path = tmp_path / "Slurmfile.toml"
            path.write_text(block.text)
            for environment in re.findall(r"^\[(\w+)", block.text, re.MULTILINE):
                Cluster.from_env(path, env=environment).close()


def test_every_key_of_a_slurmfile_is_documented() -> None:
    page = (REFERENCE / "configuration.md").read_text("utf-8")
    ssh, local = (inspect.signature(one).parameters for one in (SSHCommandBackend, LocalBackend))
    assert [key for key in (*slurmfile.CLUSTER_KEYS, *ssh, *local) if f"`{key}`" not in page] == []


def test_every_key_of_a_packaging_is_documented() -> None:
    page = (REFERENCE / "configuration.md").read_text()
    for name, path in STRATEGIES.items():
        strategy = class_named(path, PackagingStrategy, "packaging")
        wanted = (name, *inspect.signature(strategy).parameters)
        assert [key for key in wanted if f"`{key}`" not in page] == []


def test_the_api_page_has_the_signatures_of_the_code() -> None:
    page = REFERENCE / "api.md"
    for block in blocks(page):
        kind, _, where = block.mark.partition(": slurm")
        if kind == "signatures":
            owner: Any = pkgutil.resolve_name(f"slurm{where}")
            for node in ast.parse(block.text).body:
                assert isinstance(node, ast.FunctionDef)
                assert ast.unparse(node.args) == parameters_of(getattr(owner, node.name)), node.name
    missing = [name for name in slurm.__all__ if name not in page.read_text("utf-8")]
    assert missing == ["__version__"]


def parameters_of(function: Any) -> str:
    """A function's parameters as source, without annotations, with ``...`` for defaults that are no literals."""
    kept = []
    for parameter in inspect.signature(function).parameters.values():
        plain = isinstance(parameter.default, (str, int, float, tuple, type(None), type))
        default = parameter.default if plain else ...
        if parameter.name != "self":
            kept.append(parameter.replace(annotation=parameter.empty, default=default))
    text = str(inspect.Signature(kept)).replace("Ellipsis", "...")
    return ast.unparse(ast.parse(f"lambda {text[1:-1]}: 0").body[0].value.args)  # type: ignore[attr-defined]


def test_the_errors_page_has_the_tree_of_the_code() -> None:
    [drawn] = [block.text for block in blocks(REFERENCE / "errors.md") if block.language == "text"]
    assert textwrap.indent(drawn, "    ") in (errors.__doc__ or "").replace("``", "`")


def commands_below(group: click.Group) -> Iterator[list[str]]:
    """The words of each command of a group, and of those below it."""
    with click.Context(group) as ctx:
        for name in group.list_commands(ctx):
            yield [name]
            command = group.get_command(ctx, name)
            if isinstance(command, click.Group):
                yield from ([name, *words] for words in commands_below(command))


def test_the_command_line_page_has_the_options_of_the_programs(
    capsys: pytest.CaptureFixture[str],
) -> None:
    page = (REFERENCE / "command-line.md").read_text("utf-8")
    said = "".join(one.arguments().format_help() for one in (workflow, hello_world, map_reduce))
    for command in (["up", "--help"], ["logs", "--help"]):
        with pytest.raises(SystemExit):
            testing.main(command)
    for command in ([], *commands_below(root())):
        assert cli.main([*command, "--help"]) == 0
    said += capsys.readouterr().out
    assert set(re.findall(r"`(--[a-z-]+)`", page)) == set(re.findall(r"(?<=[\s[])--[a-z-]+", said))


def test_the_examples_readme_names_all_its_files() -> None:
    text = (EXAMPLE / "README.md").read_text("utf-8")
    assert [path.name for path in EXAMPLE.glob("[!_]*.py") if f"`{path.name}`" not in text] == []


ROOMS = sorted(
    init.parent
    for init in ROOT.glob("src/slurm/*/**/__init__.py")
    if "examples" not in init.parts  # programs of users, which have a README
)


@pytest.mark.parametrize("room", ROOMS, ids=lambda room: str(room.relative_to(ROOT / "src/slurm")))
def test_a_rooms_docstring_names_all_its_modules(room: Path) -> None:
    """Where to look is found there first: a module that it does not name is found by chance."""
    said = ast.get_docstring(ast.parse((room / "__init__.py").read_text())) or ""
    modules = {path.stem for path in room.glob("*.py") if not path.stem.startswith("__")}
    modules |= {path.parent.name for path in room.glob("*/__init__.py")}
    assert modules <= set(re.findall(r"\w+", said))


def test_the_metadata_of_the_distribution_has_links_that_lead_somewhere_from_anywhere() -> None:
    about = metadata("slurm-tasks")
    urls = dict(line.split(", ") for line in about.get_all("Project-URL", []))
    assert set(urls) == {"Documentation", "Source", "Issues", "Changelog"}
    place = urls["Source"] + "/blob/main/"
    links = re.findall(r"\]\(([^)]+)\)", about["Description"] or "")
    ours = [link.removeprefix(place) for link in links if link.startswith(urls["Source"])]
    assert ours
    assert [path for path in ours if not (ROOT / path.partition("#")[0]).exists()] == []
    assert [link for link in links if not link.startswith(("https://", "#"))] == []
    for page in (urls["Documentation"], urls["Changelog"]):
        assert (ROOT / page.removeprefix(place)).is_file()
