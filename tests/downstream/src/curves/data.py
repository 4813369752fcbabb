"""The points, and the degrees of the polynomials that are tried."""

from __future__ import annotations

DEGREES = (1, 2, 3)
POINTS = [(float(x), x**3 - 2.0 * x) for x in range(-5, 6)]


def print_degrees() -> None:
    """The command ``curves-degrees``."""
    print(*DEGREES)
