"""The generated parts of docs/explanation/performance.md; the text around them is written by hand."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from benchmarks import curves, machine
from benchmarks.measure import table
from benchmarks.measured.profile_submission import table as profile_table
from benchmarks.plot import figure
from benchmarks.results import Results

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "explanation" / "performance.md"
DATA = PAGE.with_suffix(".json")


def parts(results: Results) -> Mapping[str, str]:
    """What belongs between the markers, by their name."""
    return {
        "machine": machine.described(results.machine),
        "table": table(results.lines),
        "plot": figure(results.series),
        "growth": curves.figures(results.series),
        "profile": profile_table(results.series),
        "round-trips": round_trips(results.facts.get("round_trips")),
    }


def round_trips(counted: object) -> str:
    """What one submission of the released SDK was seen to ask of its connection."""
    if not isinstance(counted, Mapping):
        return "slurm-sdk 0.4.6 could not be installed in this run."
    return (
        f"Counted in this run: one submission of slurm-sdk 0.4.6 takes {counted['commands']} commands, each in a "
        f"shell of its own, and {counted['sftp requests']} SFTP requests; one of this SDK's takes one request."
    )


def update(text: str, new: Mapping[str, str]) -> str:
    """The page with its generated parts made anew. Raises `ValueError` where a marker is missing.

    >>> update("<!-- begin: a -->\\nold\\n<!-- end: a -->", {"a": "new"})
    '<!-- begin: a -->\\n\\nnew\\n\\n<!-- end: a -->'
    """
    for name, content in new.items():
        begin, end = f"<!-- begin: {name} -->", f"<!-- end: {name} -->"
        pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
        if len(pattern.findall(text)) != 1:
            raise ValueError(f"the page needs {begin} and {end}, once")
        made = f"{begin}\n\n{content}\n\n{end}"
        text = pattern.sub(made.replace("\\", r"\\"), text)
    return text


def write(results: Results) -> None:
    """Bring the page, and the JSON beside it, up to date."""
    PAGE.write_text(update(PAGE.read_text("utf-8"), parts(results)), "utf-8")
    results.write(DATA)
