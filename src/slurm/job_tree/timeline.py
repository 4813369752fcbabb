"""One timeline: a row for each job, a bar for its time, arrows for what waited for what."""

from __future__ import annotations

import datetime
from collections import defaultdict
from collections.abc import Iterator, Sequence

from slurm.job_tree import words
from slurm.job_tree.bars import track
from slurm.job_tree.markup import MARKS, escaped, kind_of, percent
from slurm.job_tree.nodes import OVER, JobNode
from slurm.job_tree.rows import Row, arrows
from slurm.job_tree.scale import Scale
from slurm.usage import format_duration

ROW = 30  # pixels, as in the style
AXIS = 28
BAR = 8  # half of one
MOST_ARROWS = 300
LAST_LABEL = 96  # percent
CLOSE = 0.4  # percent; less than that apart, an arrow needs no bend


class Timeline:
    """`rows` on a `scale`; the first row is number `first` of the page."""

    def __init__(
        self, scale: Scale, now: datetime.datetime, rows: Sequence[Row], *, first: int
    ) -> None:
        self.scale = scale
        self.now = now
        self.rows = rows
        every = [one for row in rows for one in row.walk()]
        self.count: int = len(every)
        self.ids: dict[str, str] = {
            one.key: f"r{number}" for number, one in enumerate(every, first)
        }
        self.jobs: dict[str, str] = {one.first.path: self.ids[one.key] for one in every if one.node}
        self.lines: dict[str, int] = {}  # key of a row that shows at first -> its line
        self.shown: dict[str, Row] = {}

    def section(self, *, opened: bool) -> str:
        """The timeline, to be folded away."""
        start, length = words.clock(self.scale.start), format_duration(self.scale.seconds, "words")
        body = "".join(part for row in self.rows for part in self._row(row, 0, hidden=False))
        return (
            f'<details class="timeline"{" open" if opened else ""}>\n'
            f"<summary><h2>{start}</h2> <span>{length}</span></summary>\n"
            f'<div class="chart">{self._axis()}\n{body}{self._arrows()}</div>\n</details>\n'
        )

    def _axis(self) -> str:
        ticks = "".join(
            f'<i style="left:{percent(at)}"><b>{label if at < LAST_LABEL else ""}</b></i>'
            for at, label in self.scale.ticks()
        )
        return f'<div class="axis" aria-hidden="true"><div class="ticks">{ticks}</div></div>'

    # Rows

    def _row(self, row: Row, depth: int, *, hidden: bool) -> Iterator[str]:
        if not hidden:
            self.lines[row.key] = len(self.lines)
            self.shown[row.key] = row
        leaf = not row.rows
        opened = not (leaf or row.folded)
        looks = f"row {'leaf' if leaf else 'folded' if row.folded else 'workflow'}"
        bad = (
            " bad" if any(kind_of(s) == "failed" for one in row.walk() for s in one.states) else ""
        )
        after = " ".join(self._waited_for(row))
        after = f' data-after="{after}"' if after else ""
        yield (
            f'<details class="{looks} {kind_of(row.state)}{bad}" id="{self.ids[row.key]}"'
            f"{after}"
            f"{' open' if opened else ''}>{self._summary(row, depth)}\n"
        )
        if leaf:
            yield self._facts(row)
        for child in row.rows:
            yield from self._row(child, depth + 1, hidden=hidden or row.folded)
        yield "</details>\n"

    def _waited_for(self, row: Row) -> list[str]:
        paths = (wait.path for wait in row.node.waits_for) if row.node else ()
        return sorted({self.jobs[path] for path in paths if path in self.jobs})

    def _summary(self, row: Row, depth: int) -> str:
        told = "&#10;".join(f"{name}: {escaped(value)}" for name, value in self._told(row))
        words_of = "<span class='said'> {}</span>" if row.folded else " {}"
        state = "".join(
            f'<b class="{kind_of(one)}">{MARKS[kind_of(one)]}{f" {count}" if row.folded else ""}'
            f"{words_of.format(one)}</b>"
            for one, count in row.states.most_common()
        )
        return (
            f'<summary title="{told}"><span class="cells">'
            f'<span class="name" style="--depth:{depth}">{escaped(words.title(row))}</span>'
            f'<span class="id">{escaped(row.job_id)}</span><span class="state">{state}</span>'
            f'<span class="time">{words.ran(row, self.now)}</span>{self._why(row)}</span>'
            f'<span class="track">{track(row, self.scale)}</span></summary>'
        )

    def _why(self, row: Row) -> str:
        """Why it went wrong, in the row itself; of a folded row, why the first of its jobs did."""
        said = next((leaf for leaf in row.noteworthy if leaf.error), None)
        why = said.error if said else row.node.error if row.node else ""
        place = f"[{said.index}] " if said and row.folded and said.index is not None else ""
        return f'<span class="why">{escaped(place + why)}</span>' if why else ""

    def _told(self, row: Row) -> Iterator[tuple[str, str]]:
        """What is known of a row, name by name."""
        yield "job", f"{words.title(row)} {row.job_id}".strip()
        yield "state", words.state_of(row)
        if row.node and row.node.error:
            yield "error", row.node.error
        if row.node and row.node.waits_for:
            yield "dependencies", words.waits(row.node)
        for name in ("submitted", "started", "ended"):
            time = getattr(row, name)
            if time is not None:
                yield name, words.clock(time)
        if row.submitted and row.started and row.started > row.submitted:
            yield "waited", format_duration((row.started - row.submitted).total_seconds(), "words")
        if row.started:
            yield "ran", words.ran(row, self.now) + ("" if row.state in OVER else " so far")
        if row.node and row.node.node:
            yield "node", row.node.node
        if row.node and row.node.attempt > 1:
            yield "attempt", str(row.node.attempt)
        if row.node:
            yield "directory", row.node.path

    def _facts(self, row: Row) -> str:
        facts = "".join(
            f"<dt>{name}</dt><dd>{escaped(value)}</dd>" for name, value in self._told(row)
        )
        return f"<dl>{facts}{self._links(row.first)}</dl>\n"

    def _links(self, node: JobNode) -> str:
        links = [
            f'<a href="#{self.jobs[wait.path]}">{escaped(wait.job_id)}</a>'
            for wait in node.waits_for[: words.MOST_NAMED]
            if wait.path in self.jobs
        ]
        return f"<dt>go to</dt><dd>{' '.join(links)}</dd>" if links else ""

    # Arrows

    def _arrows(self) -> str:
        found: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
        for source, target, kind in arrows(self.rows):
            if source in self.lines and target in self.lines:
                found[source, target].append(kind)
        drawn = [self._arrow(*ends, kinds) for ends, kinds in list(found.items())[:MOST_ARROWS]]
        height = AXIS + ROW * len(self.lines)
        return f'<svg class="arrows" height="{height}" aria-hidden="true">{"".join(drawn)}</svg>'

    def _arrow(self, source: str, target: str, kinds: Sequence[str]) -> str:
        """From the end of a bar down or up to the bar that waited for it, and along to its beginning."""
        y1, y2 = (AXIS + ROW * (self.lines[key] + 0.5) for key in (source, target))
        down = 1 if y2 > y1 else -1
        x1 = self.scale.at(self.shown[source].ended or self.scale.end)
        begun = self.shown[target].started
        x2 = max(x1, self.scale.at(begun) if begun else x1)
        bent = x2 - x1 > CLOSE
        tip = "" if bent else ' marker-end="url(#tip)"'
        upright = y2 if bent else y2 - down * BAR
        lines = f'<line x1="{percent(x1)}" y1="{y1 + down * BAR:g}" x2="{percent(x1)}" y2="{upright:g}"{tip}/>'
        if bent:
            lines += (
                f'<line x1="{percent(x1)}" y1="{y2:g}" x2="{percent(x2)}" y2="{y2:g}" '
                'marker-end="url(#tip)"/>'
            )
        plain = " plain" if set(kinds) == {"afterok"} else ""
        ends = f'data-from="{self.ids[source]}" data-to="{self.ids[target]}"'
        return f'<g class="arrow{plain}" {ends}>{lines}</g>'
