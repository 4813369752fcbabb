"""What keeps a value from being pickled, and the way to it: ``args[0].model.lock``. Loaded when something cannot be.

The search asks of each part of a value whether it can be pickled by itself, and goes on in the first that cannot;
it takes the parts that pickle would take.
"""

from __future__ import annotations

import functools
import types
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

PROTOCOL = 4
MOST = 2000  # parts that are asked about, at most
LONGEST_WAY = 200
LONGEST_KEY = 60  # characters of a key in a way

Part = tuple[str, Any]


class Advice(NamedTuple):
    """What to do about a value that cannot be pickled: among the `arguments` of a call, and in a `result`."""

    arguments: str
    result: str


INSIDE = Advice("make it inside the task", "leave it out of what the task returns")
OTHERWISE = Advice(
    f"{INSIDE.arguments}, or have its class leave it out (__getstate__)",
    f"{INSIDE.result}, or have its class leave it out (__getstate__)",
)
AS_LIST = Advice("give a list instead: list(...)", "return a list instead: list(...)")
AWAITED = Advice("await it, and give what it returns", "await it, and return what it returns")
AS_PATH = Advice("give its path, and open it inside the task", "return its path instead")
AS_ADDRESS = Advice("give the address, and connect inside the task", INSIDE.result)
OF_THE_CLIENT = Advice(
    "make the function a @workflow, which has a cluster of its own: ctx.cluster", INSIDE.result
)
# The first that fits: a type's module and name begin so. Nobody looks into such a value.
ADVICE: tuple[tuple[str, Advice], ...] = (
    *(
        (f"{module}.", INSIDE)
        for module in ("_thread", "threading", "queue", "_queue", "selectors")
    ),
    *((f"{module}.", INSIDE) for module in ("multiprocessing", "_multiprocessing", "concurrent")),
    *(
        (f"slurm.{name}", OF_THE_CLIENT)
        for name in ("cluster.", "workflow.", "executor.", "submit.batch.")
    ),
    ("builtins.generator", AS_LIST),
    ("builtins.async_generator", AS_LIST),
    ("builtins.coroutine", AWAITED),
    ("_asyncio.", AWAITED),
    ("asyncio.", INSIDE),
    ("_io.", AS_PATH),
    ("socket.", AS_ADDRESS),
    ("ssl.", AS_ADDRESS),
    ("sqlite3.", AS_PATH),
    ("subprocess.", INSIDE),
)


class Culprit(NamedTuple):
    """A value that cannot be pickled, the `way` to it, and the error that says so."""

    way: str
    value: Any
    error: BaseException

    def in_words(self, *, in_result: bool = False) -> str:
        """One line: which it is, of which type, why that cannot be pickled, and what to do."""
        name = _type_name(self.value)
        shown = name.partition("builtins.")[2] or name
        said = " ".join(f"{self.error}".split()) or type(self.error).__name__
        says_no_more = [
            f"cannot pickle {one!r} object" for one in (shown, type(self.value).__name__)
        ]
        why = "" if said in says_no_more else f" ({said})"
        article = "an" if shown.lstrip("_")[:1].lower() in "aeio" else "a"
        advice = _advice_on(name) or OTHERWISE
        what_to_do = advice.result if in_result else advice.arguments
        way = self.way
        if len(way) > LONGEST_WAY:
            way = f"{way[: LONGEST_WAY // 2]}...{way[-LONGEST_WAY // 2 :]}"
        return f"{way} is {article} {shown}{why}: {what_to_do}"


def _type_name(value: Any) -> str:
    return f"{type(value).__module__}.{type(value).__qualname__}"


def _advice_on(name: str) -> Advice | None:
    return next((advice for prefix, advice in ADVICE if name.startswith(prefix)), None)


def culprit_in(value: Any, way: str, dump: Callable[[Any], object]) -> Culprit | None:
    """The innermost part of `value`, reached by `way`, that `dump` fails for; None where it fails for none."""
    return _Search(dump).culprit_in(value, way)


class _Search:
    def __init__(self, dump: Callable[[Any], object]) -> None:
        self._dump = dump
        self._left = MOST
        self._seen: dict[int, Any] = {}  # by identity; kept, so that no other gets it meanwhile

    def culprit_in(self, value: Any, way: str) -> Culprit | None:
        error = self._failure_of(value)
        if error is None:
            return None
        found = Culprit(way, value, error)
        while not _advice_on(_type_name(found.value)):
            inner = self._first_that_fails(found)
            if inner is None:
                break
            found = inner
        return found

    def _first_that_fails(self, outer: Culprit) -> Culprit | None:
        for step, part in _parts_of(outer.value):
            if self._left <= 0:
                return None
            if id(part) in self._seen:
                continue
            self._seen[id(part)] = part
            error = self._failure_of(part)
            if error is not None:
                return Culprit(outer.way + step, part, error)
        return None

    def _failure_of(self, value: Any) -> BaseException | None:
        self._left -= 1
        try:
            self._dump(value)
        except Exception as error:  # noqa: BLE001 - what cannot be pickled may say so in any way
            return error
        return None


def _parts_of(value: Any) -> Iterator[Part]:
    """What pickle would take `value` apart into, each with the step to it."""
    for kind, parts in KINDS:
        if isinstance(value, kind):
            yield from parts(value)
            break
    if not isinstance(value, (types.FunctionType, type)):
        yield from _of_object(value)
        yield ".__class__", type(value)


def _of_sequence(value: Any) -> Iterator[Part]:
    names = getattr(value, "_fields", None) if isinstance(value, tuple) else None
    for index, part in enumerate(value):
        yield f".{names[index]}" if names else f"[{index}]", part


def _of_set(value: Any) -> Iterator[Part]:
    return ((f"{{{_shown(part)}}}", part) for part in value)


def _of_method(value: types.MethodType) -> Iterator[Part]:
    yield ".__self__", value.__self__
    yield ".__func__", value.__func__


def _of_partial(value: functools.partial[Any]) -> Iterator[Part]:
    yield ".func", value.func
    yield from _under(".args", _parts_of(value.args))
    yield from _under(".keywords", _parts_of(value.keywords))


def _of_class(value: type) -> Iterator[Part]:
    parts = list(vars(value).items())
    return ((f".{name}", part) for name, part in parts if name not in ("__dict__", "__weakref__"))


def _of_mapping(value: Mapping[Any, Any]) -> Iterator[Part]:
    for key, part in list(value.items()):
        yield f"[{_shown(key)}]", part
    for key in list(value):
        yield f" key {_shown(key)}", key


def _of_function(function: types.FunctionType) -> Iterator[Part]:
    """What goes along with a function that is sent by value."""
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or ()):
        try:
            yield f".__closure__[{name!r}]", cell.cell_contents
        except ValueError:
            continue  # it has no value yet
    for step, defaults in (
        (".__defaults__", function.__defaults__ or ()),
        (".__kwdefaults__", function.__kwdefaults__ or {}),
    ):
        yield from _under(step, _parts_of(defaults))
    for name in _names_in(function.__code__):
        if name in function.__globals__:
            yield f".__globals__[{name!r}]", function.__globals__[name]


def _names_in(code: types.CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _names_in(constant)


def _of_object(value: Any) -> Iterator[Part]:
    """The parts that its own ``__reduce_ex__`` names; nothing where that fails: then it is the culprit."""
    try:
        reduced = value.__reduce_ex__(PROTOCOL)
    except Exception:  # noqa: BLE001 - the user's, and may raise anything
        return
    if not isinstance(reduced, tuple) or len(reduced) < 2:
        return
    _, arguments, state, *items = (*reduced, None, None, None)[:5]
    for part in _states(state):
        yield from _named(part)
    attributes = {id(part): name for name, part in _attributes(value)}
    for part in arguments if isinstance(arguments, tuple) else ():
        if id(part) in attributes:
            yield f".{attributes[id(part)]}", part
        elif not isinstance(part, type):
            yield "", part
    listed, mapped = (*items, None, None)[:2]
    if listed is not None and not isinstance(value, list):
        yield from ((f"[{index}]", part) for index, part in enumerate(listed))
    if mapped is not None and not isinstance(value, dict):
        yield from ((f"[{_shown(key)}]", part) for key, part in mapped)


def _states(state: Any) -> tuple[Any, ...]:
    """The state of an object, or that of its ``__dict__`` and that of its slots."""
    both = isinstance(state, tuple) and len(state) == 2
    return state if both and all(s is None or isinstance(s, dict) for s in state) else (state,)


def _named(state: Any) -> Iterator[Part]:
    if isinstance(state, dict):
        yield from ((f".{name}", part) for name, part in state.items())
    elif state is not None:
        yield "", state


def _attributes(value: Any) -> Iterator[Part]:
    yield from getattr(value, "__dict__", {}).items()
    for kind in type(value).__mro__:
        slots = vars(kind).get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            if hasattr(value, name):
                yield name, getattr(value, name)


def _under(step: str, parts: Iterator[Part]) -> Iterator[Part]:
    return ((step + inner, part) for inner, part in parts)


def _shown(key: Any) -> str:
    if isinstance(key, (str, int, float, bytes, bool, type(None))):
        text = repr(key)
    else:
        text = f"<{type(key).__qualname__}>"
    return text if len(text) <= LONGEST_KEY else f"{text[:LONGEST_KEY]}..."


KINDS: tuple[tuple[Any, Callable[[Any], Iterator[Part]]], ...] = (
    ((list, tuple), _of_sequence),
    ((set, frozenset), _of_set),
    (dict, _of_mapping),
    (types.MethodType, _of_method),
    (functools.partial, _of_partial),
    (types.FunctionType, _of_function),
    (type, _of_class),
)
