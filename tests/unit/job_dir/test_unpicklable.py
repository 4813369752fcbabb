"""The way to what cannot be pickled: one line for whatever holds it."""

from __future__ import annotations

import collections
import dataclasses
import functools
import queue
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import pytest

from slurm.job_dir.arguments import why_unpicklable
from slurm.job_dir.unpicklable import culprit_in

LOCK = threading.Lock()


class Holder:
    def __init__(self, held: Any = LOCK) -> None:
        self.held = held


class Slots:
    __slots__ = ("held", "name")

    def __init__(self) -> None:
        self.name, self.held = "x", LOCK


class LeavesOut:
    """Only what ``__getstate__`` names would be pickled."""

    def __init__(self) -> None:
        self.left_out, self.kept = threading.Lock(), LOCK

    def __getstate__(self) -> dict[str, Any]:
        return {"kept": self.kept}


class MadeOf:
    def __init__(self, held: Any) -> None:
        self.held = held

    def __reduce__(self) -> Any:
        return MadeOf, (self.held,)


class Refuses:
    def __reduce__(self) -> Any:
        raise ValueError("never\npickle me")


class Endless:
    def __init__(self) -> None:
        self.me, self.others = self, [self, {"lock": LOCK}]


@dataclasses.dataclass(frozen=True)
class Data:
    layers: Any


class Pair(NamedTuple):
    first: Any
    second: Any


def closure(held: Any) -> Callable[[], Any]:
    return lambda: held


def inner_closure(held: Any) -> Callable[[], Any]:
    return lambda: [held for _ in range(2)]


def with_default(held: Any = LOCK) -> Any:
    return held


with_default.__module__ = "__main__"  # pickled by value


@pytest.mark.parametrize(
    ("value", "way"),
    [
        (LOCK, ""),
        ([1, [2, LOCK]], "[1][1]"),
        ((LOCK,), "[0]"),
        ({"a": {2: {(3, 4): LOCK}}}, "['a'][2][<tuple>]"),
        ({Holder(): 1}, " key <Holder>.held"),
        (frozenset([Holder()]), "{<Holder>}.held"),
        (Holder(), ".held"),
        (Slots(), ".held"),
        (LeavesOut(), ".kept"),
        (MadeOf(LOCK), ".held"),
        (Data([1, 2, LOCK]), ".layers[2]"),
        (Pair(1, LOCK), ".second"),
        (collections.OrderedDict(a=LOCK), "['a']"),
        (collections.defaultdict(threading.Lock, a=LOCK), "['a']"),
        (collections.deque([1, LOCK]), "[1]"),
        (Endless(), ".others[1]['lock']"),
        (closure(LOCK), ".__closure__['held']"),
        (inner_closure(Holder()), ".__closure__['held'].held"),
        (with_default, ".__defaults__[0]"),
        (functools.partial(print, LOCK, end=""), ".args[0]"),
        (functools.partial(print, end=LOCK), ".keywords['end']"),
        (Holder().__init__, ".__self__.held"),  # type: ignore[misc]
        (
            Data(Holder([{"f": closure(Data(LOCK))}])),
            ".layers.held[0]['f'].__closure__['held'].layers",
        ),
    ],
)
def test_the_way_leads_to_the_culprit(value: Any, way: str) -> None:
    line = why_unpicklable({"args": (value,), "kwargs": {}})
    assert line == f"args[0]{way} is a _thread.lock: make it inside the task"


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ((n for n in [1]), "is a generator: give a list instead: list(...)"),
        (
            ThreadPoolExecutor(),
            "ThreadPoolExecutor (cannot pickle '_queue.SimpleQueue' object): make it",
        ),
        (
            threading.Thread(),
            "is a threading.Thread (cannot pickle '_thread.lock' object): make it",
        ),
        (queue.Queue(), "is a queue.Queue (cannot pickle '_thread.lock' object): make it inside"),
        (
            Refuses(),
            "Refuses (never pickle me): make it inside the task, or have its class leave it out",
        ),
    ],
)
def test_it_is_named_for_what_the_user_made(value: Any, said: str) -> None:
    line = why_unpicklable({"kwargs": {"n": value}})
    assert line.startswith("kwargs['n'] is a")
    assert said in line
    assert "\n" not in line


def test_of_a_result_it_says_what_to_return() -> None:
    generator = (n for n in [1])
    assert why_unpicklable({"result": {"rows": generator}}, in_result=True) == (
        "result['rows'] is a generator: return a list instead: list(...)"
    )


def test_what_can_be_pickled_is_no_culprit() -> None:
    assert why_unpicklable({"args": (1, Data([2]), closure(3))}) == ""


def test_a_future_is_not_looked_into() -> None:
    future = Holder()
    assert why_unpicklable({"args": [future]}, is_future=lambda value: value is future) == ""


def test_the_search_ends_however_much_there_is() -> None:
    asked = 0

    def dump(value: Any) -> None:
        nonlocal asked
        asked += 1
        if isinstance(value, list):
            raise TypeError("no lists today")

    found = culprit_in([list(range(5000)), [[]]], "args", dump)
    assert found is not None
    assert found.way == "args[0]"
    assert asked <= 2001


def test_a_long_way_is_shown_by_its_ends() -> None:
    nested: Any = LOCK
    for _ in range(200):
        nested = [nested]
    said = why_unpicklable({"result": nested}, in_result=True)
    assert len(said) < 300
    assert said.startswith("result[0][0]")
    assert "..." in said
    assert said.endswith("[0] is a _thread.lock: leave it out of what the task returns")
