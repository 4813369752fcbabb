"""Whether a call fits its function: the same answer for calls that are told at a glance as for those that are bound."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

import pytest

from slurm import JobContext
from slurm.node.binding import CallBinder


def no_parameters() -> None: ...
def plain(a: int, b: int) -> None: ...
def defaults(a: int, b: int = 2) -> None: ...
def any_number(a: int, *more: int) -> None: ...
def positional_only(a: int, b: int = 2, /, c: int = 3) -> None: ...
def keyword_only(a: int, *, b: int) -> None: ...
def optional_keyword(a: int, *, b: int = 2) -> None: ...
def any_keywords(a: int = 1, **more: int) -> None: ...


FUNCTIONS: list[Callable[..., Any]] = [
    no_parameters,
    plain,
    defaults,
    any_number,
    positional_only,
    keyword_only,
    optional_keyword,
    any_keywords,
    len,
]


def refusal(call: Callable[[], object]) -> str:
    """What is said of a call that does not fit; empty where it does."""
    try:
        call()
    except TypeError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda one: one.__name__)
@pytest.mark.parametrize("kwargs", [{}, {"b": 1}, {"other": 1}], ids=str)
def test_a_call_is_refused_where_python_would_refuse_it(
    function: Callable[..., Any], kwargs: dict[str, int]
) -> None:
    binder, signature = CallBinder(function), inspect.signature(function)
    for count in range(5):
        args = (0,) * count
        said = refusal(functools.partial(signature.bind, *args, **kwargs))
        assert refusal(functools.partial(binder.check, args, kwargs)) == said


def test_what_the_job_fills_in_is_not_to_be_given() -> None:
    def first(ctx: JobContext, number: int, /) -> None: ...
    def last(number: int, *, ctx: JobContext) -> None: ...

    for function in (first, last):
        binder = CallBinder(function)
        binder.check((1,), {})
        with pytest.raises(TypeError, match="missing a required"):
            binder.check((), {})
        with pytest.raises(TypeError, match=r"too many.*: leave out ctx, which the job fills in"):
            binder.check((1, 2), {})
    CallBinder(last).check((1,), {"ctx": None})
