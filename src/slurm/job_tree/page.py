"""A tree as one HTML page that needs nothing beside it: no network, no server, no script for its picture."""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from collections.abc import Sequence
from importlib import resources
from typing import TYPE_CHECKING, Protocol

from slurm.job_tree import words
from slurm.job_tree.markup import escaped, kind_of
from slurm.job_tree.rows import fold
from slurm.job_tree.scale import timelines
from slurm.job_tree.timeline import Timeline

if TYPE_CHECKING:
    import datetime

    from slurm.job_tree.nodes import JobNode
    from slurm.states import JobState

ROWS_TO_A_PARENT = 40
OPEN_AT_FIRST = 12  # timelines, the latest of them

PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<header>
<h1>{title}</h1>
<p class="where">{where}</p>
<ul class="counts" aria-label="Jobs by state">{counts}</ul>
{notes}<div class="tools" id="tools"></div>
</header>
<main>
{timelines}</main>
<output id="about" aria-live="polite"></output>
<svg width="0" height="0" aria-hidden="true"><defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4"
 markerWidth="7" markerHeight="7" orient="auto-start-reverse"><path d="M0 0L8 4L0 8z"/></marker></defs></svg>
<script>{script}</script>
</body>
</html>
"""


class Drawn(Protocol):
    """What a page shows: a `JobTree`."""

    @property
    def path(self) -> str:
        """The directory that was looked into."""

    @property
    def nodes(self) -> tuple[JobNode, ...]:
        """The jobs that no other job there submitted."""

    @property
    def seen_at(self) -> datetime.datetime:
        """When it was looked at."""

    @property
    def complete(self) -> bool:
        """Whether all directories were looked into."""

    def states(self) -> Counter[JobState]:
        """How many jobs are in which state."""


def draw(tree: Drawn) -> str:
    """The page. Whatever a file said stands in it as text; a policy keeps any script but ours from running."""
    drawn = timelines(tree.nodes, tree.seen_at)
    parts: list[str] = []
    shown = 0
    for number, (scale, nodes) in enumerate(reversed(drawn)):
        timeline = Timeline(scale, tree.seen_at, fold(nodes, ROWS_TO_A_PARENT), first=shown)
        shown += timeline.count
        parts.append(timeline.section(opened=number < OPEN_AT_FIRST))
    style, script = _beside("page.css"), _beside("page.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return PAGE.format(
        policy=f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'",
        title=escaped(_title(tree)),
        where=f"{escaped(tree.path)} · as of {words.clock(tree.seen_at)}",
        counts=_counts(tree),
        notes="" if tree.complete else f"<p class='note'>{_INCOMPLETE}</p>\n",
        timelines="".join(parts),
        style=style,
        script=script,
    )


def _beside(name: str) -> str:
    """A file of this package: it travels with the SDK, for a job may draw a tree as well."""
    return resources.files("slurm.job_tree").joinpath(name).read_text("utf-8")


_INCOMPLETE = (
    "There are more jobs here than one drawing takes: draw a task's or a workflow's directory."
)


def _title(tree: Drawn) -> str:
    if len(tree.nodes) == 1:
        [node] = tree.nodes
        return f"{node.task_name} {node.job_id}".strip()
    return tree.path.rstrip("/").rpartition("/")[2] or "/"


def _counts(tree: Drawn) -> str:
    total = tree.states()
    chips: Sequence[str] = [
        f'<li class="{kind_of(state)}">{count} {state}</li>' for state, count in total.most_common()
    ]
    jobs = sum(total.values())
    return f"<li>{jobs} job{'s' if jobs != 1 else ''}</li>" + "".join(chips)
