"""Goes the way of a newcomer through pages of the built site, by what can be read there, and by nothing else.

    python -m tests.helpers.walk --site SITE --folder FOLDER --bin VENV/bin --name NAME PAGE...

Of each page all blocks are taken, in their order. A block of ``bash`` is typed into one shell, whose home is FOLDER/home and whose
programs are those of VENV/bin and of the system. A block of Python or TOML is saved under the name that the words before it tell.
Each line of a block of ``text`` must be in what was typed before it has printed, in this order, save for what varies. The first
block that does not end well, or prints something else, ends the walk with a line that names it. `docs/walk.sh` prepares all that.

One word of the pages is replaced, which is for the reader to choose: the name ``my-project`` of the test cluster, by NAME.
"""

from __future__ import annotations

import argparse
import os
import re
import select
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from html.parser import HTMLParser
from pathlib import Path
from typing import NamedTuple

from tests.helpers.pages import normalised

CHOSEN = "my-project"
PATIENCE = 400.0  # seconds for one block: it may build the image of the cluster
# What a shell needs that reaches pip's indexes and Docker's engine as this one does.
PASSED_ON = re.compile(
    r"(PIP|DOCKER|SSL)_\w+|(https?|no|all)_proxy|LANG|TMPDIR|DEBIAN_RELEASE", re.I
)
SAVED = re.compile(r"[\w.-]+\.(py|toml)")
DRAWN = re.compile(r"--html (\S+)")


class Differs(Exception):
    """What is on a page is not so."""


class Block(NamedTuple):
    """A block of a page, below which heading it stands, and the names of files in the words that lead to it."""

    heading: str
    language: str
    text: str
    files: tuple[str, ...]


class Page(HTMLParser):
    """What is to be read on a page of the site."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.blocks: list[Block] = []
        self._heading = ""
        self._files: list[str] = []
        self._inside: list[str] = []  # names of open elements
        self._language = ""
        self._text = ""
        self.feed(path.read_text("utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        classes = (dict(attrs).get("class") or "").split()
        if tag == "div" and "highlight" in classes:
            [self._language] = [one[9:] for one in classes if one.startswith("language-")]
        if tag in {"h1", "h2", "h3", "code"}:
            self._inside.append(tag)
            self._text = ""

    def handle_data(self, data: str) -> None:
        self._text += data if self._inside else ""

    def handle_endtag(self, tag: str) -> None:
        if self._inside[-1:] != [tag]:
            return
        self._inside.pop()
        if tag != "code":
            self._heading = self._text.rstrip("¶")
        elif self._language:
            self.blocks.append(Block(self._heading, self._language, self._text, tuple(self._files)))
            self._files, self._language = [], ""
        elif SAVED.fullmatch(self._text):
            self._files.append(self._text)


class Shell:
    """A shell into which blocks are typed, one after the other: what one of them sets, the next one has."""

    def __init__(self, project: Path, environment: Mapping[str, str]) -> None:
        self._log = project.parent / "printed"
        self._typed = project.parent / "typed"
        # What is typed prints into a file: a pipe would be held open by the scheduler and the connection that it leaves.
        self._bash = subprocess.Popen(
            ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail"],
            cwd=project,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def type(self, text: str) -> tuple[str, str]:
        """What it prints, and why that is its end, or nothing if it ended well."""
        assert self._bash.stdin
        assert self._bash.stdout
        self._typed.write_text(text)
        self._bash.stdin.write('. ../typed </dev/null >../printed 2>&1; echo "done"\n')
        self._bash.stdin.flush()
        wrong = ""
        if not select.select([self._bash.stdout], [], [], PATIENCE)[0]:
            wrong = f"it goes on after {PATIENCE:.0f} s"
            self.close()
        elif self._bash.stdout.readline() != "done\n":
            wrong = f"exit status {self._bash.wait()}"
        return self._log.read_text("utf-8", "replace"), wrong

    def close(self) -> None:
        """End it, and what runs in it."""
        if self._bash.poll() is None:
            os.killpg(self._bash.pid, signal.SIGKILL)
        self._bash.communicate()


def walk(site: Path, name: str, project: Path, shell: Shell, chosen: str) -> None:
    """Do what a page says. Raises `Differs`."""
    printed = None
    for block in Page(site / name).blocks:
        text = block.text.replace(CHOSEN, chosen)
        first = text.splitlines()[0]
        try:
            if block.language == "bash":
                printed = typed(text, project, shell)
            elif block.language == "text" and printed is not None:
                compare(text, printed)
            elif block.files:
                (project / block.files[-1]).write_text(text)
            else:
                raise Differs("no words tell what to do with it")
        except Differs as error:
            raise Differs(f"{name}, “{block.heading}”, block `{first}`: {error}") from None


def typed(text: str, project: Path, shell: Shell) -> str:
    """What a block prints that ends well, and leaves the pages it is to draw."""
    print(*(f"$ {line}" for line in text.splitlines()), sep="\n", flush=True)
    printed, wrong = shell.type(text)
    print(printed, end="", flush=True)
    if wrong:
        last = printed.strip().splitlines()[-1:] or ["nothing"]
        raise Differs(f"{wrong}, and the last it printed is: {last[0]}")
    for file in DRAWN.findall(text):
        if not (path := project / file).is_file() or "</svg>" not in path.read_text("utf-8"):
            raise Differs(f"there is no page with a drawing in {file}")
    return printed


def compare(shown: str, printed: str) -> None:
    """Raise `Differs` for the first line of the page that was not printed behind those before it."""
    lines: Iterator[str] = map(normalised, printed.splitlines())
    for line in shown.splitlines():
        pattern = re.escape(normalised(line)).replace(re.escape("..."), ".*")
        if not any(re.fullmatch(pattern, one) for one in lines):
            raise Differs(f"it is not in what was printed: {line}")


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    for option in ("site", "folder", "bin"):
        parser.add_argument(f"--{option}", type=Path, required=True)
    parser.add_argument("--name", required=True)
    parser.add_argument("pages", nargs="+")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    for folder in ("home", "project"):
        (options.folder / folder).mkdir()
    environment = {key: value for key, value in os.environ.items() if PASSED_ON.fullmatch(key)}
    environment["HOME"] = str(options.folder / "home")
    environment["PATH"] = f"{options.bin}:{os.environ['PATH']}"
    project = options.folder / "project"
    shell = Shell(project, environment)
    try:
        for name in options.pages:
            print(f"\n== {name}", flush=True)
            walk(options.site, name, project, shell, options.name)
    except Differs as error:
        print(f"walk: {error}", file=sys.stderr)
        return 1
    finally:
        shell.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
