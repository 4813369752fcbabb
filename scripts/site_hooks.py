"""What mkdocs does besides for the site: diagrams stand in the pages, the changelog is one, `llms.txt` lists them all.

Nothing here asks another host. `scripts/draw_diagrams.py` draws a diagram that was changed.
"""

from __future__ import annotations

import hashlib
import posixpath
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.nav import Navigation
    from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]
DIAGRAMS = ROOT / "docs/diagrams"
MERMAID = re.compile(r"^```mermaid\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?!https?:|#|mailto:)([^)\s]+)\)")
OUTPUT = re.compile(r'<div class="language-(text|pytb|pycon) highlight">(.*?)</div>', re.DOTALL)
DRAWN = re.compile(r"[─-▟]|\+--| {6}")
SOURCE = "https://github.com/slurm-tasks/slurm-tasks"
# Files beside docs/ that are pages of the site, and schemas that come along: name in the site -> file.
BESIDE = {"changelog.md": "CHANGELOG.md"}
SCHEMAS = {
    f"schemas/{path.name}": str(path.relative_to(ROOT))
    for path in sorted(ROOT.glob("src/slurm/runs/*.schema.json"))
}
IN_THE_SITE = {path: name for name, path in (BESIDE | SCHEMAS).items()}


def drawn_as(source: str) -> Path:
    """The file with the drawing of a Mermaid text; another text is another file."""
    return DIAGRAMS / f"{hashlib.sha256(source.encode()).hexdigest()[:16]}.svg"


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that stand beside `docs/`."""
    for name, path in BESIDE.items():
        text = LINK.sub(lambda link: f"]({_from_docs(link[1])})", (ROOT / path).read_text("utf-8"))
        files.append(File.generated(config, name, content=text))
    for name, path in SCHEMAS.items():
        files.append(File.generated(config, name, abs_src_path=str(ROOT / path)))
    return files


def _from_docs(target: str) -> str:
    """A link of a file at the root, as one of a page in `docs/`."""
    return target[5:] if target.startswith("docs/") else f"{SOURCE}/blob/main/{target}"


def on_pre_page(page: Page, config: MkDocsConfig, files: Files) -> Page:
    """Lead to the source of a page that stands beside `docs/`."""
    if page.file.src_uri in BESIDE:
        page.edit_url = f"{SOURCE}/edit/main/{BESIDE[page.file.src_uri]}"
    return page


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Put the drawing of each diagram in its place; what leads out of `docs/` leads to the repository."""
    place = posixpath.dirname(page.file.src_uri)

    def outward(link: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join("docs", place, link[1]))
        if target in IN_THE_SITE:
            return f"]({posixpath.relpath(IN_THE_SITE[target], place or '.')})"
        inside = target.startswith("docs/") or page.file.src_uri in BESIDE
        return link[0] if inside else f"]({SOURCE}/blob/main/{target})"

    return MERMAID.sub(_drawing, LINK.sub(outward, markdown))


def _drawing(found: re.Match[str]) -> str:
    path = drawn_as(found[1])
    if not path.exists():
        raise PluginError(f"a diagram has no drawing: run scripts/draw_diagrams.py\n{found[1]}")
    return f'<figure class="diagram">{path.read_text("utf-8")}</figure>'


def on_page_content(html: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Let lines of output go on in the next line where they are long; drawings keep theirs, in smaller letters."""
    return OUTPUT.sub(
        lambda block: block[0].replace("highlight", f"highlight {_looks(block[2])}", 1), html
    )


def _looks(text: str) -> str:
    return "drawing" if DRAWN.search(text) else "message"


def on_nav(nav: Navigation, config: MkDocsConfig, files: Files) -> Navigation:
    """Keep the order of the pages for `llms.txt`."""
    config.extra["in_order"] = nav.pages
    return nav


def on_post_build(config: MkDocsConfig) -> None:
    """Write `llms.txt`, and beside each page its Markdown, to which that leads."""
    site = Path(config.site_dir)
    pages: list[Page] = config.extra["in_order"]
    for page in pages:
        (site / page.file.src_uri).write_text(page.file.content_string, "utf-8")
    (site / "llms.txt").write_text("".join(_listed(pages, config)), "utf-8")


def _listed(pages: list[Page], config: MkDocsConfig) -> Iterator[str]:
    yield f"# {config.site_name}\n\n> {config.site_description}\n"
    section = None
    for page in pages:
        *_, above = ["Start", *(one.title for one in page.ancestors)]
        if above != section:
            section = above
            yield f"\n## {section}\n\n"
        yield f"- [{page.title}]({page.file.src_uri}): {_first_words(page.file.content_string)}\n"


def _first_words(markdown: str) -> str:
    """The first sentence of a page's prose."""
    for block in markdown.split("\n\n"):
        if not block.startswith(("#", "<", "```", "|", "-", "!", ":::")):
            text = LINK.sub("]", " ".join(block.split())).replace("[", "").replace("]", "")
            return re.split(r"(?<=\.) ", text)[0]
    return ""
