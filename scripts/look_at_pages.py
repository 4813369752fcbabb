"""Say what is cut or wider than the window on the pages of a site, at the width of a desk and of a telephone.

    python scripts/look_at_pages.py SITE [PNG_FOLDER]

It needs Chromium. Each page is laid out in a frame of 1280 and of 390 pixels. A line is printed, and the exit status is 1,
for a page that is wider than its frame, for what sticks out of it, for text of which a part is hidden, and for a block of
code that has to be scrolled at 1280. With a folder, each page is photographed at both widths.
"""

from __future__ import annotations

import functools
import html
import http.server
import json
import re
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

WIDTHS = (1280, 390)
CHROMIUM = (
    "chromium --headless --no-sandbox --disable-gpu --no-first-run --disable-background-networking"
    " --hide-scrollbars"
)
LOOK = """<!DOCTYPE html><meta charset="utf-8"><body><pre id="found">not done</pre><script>
const pages = PAGES, widths = WIDTHS, found = [];
const name = one => one.tagName.toLowerCase() + (typeof one.className === "string" && one.className ? "." + one.className.trim().split(/\\s+/)[0] : "")
  + ": " + (one.textContent || "").trim().slice(0, 60).replace(/\\s+/g, " ");
function scrolled(one) {
  for (let up = one; up; up = up.parentElement)
    if (/auto|scroll/.test(getComputedStyle(up).overflowX) && up.scrollWidth > up.clientWidth) return true;
  return false;
}
function look(page, width, inside) {
  const root = inside.documentElement;
  if (root.scrollWidth > root.clientWidth) found.push([page, width, "wider than the window: " + root.scrollWidth]);
  const content = inside.querySelector(".md-content") || inside.body;
  for (const one of content.querySelectorAll("*")) {
    const box = one.getBoundingClientRect(), style = getComputedStyle(one);
    if (!box.width || !box.height || one.closest("svg") !== null && one.tagName !== "svg") continue;
    if (box.right > width + 1 && !scrolled(one.parentElement)) found.push([page, width, "sticks out: " + name(one)]);
    const hidden = style.overflowX === "hidden" || style.overflowX === "clip";
    if (hidden && style.clipPath === "none" && one.scrollWidth > one.clientWidth + 1 && !one.matches(".headerlink, .said"))
      found.push([page, width, "cut: " + name(one)]);
    if (one.matches("pre > code, pre") && width > 1000 && one.scrollWidth > one.clientWidth + 1)
      found.push([page, width, "has to be scrolled (" + one.scrollWidth + " in " + one.clientWidth + "): " + name(one)]);
  }
}
(async () => {
  for (const page of pages) for (const width of widths) {
    const frame = document.createElement("iframe");
    frame.style.cssText = `width:${width}px;height:900px;border:0`;
    await new Promise(done => { frame.onload = done; frame.src = page; document.body.append(frame); });
    await new Promise(done => setTimeout(done, 50));
    look(page, width, frame.contentDocument);
    frame.remove();
  }
  document.getElementById("found").textContent = JSON.stringify(found);
})();
</script>"""

FRAME = "<body style='margin:0'><iframe style='border:0' width={} height=2400 src='/{}'></iframe>"


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves the site, and the page that looks at it."""

    looking = ""

    def do_GET(self) -> None:
        """Answer with the page that looks at all, with a page in a frame (`/-frame/WIDTH/PAGE`), or with a file."""
        _, kind, *rest = self.path.split("/", 3)
        if kind not in ("-look", "-frame"):
            super().do_GET()
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write((self.looking if kind == "-look" else FRAME.format(*rest)).encode())

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def chromium(profile: Path, *arguments: str) -> str:
    """What Chromium prints."""
    command = [*CHROMIUM.split(), f"--user-data-dir={profile}", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def main(site: str, pictures: str = "") -> int:
    """Look at all pages of a site."""
    pages = sorted(str(path.relative_to(site)) for path in Path(site).rglob("*.html"))
    looking = LOOK.replace("PAGES", json.dumps(pages)).replace("WIDTHS", json.dumps(WIDTHS))
    Quiet.looking = looking
    handler = functools.partial(Quiet, directory=site)
    with (
        tempfile.TemporaryDirectory() as profile,
        http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server,
    ):
        threading.Thread(target=server.serve_forever, daemon=True).start()
        root = f"http://127.0.0.1:{server.server_port}/"
        budget = f"--virtual-time-budget={len(pages) * len(WIDTHS) * 2000}"
        dom = chromium(
            Path(profile), "--window-size=1400,1000", budget, "--dump-dom", root + "-look"
        )
        written = re.search(r'<pre id="found">(.*?)</pre>', dom, re.DOTALL)
        found = json.loads(html.unescape(written[1])) if written else []
        for page, width, what in found:
            print(f"{page} at {width}: {what}")
        for page in pages if pictures else []:
            for width in WIDTHS:
                picture = Path(pictures, f"{page.replace('/', '_')}-{width}.png")
                # A window of Chromium is at least 500 pixels wide: the narrow page is in a frame.
                options = [f"--screenshot={picture}", f"--window-size={max(width, 500)},2400"]
                wait = "--virtual-time-budget=4000"
                chromium(Path(profile), *options, wait, f"{root}-frame/{width}/{page}")
        server.shutdown()
    print(f"{len(pages)} pages, {len(found)} findings")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
