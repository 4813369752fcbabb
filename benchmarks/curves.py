"""The curves of growth on the page: cost over size, both in powers of ten, as SVG inside the page."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from benchmarks.measure import number_of

PREFIX = "growth, "
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 760, 300, 70, 190, 34, 40
DASHES = ("", "6 3", "2 3", "9 3 2 3", "12 4", "1 4")
Point = tuple[int, float]


def curves_of(
    series: Mapping[str, Mapping[str, Any]],
) -> Mapping[str, Mapping[str, Sequence[Point]]]:
    """The costs in seconds that were measured at several sizes: by what there is of, and by the step.

    >>> one = {"unit": "s", "min": 0.5}
    >>> curves_of({"growth, jobs, as_completed: 200": one, "submit one job: ours": one})
    {'jobs': {'as_completed': [(200, 0.5)]}}
    """
    found: dict[str, dict[str, list[Point]]] = {}
    for name, samples in series.items():
        if name.startswith(PREFIX) and samples["unit"] == "s":
            what, _, size = name.removeprefix(PREFIX).rpartition(": ")
            kind, _, step = what.partition(", ")
            point = int(size), float(samples["min"])
            found.setdefault(kind, {}).setdefault(step, []).append(point)
    return found


def figures(series: Mapping[str, Mapping[str, Any]]) -> str:
    """A figure for each of them; a sentence where nothing was measured."""
    found = curves_of(series)
    if not found:
        return "Growth was not measured in this run."
    return "\n\n".join(_figure(kind, steps) for kind, steps in found.items())


def _figure(kind: str, steps: Mapping[str, Sequence[Point]]) -> str:
    points = [point for curve in steps.values() for point in curve if point[1] > 0]
    sizes = sorted({size for size, _ in points})
    low = math.floor(math.log10(min(cost for _, cost in points)))
    high = math.ceil(math.log10(max(cost for _, cost in points)))
    across = (WIDTH - LEFT - RIGHT) / (math.log10(sizes[-1] / sizes[0]) or 1)
    up = (HEIGHT - TOP - BOTTOM) / ((high - low) or 1)

    def place(size: float, cost: float) -> tuple[float, float]:
        x = LEFT + across * math.log10(size / sizes[0])
        return x, HEIGHT - BOTTOM - up * (math.log10(cost) - low)

    lines = [
        f'<text x="0" y="18" font-weight="bold">CPU time of the client, by the number of {escape(kind)}</text>'
    ]
    for power in range(low, high + 1):
        _, y = place(sizes[0], 10.0**power)
        lines.append(_line([(LEFT, y), (WIDTH - RIGHT, y)], width=0.5, opacity="0.3"))
        lines.append(_text(LEFT - 8, y + 4, number_of(10.0**power, "s"), "end"))
    for size in sizes:
        x, _ = place(size, 10.0**low)
        lines.append(_line([(x, TOP), (x, HEIGHT - BOTTOM)], width=0.5, opacity="0.3"))
        lines.append(_text(x, HEIGHT - BOTTOM + 18, f"{size:,}".replace(",", " "), "middle"))
    ends: list[float] = []
    for number, (step, curve) in enumerate(sorted(steps.items(), key=lambda one: -one[1][-1][1])):
        placed = [place(size, cost) for size, cost in curve if cost > 0]
        lines.append(_line(placed, dashes=DASHES[number % len(DASHES)]))
        y = max(placed[-1][1] + 4, ends[-1] + 15 if ends else 0.0)
        ends.append(y)
        lines.append(_text(placed[-1][0] + 8, y, step, "start"))
    # No empty line inside: Markdown would end the figure there.
    body = "\n".join(lines)
    return f"""\
<figure style="width:100%">
<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="CPU time by the number of {escape(kind)}" \
style="width:100%;max-width:{WIDTH}px;height:auto" font-family="inherit" font-size="13" fill="currentColor">
{body}
</svg>
<figcaption>Both axes in powers of ten: what grows as the work does goes up as steeply as across.</figcaption>
</figure>"""


def _line(
    points: Sequence[tuple[float, float]],
    *,
    width: float = 1.8,
    opacity: str = "1",
    dashes: str = "",
) -> str:
    shown = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    style = f'stroke-width="{width}" stroke-opacity="{opacity}" stroke-dasharray="{dashes}"'
    return f'<polyline points="{shown}" fill="none" stroke="currentColor" {style}/>'


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'
