"""What a run has found: kept as JSON from its first benchmark on, and shown as a table."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.measure import Line, Series


@dataclass
class Results:
    """`benchmarks`: name -> seconds it took, samples, lines, and why it failed if it did."""

    machine: Mapping[str, object]
    facts: dict[str, object] = field(default_factory=dict)
    benchmarks: dict[str, dict[str, Any]] = field(default_factory=dict)
    complete: bool = False

    def add(
        self,
        name: str,
        seconds: float,
        series: Sequence[Series],
        lines: Sequence[Line],
        failed: str | None,
    ) -> None:
        """Keep what one benchmark found."""
        self.benchmarks[name] = {
            "seconds": round(seconds, 1),
            "failed": failed,
            "series": {one.name: one.as_json() for one in series},
            "lines": [line.as_json() for line in lines],
        }

    @property
    def lines(self) -> list[Line]:
        """Those of all benchmarks."""
        return [Line.from_json(line) for one in self.benchmarks.values() for line in one["lines"]]

    @property
    def series(self) -> dict[str, dict[str, Any]]:
        """All samples, by name."""
        return {
            name: samples
            for one in self.benchmarks.values()
            for name, samples in one["series"].items()
        }

    def problems(self) -> Iterator[str]:
        """Bars that were missed, benchmarks that failed, and peers that could not be measured."""
        for name, one in self.benchmarks.items():
            if one["failed"]:
                yield f"{name} failed: {one['failed']}"
        for line in self.lines:
            if line.ok is False:
                yield f"missed: {line.what}"
            if line.than and line.other is None:
                yield f"nothing to compare with: {line.what}: {line.than}: {line.note}"

    def write(self, path: Path) -> None:
        """Write the JSON, whole or not at all."""
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f"{path.name}.partial")
        partial.write_text(json.dumps(vars(self), indent=1) + "\n", "utf-8")
        os.replace(partial, path)

    @classmethod
    def read(cls, path: Path) -> Results:
        """What `write` wrote."""
        return cls(**json.loads(path.read_text("utf-8")))
