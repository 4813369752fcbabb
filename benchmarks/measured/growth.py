"""How the cost of one client grows with the items of an array, with jobs by themselves and with results: by CPU time, and memory.

The scheduler is in memory, so that the client alone is measured, in a process of its own for each size. A cost that
grows with the power 1 doubles where the work does.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence

from benchmarks.growth import FASTEST, power_of
from benchmarks.measure import Bar, Line
from benchmarks.session import Session

SIZES: Mapping[str, Sequence[int]] = {
    "array": (1_000, 10_000, 100_000),
    "jobs": (200, 2_000, 20_000),
    "results": (200, 2_000, 20_000),
    "large results": (40, 400, 4_000),
}
ROUNDS = 3
NOISE = 0.02  # s or MB: what is less than that at the largest size says nothing
STEPS = {
    "array": ("submit", "look", "hear", "give", "read"),
    "jobs": ("watch", "look", "hear", "give", "read"),
    "results": ("read", "upwards", "downwards"),
    "large results": ("read", "upwards", "downwards"),
}
# What a client is asked for, and with what beside the number.
ASKED: Mapping[str, tuple[str, Mapping[str, int]]] = {
    "array": ("array", {}),
    "jobs": ("jobs", {}),
    "results": ("results", {"size": 10}),
    "large results": ("results", {"size": 100_000}),
}
HELD = ("memory", "most_memory")
WORDS = {
    "submit": "map and submit",
    "watch": "a future for each, watched",
    "look": "one look at the queue",
    "hear": "hear of the ends",
    "give": "as_completed",
    "read": "all results",
    "upwards": "one by one",
    "downwards": "one by one from the last to the first",
    "memory": "memory while they are live",
    "most_memory": "most memory",
}
FLAT = ("threads", "descriptors")
NAMES = {
    "array": "items of an array",
    "jobs": "jobs",
    "results": "results in a record file",
    "large results": "results of 100 KB in a record file",
}
Cost = Mapping[str, float]


def run(session: Session) -> None:
    """Measure each size in turn, and say how each cost grows."""
    for kind, sizes in SIZES.items():
        rounds = [_round(session, kind, sizes) for _ in range(session.rounds(ROUNDS))]
        costs = {size: _least([one[size] for one in rounds]) for size in sizes}
        largest, name = sizes[-1], NAMES[kind]
        for step in (one for one in (*STEPS[kind], *HELD) if one in costs[largest]):
            unit = "MB" if step in HELD else "s"
            for size in sizes:
                values = [one[size][step] for one in rounds]
                session.record(f"growth, {name}, {WORDS[step]}: {size}", unit, values)
            session.note(*lines_of(f"{largest} {name}: {WORDS[step]}", unit, costs, step))
        for what in (one for one in FLAT if one in costs[largest]):
            found, few = costs[largest][what], costs[sizes[0]][what]
            than, bar = f"{sizes[0]}", Bar(1.0, of_ratio=True)
            session.note(Line(f"{largest} {name}: {what}", "", found, than, few, bar))


def _round(session: Session, kind: str, sizes: Sequence[int]) -> Mapping[int, Cost]:
    found = {}
    for size in sizes:
        name = f"many-{kind.replace(' ', '-')}"
        client = session.start(name, [sys.executable, "-m", "benchmarks.clients.many"])
        operation, more = ASKED[kind]
        found[size] = client.ask(operation, count=size, **more, timeout=600)
        session.release()
    return found


def _least(costs: Sequence[Cost]) -> Cost:
    """Of each cost the least: what else a machine does makes it more, never less."""
    return {name: min(one[name] for one in costs) for name in costs[0]}


def lines_of(what: str, unit: str, costs: Mapping[int, Cost], step: str) -> Sequence[Line]:
    """What a step costs at the largest size, and with which power that has grown from each size to the next."""
    *_, before, largest = costs
    found = costs[largest][step]
    line = Line(what, unit, found, f"{before}", costs[before][step])
    if found < NOISE:
        return (line,)
    power = power_of({size: cost[step] for size, cost in costs.items()}, NOISE)
    return line, Line(f"{what}, grows with the power", "", power, bar=Bar(FASTEST))
