"""What a notebook shows of a job, an array, a cluster or a tree: a small table of HTML. Pure; all text in it is escaped."""

from __future__ import annotations

import html
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath

from slurm.job_tree.markup import MARKS, escaped, kind_of, percent
from slurm.job_tree.nodes import BAD, OVER
from slurm.states import JobState, JobStatus

COLOURS = {"completed": "#2e7d32", "failed": "#c62828", "running": "#1565c0", "pending": "#757575"}
BAR = "display:inline-block;width:16em;height:.7em;background:#8883;vertical-align:middle"
CELL = "text-align:left;padding:.1em .8em .1em 0"
Rows = Iterable[tuple[str, str]]


def card(title: str, rows: Rows) -> str:
    """A title and named values, which are HTML already.

    >>> card("<Job>", [("state", "RUNNING")]).count("&lt;Job&gt;")
    1
    """
    lines = "".join(
        f'<tr><th style="{CELL};font-weight:normal;opacity:.7">{escaped(name)}</th><td style="{CELL}">{value}</td></tr>'
        for name, value in rows
    )
    return f'<div class="slurm-card"><b>{escaped(title)}</b><table style="border:none">{lines}</table></div>'


def state_in_words(status: JobStatus) -> str:
    """A job's state with its mark, and why it waits or how it ended.

    >>> state_in_words(JobStatus(reason="Resources"))
    '<span style="color:#757575">· PENDING</span> (Resources)'
    """
    kind = kind_of(status.state)
    more = f" ({escaped(status.pending_reason)})" if status.pending_reason else ""
    if status.state in BAD and status.exit_code:
        more = f" (exit code {escaped(status.exit_code)})"
    word = f"{MARKS[kind]} {escaped(str(status.state))}"
    return f'<span style="color:{COLOURS[kind]}">{word}</span>{more}'


def progress(counts: Mapping[JobState, int], total: int) -> str:
    """A bar with what has completed, failed and runs, each in its colour, and the numbers beside it.

    >>> progress({JobState.COMPLETED: 2, JobState.FAILED: 1}, 4).rpartition("</span> ")[2]
    '3/4: 2 COMPLETED, 1 FAILED, 1 PENDING'
    """
    known = Counter(counts)
    waiting = total - sum(known.values())
    if waiting > 0:
        known[JobState.PENDING] += waiting
    kinds = Counter(dict.fromkeys(COLOURS, 0))
    for state, count in known.items():
        kinds[kind_of(state)] += count
    parts = "".join(
        f'<span style="display:inline-block;height:100%;vertical-align:top;width:{percent(100 * kinds[kind] / total)};'
        f'background:{COLOURS[kind]}"></span>'
        for kind in ("completed", "failed", "running")
        if kinds[kind]
    )
    over = sum(count for state, count in known.items() if state in OVER)
    words = ", ".join(f"{count} {escaped(str(state))}" for state, count in known.most_common())
    return f'<span style="{BAR}">{parts}</span> {over}/{total}: {words}'


def drawing(text: str) -> str:
    """A drawing of several lines.

    >>> drawing("<b>")
    '<pre>&lt;b&gt;</pre>'
    """
    return f"<pre>{html.escape(text)}</pre>"


def path(name: str, *, is_here: bool) -> str:
    """A path on the cluster; a link where the browser's machine may have it, too.

    >>> path("/jobs/a b", is_here=True)
    '<a href="file:///jobs/a%20b"><code>/jobs/a b</code></a>'
    """
    shown = f"<code>{escaped(name)}</code>"
    return f'<a href="{escaped(PurePosixPath(name).as_uri())}">{shown}</a>' if is_here else shown
