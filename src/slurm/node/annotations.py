"""Which parameters of a function want a context, recognised by their annotations, objects or text.

Nothing is evaluated: other annotations may name what only type checkers know, and Python 3.9 has no ``A | None``.
"""

from __future__ import annotations

import ast
import builtins
import functools
import importlib
import inspect
import linecache
import sys
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any, ForwardRef, Union

from slurm.node.context_names import CONTEXTS

DEEPEST = 20  # names for names, and text in text: one may name itself
UNIONS = (Union, getattr(types, "UnionType", Union))


def injected(
    function: Callable[..., Any], signature: inspect.Signature
) -> Iterator[tuple[str, type]]:
    """The parameters that are annotated as a context, each with the context's class."""
    names = _globals_of(function)
    for name, parameter in signature.parameters.items():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue  # any number of them, which are the caller's
        for context in _contexts_in(parameter.annotation, names, DEEPEST):
            yield name, getattr(importlib.import_module(CONTEXTS[context]), context)


def not_found(function: Callable[..., Any], annotation: Any) -> str:
    """What in an annotation nobody can find, neither among what has run nor among the module's imports; else empty.

    >>> def train(rate: "Rate", seed: "Optional[int]"): ...
    >>> not_found(train, "Rate"), not_found(train, "int")
    ('Rate', '')
    """
    names = _globals_of(function)
    text = getattr(annotation, "__forward_arg__", annotation)
    expression = _parsed(text) if isinstance(text, str) else None
    if expression is None:
        return ""
    for part in _alternatives(expression, names):
        if isinstance(part, ast.Constant) and isinstance(part.value, str):
            inner = not_found(function, part.value)
            if inner:
                return inner
        path = _dotted(part)
        known = path and (path[0] in names or hasattr(builtins, path[0]))
        if path and not known and path[0] not in _imports_of(names):
            return ".".join(path)
    return ""


def _imports_of(names: Mapping[str, Any]) -> Mapping[str, str]:
    """What the source of a module imports outside of functions, under ``if TYPE_CHECKING`` too: names and what is meant."""
    file = names.get("__file__")
    if not isinstance(file, str):
        return {}
    return _imports_in("".join(linecache.getlines(file, dict(names))))


@functools.lru_cache(maxsize=16)
def _imports_in(source: str) -> Mapping[str, str]:
    found: dict[str, str] = {}
    try:
        left: list[ast.AST] = [ast.parse(source)]
    except (SyntaxError, ValueError, RecursionError, MemoryError):  # as ast.parse documents
        return found
    while left:
        node = left.pop()
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            module = getattr(node, "module", None) or ""
            for alias in node.names:
                name = alias.asname or alias.name.partition(".")[0]
                found[name] = f"{module}.{alias.name}"
        elif isinstance(node, (ast.Module, ast.If, ast.Try, ast.ExceptHandler, ast.With)):
            left += ast.iter_child_nodes(node)
    return found


def _globals_of(function: Any) -> Mapping[str, Any]:
    """What names mean where the function was written that its signature is of."""
    for _ in range(DEEPEST):
        if isinstance(function, functools.partial):
            function = function.func
        elif hasattr(function, "__wrapped__"):
            function = function.__wrapped__
        elif not hasattr(function, "__globals__"):
            function = getattr(
                function, "__init__" if isinstance(function, type) else "__call__", None
            )
    names: Mapping[str, Any] = getattr(function, "__globals__", {})
    return names


def _contexts_in(annotation: Any, names: Mapping[str, Any], depth: int) -> Iterator[str]:
    """The contexts by name that an annotation means: as it is, in a union, or with remarks (``Annotated``)."""
    if depth == 0:
        return
    if isinstance(annotation, str):
        expression = _parsed(annotation)
        if expression is not None:
            yield from _contexts_in_text(expression, names, depth - 1)
        return
    yield from (name for name in CONTEXTS if _is_loaded(name, annotation))
    for part in _parts_of(annotation):
        yield from _contexts_in(part, names, depth - 1)


def _is_loaded(name: str, annotation: Any) -> bool:
    module = sys.modules.get(CONTEXTS[name])  # what nobody has imported cannot be meant
    return module is not None and annotation is getattr(module, name, module)


def _parts_of(annotation: Any) -> tuple[Any, ...]:
    """What an annotation is made of that is an object, as far as a context may stand there."""
    if type(annotation).__name__ == "TypeAliasType":  # ``type Alias = ...``, or typing_extensions'
        try:
            return (annotation.__value__,)
        except NameError:  # it is evaluated only now
            return ()
    if isinstance(annotation, ForwardRef):  # in Optional["JobContext"], say
        return (annotation.__forward_arg__,)
    origin = typing.get_origin(annotation)
    if any(origin is union for union in UNIONS):
        return typing.get_args(annotation)
    return typing.get_args(annotation)[:1] if origin is Annotated else ()


def _parsed(text: str) -> ast.expr | None:
    try:
        return ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):  # as ast.parse documents
        return None


def _contexts_in_text(expression: ast.expr, names: Mapping[str, Any], depth: int) -> Iterator[str]:
    for part in _alternatives(expression, names):
        if isinstance(part, ast.Constant):
            if isinstance(
                part.value, str
            ):  # quotes inside of quotes, as those of ``from __future__``
                yield from _contexts_in(part.value, names, depth)
            continue
        known, meant = _found(part, names)
        if known:
            yield from _contexts_in(meant, names, depth)
        elif _last_name(part) in CONTEXTS:
            yield _last_name(part)
        elif isinstance(part, ast.Name):
            module, _, name = _imports_of(names).get(part.id, "").rpartition(".")
            if name in CONTEXTS and module.partition(".")[0] == "slurm":
                yield name


def _alternatives(expression: ast.expr, names: Mapping[str, Any]) -> Iterator[ast.expr]:
    """The parts of ``A | B``, ``Optional[A]``, ``Union[A, B]`` and ``Annotated[A, ...]``, whatever those are called here."""
    if isinstance(expression, ast.BinOp):
        yield from _alternatives(expression.left, names)
        yield from _alternatives(expression.right, names)
    elif isinstance(expression, ast.Subscript):
        outer, inner = expression.value, expression.slice
        parts = inner.elts if isinstance(inner, ast.Tuple) else [inner]
        if _is_form(outer, "Annotated", names):
            parts = parts[:1]
        elif not any(_is_form(outer, form, names) for form in ("Optional", "Union")):
            return
        for part in parts:
            yield from _alternatives(part, names)
    else:
        yield expression


def _is_form(expression: ast.expr, form: str, names: Mapping[str, Any]) -> bool:
    known, meant = _found(expression, names)
    return meant is getattr(typing, form) if known else _last_name(expression) == form


def _found(expression: ast.expr, names: Mapping[str, Any]) -> tuple[bool, Any]:
    """Whether a name, or one of its attributes, means anything here, and what."""
    path = _dotted(expression)
    if not path or path[0] not in names:
        return False, None
    found = names[path[0]]
    for name in path[1:]:
        try:
            found = getattr(found, name)
        except AttributeError:  # slurm.workflow is a decorator, and for type checkers a module
            return False, None
    return True, found


def _dotted(expression: ast.expr) -> list[str]:
    """``a.b.c`` as its names; empty for anything else."""
    if isinstance(expression, ast.Name):
        return [expression.id]
    if isinstance(expression, ast.Attribute):
        before = _dotted(expression.value)
        return [*before, expression.attr] if before else []
    return []


def _last_name(expression: ast.expr) -> str:
    return (_dotted(expression) or [""])[-1]
