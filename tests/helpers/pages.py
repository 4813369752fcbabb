"""Pages of the documentation: their blocks, and how those that are marked are run as a user would type them.

A ``bash`` block after ``<!-- run: TIER -->`` is executed, one after ``<!-- run: TIER, status 3 -->`` or ``... 0 or 3`` ends
with that exit status; a block after ``<!-- file: PATH -->`` is a file that it needs. Of a ``text`` block that follows,
every line must be in the output, save for times, job numbers and what ``...`` stands for.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

BLOCK = re.compile(
    r"(?:<!-- (?P<mark>[^\n]+) -->\n)?^```(?P<language>\w+)\n(?P<text>.*?)^```$"
    r"(?:\n\n```text\n(?P<shown>.*?)^```$)?",
    re.MULTILINE | re.DOTALL,
)
VARYING = (
    (r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}", "TIME"),
    (r"\b\d{4}-\d\d-\d\d(T[\d:.]+Z)?", "DATE"),
    (r"\b\d{8}T\d{6}Z(-\d+)?", "RUN_ID"),
    (r"\b\d\d:\d\d:\d\d$", "AGE"),
    (r"\b[0-9a-f]{16}\b", "RUN"),
    (r"^ *\d+ +", "N "),
    (r"\bjob \d+", "job N"),
    (r"<Job \d+", "<Job N"),
    (r"\bjob_id=\d+", "job_id=N"),
    (r"\bslurm_\d+\.", "slurm_N."),
    (r"'job_id': '\d+'", "'job_id': N"),
    (r"port = \d+", "port = N"),
    (r"\d+\.\d{3} \(\d+\.\d{3}\)", "TIMES"),
    (r"\b\d+\.\d s\b", "N s"),
    (r"-{3,}", "---"),
    (r" +", " "),
    (r"^(RUN_ID \S+) \d+ ", r"\1 N "),
)


class Block(NamedTuple):
    """A fenced block, the comment before it, and the ``text`` block that shows its output."""

    mark: str
    language: str
    text: str
    shown: str

    @property
    def statuses(self) -> list[str]:
        """The exit statuses of which it ends with one."""
        _, _, named = self.mark.partition(", status ")
        return named.split(" or ") if named else ["0"]

    def is_of(self, tier: str) -> bool:
        """Whether it is run there, or is a file that is needed."""
        return self.mark.startswith("file: ") or self.mark.partition(",")[0] == f"run: {tier}"


def blocks(page: Path) -> Iterator[Block]:
    """The blocks of a page, in order."""
    for match in BLOCK.finditer(page.read_text("utf-8")):
        yield Block(*(match[name] or "" for name in Block._fields))


def script_of(marked: Sequence[Block]) -> str:
    """A shell script that does what the blocks say, one after the other, as long as they end as they should."""
    return "set -eu\n" + "\n".join(_typed(number, one) for number, one in enumerate(marked))


def _typed(number: int, block: Block) -> str:
    begin = f"echo '<<<{number}>>>'\n"
    if block.mark.startswith("file: "):
        path = block.mark.partition(": ")[2]
        end = "END-OF-THE-FILE"
        return f"mkdir -p \"$(dirname '{path}')\"\ncat > '{path}' <<'{end}'\n{block.text}{end}\n{begin}"
    if block.statuses == ["0"]:
        return begin + block.text
    wanted = "|".join(block.statuses)
    return (
        f"{begin}set +e\n{block.text}ended_with=$?\nset -e\n"
        f'case $ended_with in {wanted}) ;; *) echo "that was $ended_with, and not {wanted}"; exit 1 ;; esac\n'
    )


def run(
    argv: Sequence[str], folder: Path, timeout: float, more: Mapping[str, str] | None = None
) -> str:
    """What `argv` and all it starts write; fails if it does, or lasts longer than `timeout` seconds.

    It is run in `folder`, with a home beside that, and with `more` in its environment.
    """
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("SLURM", "PYTEST"))}
    environment["HOME"] = str(folder.parent / "home")
    environment.update(more or {})
    log = folder.parent / "output.log"
    with log.open("wb") as output:
        streams: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": output, "stderr": output}
        process = subprocess.Popen(
            argv, cwd=folder, env=environment, start_new_session=True, **streams
        )
        try:
            status: int | None = process.wait(timeout)
        except subprocess.TimeoutExpired:
            status = None
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    written = log.read_text("utf-8", "replace")
    assert status == 0, f"exit status {status} of {argv}, which wrote:\n{written}"
    return written


def require_shown(marked: Sequence[Block], written: str) -> None:
    """Fail where a line that the page shows below a block is not in what it wrote."""
    outputs = re.split(r"<<<\d+>>>\n", written)[1:]
    assert len(outputs) == len(marked)
    for block, output in zip(marked, outputs):
        lines = "\n".join(map(normalised, output.splitlines()))
        for line in block.shown.splitlines():
            pattern = re.escape(normalised(line)).replace(re.escape("..."), ".*")
            assert re.search(f"^{pattern}$", lines, re.MULTILINE), f"no {line!r} in\n{output}"


def normalised(line: str) -> str:
    """A line without what is another one each time."""
    for pattern, word in VARYING:
        line = re.sub(pattern, word, line)
    return line.strip()
