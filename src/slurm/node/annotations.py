"""Which parameters of a function want a context, recognised by their annotations, objects or text."""

from __future__ import annotations

import ast
import importlib
import inspect
import sys
import typing
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from slurm.node.context_names import CONTEXTS


def injected(
    function: Callable[..., Any], signature: inspect.Signature
) -> Iterator[tuple[str, type]]:
    """The parameters that are annotated as a context, each with the context's class."""
    names = getattr(inspect.unwrap(function), "__globals__", {})
    kinds = _kinds(signature)
    for name, parameter in signature.parameters.items():
        for kind in kinds:
            if _means(parameter.annotation, kind, names):
                yield name, kind


def _kinds(signature: inspect.Signature) -> list[type]:
    """The contexts that may be meant: one that nobody has imported yet can only be named in text."""
    annotations = [parameter.annotation for parameter in signature.parameters.values()]
    text = " ".join(one for one in annotations if isinstance(one, str))
    return [
        getattr(importlib.import_module(module), name)
        for name, module in CONTEXTS.items()
        if module in sys.modules or name in text
    ]


def _means(annotation: Any, kind: type, names: Mapping[str, Any]) -> bool:
    """Whether an annotation is `kind`, or `kind` and None; also as text, of which any is allowed."""
    if not isinstance(annotation, str):
        return annotation is kind or kind in typing.get_args(annotation)
    try:
        expression = ast.parse(annotation.strip(), mode="eval").body
    except SyntaxError:
        return False
    return any(_names(part, kind, names) for part in _alternatives(expression))


def _alternatives(expression: ast.expr) -> Iterator[ast.expr]:
    """The parts of ``A | B``, ``Optional[A]`` and ``Union[A, B]``; Python 3.9 evaluates no ``A | B``."""
    if isinstance(expression, ast.BinOp):
        yield from _alternatives(expression.left)
        yield from _alternatives(expression.right)
    elif isinstance(expression, ast.Subscript):
        outer = ast.unparse(expression.value).split(".")[-1]
        inner = expression.slice
        if outer in ("Optional", "Union"):
            yield from inner.elts if isinstance(inner, ast.Tuple) else [inner]
    else:
        yield expression


def _names(expression: ast.expr, kind: type, names: Mapping[str, Any]) -> bool:
    """Whether the expression is a name for `kind`: what it is bound to, else what it is called."""
    text = ast.unparse(expression)
    first, *rest = text.split(".")
    if first not in names:
        return text.split(".")[-1] == kind.__name__
    found: Any = names[first]
    for name in rest:
        found = getattr(found, name, None)
    return found is kind
