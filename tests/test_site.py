"""The site, as `make docs` builds it: it needs no other host, and whoever looks for a name finds it there."""

from __future__ import annotations

import re
import subprocess
import sys
import types
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pytest
from filelock import FileLock
from tests.unit.test_docstrings import WITHOUT_EXAMPLE

import slurm
from slurm import callbacks, errors, packaging

pytestmark = pytest.mark.local
ROOT = Path(__file__).parents[1]
# What a browser fetches by itself: an `<a href>` waits for a click.
FETCHED = {"src", "srcset", "poster", "data", "background"}


class Page(HTMLParser):
    """What a page has a browser fetch, where its links lead, and the ids in it."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.links: list[tuple[str, str]] = []
        self.ids: set[str] = set()
        self.text = path.read_text("utf-8")
        self.feed(self.text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = {name: value or "" for name, value in attrs}
        self.ids |= {told["id"]} if "id" in told else set()
        self.fetched += [value for name, value in told.items() if name in FETCHED]
        if tag == "link":
            self.fetched.append(told["href"])
        elif tag == "a":
            self.links.append((told.get("class", ""), told.get("href", "")))


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built once."""
    folder = tmp_path_factory.getbasetemp() / "site"
    with FileLock(f"{folder}.lock"):
        if not folder.exists():
            command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "-d"]
            done = subprocess.run(
                [*command, str(folder)], cwd=ROOT, capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="session")
def pages(site: Path) -> dict[str, Page]:
    """Its pages, by their paths below it."""
    return {str(path.relative_to(site)): Page(path) for path in sorted(site.rglob("*.html"))}


def elsewhere(address: str) -> bool:
    return re.match(r"(\w+:)?//", address) is not None


def test_no_page_fetches_anything_from_another_host(pages: dict[str, Page]) -> None:
    found = {name: [one for one in page.fetched if elsewhere(one)] for name, page in pages.items()}
    assert {name: urls for name, urls in found.items() if urls} == {}


def test_no_stylesheet_fetches_anything_from_another_host(
    site: Path, pages: dict[str, Page]
) -> None:
    sheets = [path.read_text("utf-8") for path in site.rglob("*.css")]
    inside = [style for page in pages.values() for style in styles(page.text)]
    imported = re.compile(r"(?:url\(|@import)\s*[\"']?((?:https?:)?//[^\"')]+)")
    assert [url for sheet in [*sheets, *inside] for url in imported.findall(sheet)] == []


def styles(text: str) -> Iterator[str]:
    yield from re.findall(r"<style[^>]*>(.*?)</style>", text, re.DOTALL)
    yield from re.findall(r'\bstyle="([^"]*)"', text)


def test_the_themes_script_finds_nothing_for_which_it_asks_another_host(
    pages: dict[str, Page],
) -> None:
    """It fetches Mermaid for elements of that class, and stars of a repository that the page names."""
    asking = re.compile(r'class="mermaid"|data-md-component="source"')
    assert [name for name, page in pages.items() if asking.search(page.text)] == []


def test_links_within_the_site_lead_to_a_file_and_to_a_place_in_it(
    site: Path, pages: dict[str, Page]
) -> None:
    broken = []
    for name, page in pages.items():
        for _, target in page.links:
            path, _, anchor = unquote(target).partition("#")
            if elsewhere(target) or target.startswith(("mailto:", "/")) or not target:
                continue
            file = (site / name).parent / path if path else site / name
            inside = str(file.resolve().relative_to(site.resolve()))
            if not file.exists() or (anchor and inside in pages and not has(pages[inside], anchor)):
                broken.append((name, target))
    assert broken == []


def has(page: Page, anchor: str) -> bool:
    return anchor in page.ids or anchor.startswith("__")


def test_each_page_leads_to_its_source_and_to_its_neighbours(pages: dict[str, Page]) -> None:
    for name, page in pages.items():
        if name == "404.html":
            continue
        addresses = [target for _, target in page.links]
        assert any("/slurm-tasks/edit/main/" in target for target in addresses), name
        classes = " ".join(kind for kind, _ in page.links)
        assert "md-footer__link" in classes, name


def test_each_public_name_and_method_has_a_place_in_the_api(pages: dict[str, Page]) -> None:
    ids = {
        one for name, page in pages.items() if name.startswith("reference/api/") for one in page.ids
    }
    elsewhere = {"__version__", "task", "workflow", *callbacks.__all__}
    wanted = [f"slurm.{name}" for name in slurm.__all__ if name not in elsewhere]
    wanted += ["slurm.decorators.task", "slurm.decorators.workflow"]
    wanted += [f"slurm.callbacks.{name}" for name in callbacks.__all__]
    wanted += [f"slurm.packaging.{name}" for name in packaging.__all__ if name not in NO_OBJECTS]
    wanted += [f"slurm.errors.{name}" for name in vars(errors) if is_error(name)]
    for owner in (
        "Job",
        "ArrayJob",
        "Cluster",
        "SlurmTask",
        "JobContext",
        "WorkflowContext",
        "JobTree",
    ):
        wanted += [f"slurm.{owner}.{name}" for name in methods(getattr(slurm, owner), owner)]
    assert [name for name in wanted if name not in ids] == []


NO_OBJECTS = ("STRATEGIES", "PackagingConfig", "name_of_strategy", "environment_for")


def is_error(name: str) -> bool:
    one = getattr(errors, name)
    return isinstance(one, type) and issubclass(one, errors.SlurmError)


def methods(owner: type, name: str) -> list[str]:
    """Methods and properties; what is data stands in the signature of its class."""
    kinds = (types.FunctionType, classmethod, property)
    own = [one for one, what in vars(owner).items() if one[0] != "_" and isinstance(what, kinds)]
    return [one for one in own if f"{name}.{one}" not in WITHOUT_EXAMPLE]


def test_llms_txt_leads_to_the_text_of_every_page(site: Path, pages: dict[str, Page]) -> None:
    listed = re.findall(
        r"^- \[[^\]]+\]\(([^)]+)\): \S", (site / "llms.txt").read_text(), re.MULTILINE
    )
    assert {path.removesuffix(".md") + ".html" for path in listed} == set(pages) - {"404.html"}
    assert [path for path in listed if not (site / path).is_file()] == []


def test_the_changelog_is_a_page(pages: dict[str, Page]) -> None:
    assert "Unreleased" in pages["changelog.html"].text


def test_search_has_what_it_needs_where_pages_are_files(site: Path, pages: dict[str, Page]) -> None:
    assert (site / "search/search_index.js").is_file()
    assert all("assets/iframe-worker.js" in page.text for page in pages.values())
