"""Arguments on their way to the node: what survives, and jobs that become their results."""

from __future__ import annotations

import collections
import dataclasses
import enum
import threading
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import hypothesis
import hypothesis.strategies as st
import pytest

from slurm.errors import SerializationError
from slurm.job_dir.arguments import dump_arguments, load_arguments
from slurm.job_dir.main_module import MainModule
from slurm.job_dir.payload import FunctionReference, Payload, dump_payload, load_payload
from slurm.job_dir.placeholder import JobResultPlaceholder


class FakeJob:
    """What a test passes where a user passes a Job; refuses to be pickled as itself."""

    def __init__(self, id: str) -> None:
        self.id = id

    def __reduce__(self) -> Any:
        raise AssertionError("a job was pickled")


class Point(NamedTuple):
    x: Any
    y: Any


@dataclasses.dataclass
class Plain:
    data: Any


@dataclasses.dataclass(frozen=True)
class Frozen:
    data: Any
    more: Any = ()


class Slotted:
    __slots__ = ("data",)

    def __init__(self, data: Any) -> None:
        self.data = data


class Custom:
    def __init__(self, data: Any) -> None:
        self.kept = {"deep": [data]}


class Reduced:
    """Pickled by the author's own recipe."""

    def __init__(self, data: Any) -> None:
        self.data = data

    def __reduce__(self) -> Any:
        return Reduced, (self.data,)


class Colour(enum.Enum):
    RED = 1


def numbers() -> Iterator[int]:
    yield 1


def placeholder_of(value: Any) -> JobResultPlaceholder | None:
    return JobResultPlaceholder(value.id, f"/jobs/{value.id}") if type(value) is FakeJob else None


def sent(*args: Any, **kwargs: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The call as the node sees it, every job as the text ``result of <id>``."""
    data, _ = dump_arguments(args, kwargs, placeholder_of)
    return load_arguments(data, lambda p: f"result of {p.job_id} in {p.job_dir}")


RESULT = "result of 5 in /jobs/5"


@pytest.mark.parametrize(
    ("wrap", "unwrap"),
    [
        pytest.param(lambda j: j, lambda v: v, id="bare"),
        pytest.param(lambda j: [1, [j]], lambda v: v[1][0], id="list"),
        pytest.param(lambda j: (1, (j,)), lambda v: v[1][0], id="tuple"),
        pytest.param(lambda j: {"a": {"b": j}}, lambda v: v["a"]["b"], id="dict"),
        pytest.param(lambda j: {j: 1}, lambda v: next(iter(v)), id="dictionary key"),
        pytest.param(lambda j: {j}, lambda v: next(iter(v)), id="set"),
        pytest.param(lambda j: Point(0, [j]), lambda v: v.y[0], id="namedtuple"),
        pytest.param(lambda j: Plain([j]), lambda v: v.data[0], id="dataclass"),
        pytest.param(lambda j: Frozen({"a": j}), lambda v: v.data["a"], id="frozen dataclass"),
        pytest.param(Slotted, lambda v: v.data, id="slots"),
        pytest.param(Custom, lambda v: v.kept["deep"][0], id="custom object"),
        pytest.param(lambda j: Reduced([j]), lambda v: v.data[0], id="custom recipe"),
        pytest.param(lambda j: collections.deque([j]), lambda v: v[0], id="deque"),
        pytest.param(
            lambda j: collections.OrderedDict(a=j), lambda v: v["a"], id="ordered dictionary"
        ),
    ],
)
def test_a_job_arrives_as_its_result_at_any_depth(
    wrap: Callable[[Any], Any], unwrap: Callable[[Any], Any]
) -> None:
    job = FakeJob("5")
    (positional,), keywords = sent(wrap(job), key=wrap(job))
    assert unwrap(positional) == RESULT
    assert unwrap(keywords["key"]) == RESULT


def test_containers_keep_their_types() -> None:
    (point, plain, frozen, deque), _ = sent(
        Point(FakeJob("5"), 2), Plain(FakeJob("5")), Frozen(1), collections.deque([1], maxlen=2)
    )
    assert point == Point(RESULT, 2)
    assert isinstance(point, Point)
    assert plain == Plain(RESULT)
    assert frozen == Frozen(1)
    assert deque.maxlen == 2


def test_the_same_job_twice_is_loaded_once() -> None:
    loaded: list[str] = []

    def load(placeholder: JobResultPlaceholder) -> Any:
        loaded.append(placeholder.job_id)
        return [placeholder.job_id]

    job = FakeJob("5")
    data, _ = dump_arguments((job, [job], FakeJob("5")), {"k": {"deep": job}}, placeholder_of)
    (first, (second,), third), keywords = load_arguments(data, load)
    assert loaded == ["5"]
    assert first is second
    assert first is third
    assert first is keywords["k"]["deep"]


def test_a_function_by_value_may_come_with_a_job() -> None:
    offset = 3
    (function, result), _ = sent(lambda n: n + offset, FakeJob("5"))
    assert function(4) == 7
    assert result == RESULT


def test_a_job_inside_what_only_cloudpickle_can_send_is_found() -> None:
    class Local:
        def __init__(self, data: Any) -> None:
            self.data = data

    data, by_value = dump_arguments((Local(FakeJob("5")),), {}, placeholder_of)
    (local,), _ = load_arguments(data, lambda p: "result")
    assert by_value
    assert local.data == "result"


def test_what_pickle_can_send_does_not_go_by_value() -> None:
    assert dump_arguments((Plain(1), Colour.RED, len), {"k": None}, placeholder_of)[1] is False


@pytest.mark.parametrize("argument", [threading.Lock(), numbers(), [threading.Lock()]])
def test_an_argument_that_cannot_be_pickled_is_a_serialization_error(argument: Any) -> None:
    with pytest.raises(SerializationError, match=r"argument.*cannot.*pickle"):
        dump_arguments((argument,), {}, placeholder_of)


def test_an_argument_that_raises_while_pickled_is_a_serialization_error() -> None:
    class Refuses:
        def __reduce__(self) -> Any:
            raise KeyError("no way")

    with pytest.raises(SerializationError, match="no way"):
        dump_arguments((Refuses(),), {}, placeholder_of)


def test_an_argument_nested_too_deep_is_a_serialization_error() -> None:
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(SerializationError):
        dump_arguments((deep,), {}, placeholder_of)
    while deep:  # or the interpreter recurses when it frees them
        deep = deep[0]


names = st.text("abc_é", max_size=3)
plain_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3) | st.floats(allow_nan=False),
    lambda inner: st.lists(inner, max_size=3) | st.tuples(inner) | st.dictionaries(names, inner),
    max_leaves=6,
)


@hypothesis.given(
    st.lists(plain_values, max_size=3), st.dictionaries(names, plain_values, max_size=3)
)
def test_plain_values_arrive_as_they_were(args: list[Any], kwargs: dict[str, Any]) -> None:
    assert sent(*args, **kwargs) == (tuple(args), kwargs)


def test_a_payload_is_read_as_it_was_written() -> None:
    payload = Payload(
        FunctionReference("script", "__main__", "train"),
        b"arguments",
        MainModule(path="script.py"),
        ("/home/me/lib",),
        {"backend_type": "slurm", "submit": {"mem": "1G"}},
    )
    assert load_payload(dump_payload(payload)) == payload


def test_a_payload_without_a_main_module_has_none() -> None:
    payload = Payload(FunctionReference("module", "m", "f"), b"")
    assert load_payload(dump_payload(payload)).main is None
