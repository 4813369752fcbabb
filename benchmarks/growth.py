"""How a cost grows with the work. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping

# A power: what grows with a higher one grows faster than the work. Above 1 by what a processor's caches take, which hold the
# jobs of the smaller size and not those of the larger one: 1.18 was seen where each job was looked at once.
FASTEST = 1.25


def power_of(costs: Mapping[int, float], noise: float = 0.0) -> float:
    """The power with which a cost grows from the last size but one to the last: 1 where it doubles with the work, 2 where it is quadratic.

    A cost below `noise` is taken for that, or for a tenth of it at the smaller size.

    >>> power_of({1000: 0.5, 10_000: 1.0, 100_000: 10.0}), power_of({10: 1.0, 100: 100.0})
    (1.0, 2.0)
    >>> power_of({10: 0.0, 100: 0.01}, noise=0.02)
    1.0
    """
    (few, less), (many, more) = sorted(costs.items())[-2:]
    return math.log(max(more, noise) / max(less, noise / 10)) / math.log(many / few)
