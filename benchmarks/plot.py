"""The plot of the page: bars as SVG inside the page, so that they take the page's own colours, light or dark."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from benchmarks.measure import number_of

WIDTH, LABELS, VALUES = 760, 300, 80
ROW, BAR, HEAD, GAP = 26, 16, 34, 14
OURS = "this SDK"


@dataclass(frozen=True)
class Panel:
    """Bars that share a scale: those of the samples whose names begin with `prefix`."""

    title: str
    prefix: str


PANELS = (
    Panel("Submit one job", "submit one job: "),
    Panel("Submit 100 jobs", "submit 100 jobs: "),
    Panel("Submit an array of 1000 items", "map 1000 items, submit: "),
    Panel("From a job's end to its result", "job's end to result: "),
)


def figure(series: Mapping[str, Mapping[str, Any]]) -> str:
    """A figure with a panel for each of `PANELS` that was measured; the whiskers are min and p90."""
    shown = [(panel, _bars_of(panel, series)) for panel in PANELS]
    panels = [(panel, bars) for panel, bars in shown if bars]
    drawn, top = [], 0
    for panel, bars in panels:
        drawn.append(_panel(panel.title, bars, top))
        top += HEAD + ROW * len(bars) + GAP
    body = "\n".join(drawn)
    # No empty line inside: Markdown would end the figure there.
    return f"""\
<figure style="width:100%">
<svg viewBox="0 0 {WIDTH} {top}" role="img" aria-label="Medians of this run, shorter is better" \
style="width:100%;max-width:{WIDTH}px;height:auto" font-family="inherit" font-size="13" fill="currentColor">
{body}
</svg>
<figcaption>Medians of one run, shorter is better; the thin lines reach from the least to the 90th percentile.</figcaption>
</figure>"""


def _bars_of(
    panel: Panel, series: Mapping[str, Mapping[str, Any]]
) -> list[tuple[str, Mapping[str, Any]]]:
    found = [
        (name.removeprefix(panel.prefix), samples)
        for name, samples in series.items()
        if name.startswith(panel.prefix)
    ]
    return sorted(found, key=lambda bar: float(bar[1]["median"]))


def _panel(title: str, bars: Sequence[tuple[str, Mapping[str, Any]]], top: int) -> str:
    unit = bars[0][1]["unit"]
    most = max(samples["p90"] for _, samples in bars) or 1
    scale = (WIDTH - LABELS - VALUES) / most
    lines = [f'<text x="0" y="{top + 20}" font-weight="bold">{escape(title)}</text>']
    for number, (name, samples) in enumerate(bars):
        y = top + HEAD + ROW * number
        lines += _bar(name, samples, y, scale, unit)
    return "\n".join(lines)


def _bar(name: str, samples: Mapping[str, Any], y: int, scale: float, unit: str) -> list[str]:
    ours = name.startswith(OURS)
    colour = "var(--md-accent-fg-color, #526cfe)" if ours else "currentColor"
    opacity, weight = ("1", "bold") if ours else ("0.45", "normal")
    width = max(1.0, samples["median"] * scale)
    low, high = LABELS + samples["min"] * scale, LABELS + samples["p90"] * scale
    middle, text = y + BAR / 2, y + BAR - 3.5
    shown = number_of(samples["median"], unit)
    after = max(LABELS + width, high) + 6
    return [
        f'<text x="{LABELS - 8}" y="{text}" text-anchor="end" font-weight="{weight}">{escape(name)}</text>',
        f'<rect x="{LABELS}" y="{y}" width="{width:.1f}" height="{BAR}" rx="2" fill="{colour}" fill-opacity="{opacity}"/>',
        f'<line x1="{low:.1f}" x2="{high:.1f}" y1="{middle}" y2="{middle}" stroke="currentColor" stroke-width="1.5"/>',
        f'<text x="{after:.1f}" y="{text}" font-weight="{weight}">{escape(shown)}</text>',
    ]
