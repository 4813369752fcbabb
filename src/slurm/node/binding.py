"""Which parameters of a function are filled in on the node, and the call that results."""

from __future__ import annotations

import ast
import importlib
import inspect
import sys
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from slurm.node.annotations import CONTEXTS


class CallBinder:
    """Binds a call's arguments to a function, leaving out the parameters that are filled in on the node.

    `injected`: parameter name -> `JobContext` or `WorkflowContext`, for parameters annotated so.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self.signature: inspect.Signature = _signature_of(function)
        self.injected: dict[str, type] = dict(_injected(function, self.signature))

    def check(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
        """Raises ``TypeError`` when the function cannot be called like this."""
        self._given(args, kwargs)

    def needs_workflow(self) -> bool:
        """Whether a `WorkflowContext` must be filled in: a parameter for one has no default."""
        return any(
            kind.__module__ == CONTEXTS["WorkflowContext"]
            and self.signature.parameters[name].default is inspect.Parameter.empty
            for name, kind in self.injected.items()
        )

    def bind(
        self, args: Sequence[Any], kwargs: Mapping[str, Any], contexts: Mapping[type, Any]
    ) -> inspect.BoundArguments:
        """The whole call, with a context from `contexts` for every parameter that wants one."""
        given = self._given(args, kwargs).arguments
        filled = {
            name: contexts[kind]
            for name, kind in self.injected.items()
            if name not in given and contexts.get(kind) is not None
        }
        order = [name for name in self.signature.parameters if name in given or name in filled]
        bound = self.signature.bind_partial()
        bound.arguments.update((n, given[n] if n in given else filled[n]) for n in order)
        bound.apply_defaults()  # a positional argument may stand behind one that was left out
        return bound

    def _given(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> inspect.BoundArguments:
        kept = [
            parameter
            for name, parameter in self.signature.parameters.items()
            if name not in self.injected or name in kwargs
        ]
        return self.signature.replace(parameters=_defaults_last(kept)).bind(*args, **kwargs)


def _signature_of(function: Callable[..., Any]) -> inspect.Signature:
    """The function's signature; that of any call where it does not tell, as many built-in ones do not."""
    try:
        return inspect.signature(function)
    except ValueError:
        args = inspect.Parameter("args", inspect.Parameter.VAR_POSITIONAL)
        kwargs = inspect.Parameter("kwargs", inspect.Parameter.VAR_KEYWORD)
        return inspect.Signature([args, kwargs])


def _defaults_last(parameters: list[inspect.Parameter]) -> list[inspect.Parameter]:
    """Parameters with their context taken out, in an order that a signature accepts."""
    return sorted(
        parameters, key=lambda p: (p.kind, p.kind <= 1 and p.default is not inspect.Parameter.empty)
    )


def _injected(
    function: Callable[..., Any], signature: inspect.Signature
) -> Iterator[tuple[str, type]]:
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
