"""How a cost grows with the work. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping

FASTEST = (
    1.15  # an exponent: what grows faster than this grows faster than the work, beyond all noise
)


def exponent(costs: Mapping[int, float]) -> float:
    """The exponent of a cost in the size of the work, between the two largest sizes: 1 where twice as much costs twice as much.

    >>> exponent({1000: 0.5, 10_000: 1.0, 100_000: 10.0}), exponent({10: 1.0, 100: 100.0})
    (1.0, 2.0)
    """
    (small, less), (large, more) = sorted(costs.items())[-2:]
    return math.log(more / less) / math.log(large / small)
