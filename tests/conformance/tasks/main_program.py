"""A program whose tasks do what ``python main_program.py`` can: ``main_program.py <how to connect, as JSON> <folder>``.

It prints what came of that, as JSON.
"""

from __future__ import annotations

import functools
import json
import multiprocessing
import pickle
import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from enum import Enum
from typing import Any

from slurm import Cluster, Job, task, workflow
from slurm.errors import ResultNotLoadable

PATIENCE = 240
WAYS = ("fork", "spawn", "forkserver")


class Colour(Enum):
    RED = 1


@dataclass(frozen=True)
class Point:
    x: int
    colour: Colour = Colour.RED


SQUARES = [Point(1), Point(4), Point(9)]


def square(point: Point) -> Point:
    return Point(point.x**2)


def answer_by_queue(queue: Any, asked: Any, point: Point) -> None:
    queue.put((asked, asked.unwrapped([point.x])))


def squares(ways: list[str]) -> dict[str, list[Point]]:
    points, found = [Point(n) for n in (1, 2, 3)], {}
    for way in ways:
        context = multiprocessing.get_context(way)
        with ProcessPoolExecutor(2, mp_context=context) as pool:
            found[way] = list(pool.map(square, points))
    return found


@task
def points_of(numbers: list[int]) -> list[Point]:
    return [Point(n) for n in numbers]


@task
def start_processes(way: str) -> list[Point]:
    return squares([way])[way]


@task
def send_tasks_to_a_process() -> list[Point]:
    """A task goes to a spawned process and comes back, with what it makes there."""
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    process = context.Process(target=answer_by_queue, args=(queue, points_of, Point(7)))
    process.start()
    sent, points = queue.get(timeout=PATIENCE)
    process.join()
    assert sent.unwrapped is points_of.unwrapped
    return list(points)


@task
def keep(point: Point) -> tuple[bytes, str]:
    """What a task pickles by itself, and under which name."""
    return pickle.dumps(point), __name__


@task
def load(pickled: bytes) -> bool:
    return bool(pickle.loads(pickled) == Point(5))  # noqa: S301 - ours


@workflow
def in_a_workflow(point: Point) -> list[Any]:
    return [start_processes("spawn").get_result(PATIENCE), square(point)]


def connect(backend: str, arguments: dict[str, Any], slurmfile: str) -> Cluster:
    if slurmfile:
        return Cluster.from_env(slurmfile, env="default", overrides=arguments)
    return Cluster(backend, **arguments)


@task
def give(value: int) -> Any:
    """A function by value: code of the node's Python."""
    return lambda number: number + value


def without_a_name(ways: list[str], *, same_python: bool) -> list[tuple[Any, Any]]:
    """Functions that have no name of their own, and use what the script defines; each with what it returns."""
    times = 2
    named: list[tuple[Any, Any]] = [
        (functools.partial(squares, ways), dict.fromkeys(ways, SQUARES)),
        (functools.partial(Model(times).fit, point=Point(2)), [Point(4)]),
    ]
    by_value: list[tuple[Any, Any]] = [
        (lambda: times * len(points_of.unwrapped([1, 2, 3])) + len(squares(ways)), 7),
        (lambda one=Point(5): isinstance(one, Point) and points_of.unwrapped([5]) == [one], True),
    ]
    return [*named, *(by_value if same_python else [])]


def called(job: Job[Any], *, same_python: bool) -> bool:
    """Whether the function that a job returned can be called, or was refused where it could not be."""
    try:
        return job.get_result(PATIENCE)(1) == 3 and same_python
    except ResultNotLoadable:
        return not same_python


class Model:
    def __init__(self, times: int) -> None:
        self.times = times

    def fit(self, point: Point = Point(3)) -> list[Point]:
        return points_of.unwrapped([self.times * point.x])

    @task
    def method(self) -> None:
        pass


def main() -> None:
    start = json.loads(sys.argv[1])
    with connect(**start) as cluster:
        same = cluster.backend.host().python[:2] == sys.version_info[:2]
        packed = start_processes.map(WAYS, pack=len(WAYS))
        sent, kept, given = send_tasks_to_a_process(), keep(Point(5)), give(2)
        read, flow = load(pickle.dumps(Point(5))), in_a_workflow(Point(4))
        with cluster.executor() as executor:
            functions = without_a_name(["spawn"], same_python=same)
            futures = [(executor.submit(function), gives) for function, gives in functions]
        pickled, name = kept.get_result(PATIENCE)
        done: dict[str, Any] = {
            "processes": packed.get_results(PATIENCE) == [SQUARES] * 3,
            "tasks to a process": sent.get_result(PATIENCE) == [Point(7)],
            "read by the script": pickle.loads(pickled) == Point(5),  # noqa: S301 - ours
            "read by a task": read.get_result(PATIENCE),
            "name": name,
            "workflow": flow.get_result(PATIENCE) == [SQUARES, Point(16)],
            "without a name": [future.result(PATIENCE) == gives for future, gives in futures],
            "code of the node's Python": called(given, same_python=same),
        }
    done["without a name"] = all(done["without a name"])
    print(json.dumps(done))


if __name__ == "__main__":
    main()
