"""Draw the Mermaid diagrams of the documentation as SVG files in `docs/diagrams`, with npm's mermaid and Chromium.

    python scripts/draw_diagrams.py

Only who changes a diagram needs it: a diagram has the name of its text, and `make docs` fails where one was not drawn.
The site then carries pictures, and loads neither Mermaid nor anything else from another host.
"""

from __future__ import annotations

import html
import re
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from site_hooks import DIAGRAMS, MERMAID, ROOT, drawn_as

VERSION = "11.17.2"
PAGE = """<!DOCTYPE html><meta charset="utf-8"><body><pre class="mermaid">{source}</pre>
<script src="package/dist/mermaid.min.js"></script>
<script>mermaid.initialize({{startOnLoad: true, theme: "neutral", htmlLabels: false, deterministicIds: true,
  fontFamily: "Arial, Helvetica, sans-serif", flowchart: {{htmlLabels: false}}}});</script>
"""
CHROMIUM = (
    "chromium --headless --no-sandbox --disable-gpu --no-first-run --disable-background-networking"
)


def draw(source: str, folder: Path) -> str:
    """The SVG of a diagram."""
    page = folder / "page.html"
    page.write_text(PAGE.format(source=html.escape(source)), "utf-8")
    command = [
        *CHROMIUM.split(),
        f"--user-data-dir={folder / 'profile'}",
        "--virtual-time-budget=20000",
    ]
    done = subprocess.run(
        [*command, "--dump-dom", page.as_uri()], capture_output=True, text=True, check=True
    )
    found = re.search(r'<pre class="mermaid"[^>]*>(<svg.*?</svg>)', done.stdout, re.DOTALL)
    if not found or 'aria-roledescription="error"' in found[1]:
        raise SystemExit(f"Mermaid does not draw this:\n{source}")
    # Several stand in one page, and Mermaid gives each the same id.
    [name] = re.findall(r'^<svg id="([^"]+)"', found[1])
    return found[1].replace(name, f"d{drawn_as(source).stem}") + "\n"


def main() -> None:
    """Draw what has no drawing, remove drawings of which the text is gone."""
    pages = [path.read_text("utf-8") for path in sorted(ROOT.glob("docs/**/*.md"))]
    sources = {drawn_as(source): source for page in pages for source in MERMAID.findall(page)}
    DIAGRAMS.mkdir(exist_ok=True)
    for old in set(DIAGRAMS.glob("*.svg")) - set(sources):
        old.unlink()
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        pack = ["npm", "pack", "--silent", f"mermaid@{VERSION}"]
        packed = subprocess.run(pack, cwd=folder, capture_output=True, text=True, check=True)
        with tarfile.open(folder / packed.stdout.strip()) as archive:
            archive.extract("package/dist/mermaid.min.js", folder, filter="data")
        for path in sorted(set(sources) - set(DIAGRAMS.glob("*.svg"))):
            path.write_text(draw(sources[path], folder), "utf-8")
            print(path.relative_to(ROOT), file=sys.stderr)


if __name__ == "__main__":
    main()
