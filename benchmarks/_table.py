"""One line for each benchmark, for people and for programs."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Line:
    """What was found, what the bare tool does in the same run, and the bar: all in `unit`.

    With `more_is_better` the bar is the least, else the most there may be.
    """

    what: str
    unit: str
    found: float
    bare: float
    bar: float
    more_is_better: bool = True

    @property
    def ok(self) -> bool:
        """Whether the bar was reached."""
        return self.found >= self.bar if self.more_is_better else self.found <= self.bar

    @property
    def ratio(self) -> float:
        """How many times as long as the bare tool it takes."""
        return self.bare / self.found if self.more_is_better else self.found / self.bare

    def show(self, *, as_json: bool) -> None:
        """Print it."""
        if as_json:
            print(json.dumps({**asdict(self), "ratio": self.ratio, "ok": self.ok}))
            return
        sign = ">=" if self.more_is_better else "<="
        print(
            f"| {self.what} | {self.found:.3g} {self.unit} | {self.bare:.3g} {self.unit} | "
            f"{self.ratio:.2f} | {sign} {self.bar:g} {self.unit} | {'ok' if self.ok else 'MISSED'} |"
        )
