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

from slurm import Cluster, task, workflow

PATIENCE = 240
WAYS = ("fork", "spawn", "forkserver")


class Colour(Enum):
    RED = 1


@dataclass(frozen=True)
class Point:
    x: int
    colour: Colour = Colour.RED


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


def by_value(ways: list[str]) -> list[Any]:
    """Functions that have no name of their own, and use what the script defines."""
    times = 2
    model = Model(times)
    return [
        lambda: times * len(points_of.unwrapped([1, 2, 3])) + len(squares(ways)),
        functools.partial(squares, ways),
        functools.partial(model.fit, point=Point(2)),
        lambda point=Point(5): isinstance(point, Point) and points_of.unwrapped([5]) == [point],
    ]


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
        packed = start_processes.map(WAYS, pack=len(WAYS))
        sent, kept = send_tasks_to_a_process(), keep(Point(5))
        read, flow = load(pickle.dumps(Point(5))), in_a_workflow(Point(4))
        with cluster.executor() as executor:
            futures = [executor.submit(function) for function in by_value(["spawn"])]
            called = [future.result(PATIENCE) for future in futures]
        pickled, name = kept.get_result(PATIENCE)
        done = {
            "processes": packed.get_results(PATIENCE) == [[Point(1), Point(4), Point(9)]] * 3,
            "tasks to a process": sent.get_result(PATIENCE) == [Point(7)],
            "read by the script": pickle.loads(pickled) == Point(5),  # noqa: S301 - ours
            "read by a task": read.get_result(PATIENCE),
            "name": name,
            "workflow": flow.get_result(PATIENCE) == [[Point(1), Point(4), Point(9)], Point(16)],
            "by value": called == [7, {"spawn": [Point(1), Point(4), Point(9)]}, [Point(4)], True],
        }
    print(json.dumps(done))


if __name__ == "__main__":
    main()
