"""The walk through the site: `docs/walk.sh` leads to the end, and stops where a page is not so."""

from __future__ import annotations

import html
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.helpers.installed_wheel import OF_THE_CHECKOUT
from tests.helpers.pages import blocks

ROOT = Path(__file__).parents[1]
PATIENCE = 800


@pytest.mark.slurm
def test_the_words_of_the_site_lead_from_nothing_to_a_job_that_is_run_again(
    pytestconfig: pytest.Config,
) -> None:
    environment = {key: text for key, text in os.environ.items() if key not in OF_THE_CHECKOUT}
    environment["PYTHON"] = sys.executable
    environment["DEBIAN_RELEASE"] = pytestconfig.getoption("--slurm-release")
    process = subprocess.Popen(
        [ROOT / "docs/walk.sh"],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        printed, _ = process.communicate(timeout=PATIENCE)
    except BaseException:  # also a timeout of pytest: the walk then takes down what it started
        os.killpg(process.pid, signal.SIGTERM)
        process.communicate()
        raise
    assert process.returncode == 0, printed


def test_it_goes_through_the_pages_that_say_so() -> None:
    script = (ROOT / "docs/walk.sh").read_text()
    [named] = re.findall(r"^pages=\((.*)\)$", script, re.MULTILINE)
    marked = {
        str(path.relative_to(ROOT / "docs").with_suffix(".html"))
        for path in (ROOT / "docs").rglob("*.md")
        if any(one.mark == "run: walk" for one in blocks(path))
    }
    assert marked
    assert marked <= set(named.split())


def walked(folder: Path, *blocks: tuple[str, str, str]) -> subprocess.CompletedProcess[str]:
    """How a walk ends through a page of words, languages and texts, below a heading."""
    (folder / "site").mkdir()
    (folder / "site/page.html").write_text(
        '<h2 id="begin">Begin<a class="headerlink" href="#begin">&para;</a></h2>'
        + "".join(
            f'<p>{words}</p><div class="language-{language} highlight"><pre><span></span>'
            f"<code>{html.escape(text)}</code></pre></div>"
            for words, language, text in blocks
        )
    )
    argv = [sys.executable, "-m", "tests.helpers.walk", "--name", "mine", "page.html"]
    for option in ("site", "folder", "bin"):
        argv += [f"--{option}", str(folder / option if option == "site" else folder)]
    return subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.local
def test_it_types_what_it_reads_into_one_shell(tmp_path: Path) -> None:
    done = walked(
        tmp_path,
        ("Save this as <code>a.py</code>, beside <code>~/jobs</code>:", "python", "print(1 < 2)\n"),
        ("", "bash", "echo my-project\nname=a.py\n"),
        ("", "text", "mine\n"),
        ("", "bash", f'{sys.executable} "$name" | sed "s/True/True in 3 s/"\n'),
        ("", "text", "True in ...\n"),
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "$ echo mine\n$ name=a.py\nmine\n" in done.stdout


@pytest.mark.local
@pytest.mark.parametrize(
    ("blocks", "difference"),
    [
        (
            [("", "bash", "echo two\necho one\n"), ("", "text", "one\ntwo\n")],
            "block `one`: it is not in what was printed: two",
        ),
        (
            [("", "bash", "echo why >&2\nfalse | true\n")],
            "block `echo why >&2`: exit status 1, and the last it printed is: why",
        ),
        ([("Save this:", "python", "a = 1\n")], "block `a = 1`: no words tell what to do with it"),
        (
            [("", "bash", "touch it.html\ntrue --html it.html\n")],
            "block `touch it.html`: there is no page with a drawing in it.html",
        ),
    ],
)
def test_it_stops_with_one_line_at_the_first_block_that_is_not_so(
    tmp_path: Path, blocks: list[tuple[str, str, str]], difference: str
) -> None:
    done = walked(tmp_path, *blocks, ("", "bash", "echo further\n"))
    assert done.returncode == 1
    assert done.stderr == f"walk: page.html, “Begin”, {difference}\n"
    assert "further" not in done.stdout
