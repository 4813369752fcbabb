"""The main guard of a script: which comparisons are one, and the script's code in which none of them holds.

A job runs the user's script as ``__main__``, and yet must not begin its main part. So each comparison of ``__name__``
with that word is made with the name that the script has in processes of multiprocessing. All other uses of ``__name__``
stay as they are: ``sys.modules[__name__]``, ``getLogger(__name__)``, ``kind.__module__ == __name__``.
"""

from __future__ import annotations

import _ast
from collections.abc import Iterable, Iterator
from types import CodeType
from typing import Any

from slurm.job_dir.main_module import MAIN_NAMES, MAIN_OF_CHILDREN

SYNTAX_TREE = _ast.PyCF_ONLY_AST  # `ast` itself takes long to import
COLLECTIONS = (_ast.Tuple, _ast.List, _ast.Set)
DEFINITIONS = (_ast.FunctionDef, _ast.AsyncFunctionDef, _ast.ClassDef)


def code_without_main_part(source: bytes, path: str) -> CodeType:
    """The code of a script for a job. Raises ``SyntaxError``."""
    tree = _tree(source, path)
    for node, field, index in list(_guards(tree)):
        name = _member(node, field, index)
        other = _ast.Constant(value=MAIN_OF_CHILDREN)
        for place in ("lineno", "col_offset", "end_lineno", "end_col_offset"):
            setattr(other, place, getattr(name, place))
        if index is None:
            setattr(node, field, other)
        else:
            getattr(node, field)[index] = other
    code: CodeType = compile(tree, path, "exec", dont_inherit=True)
    return code


def has_main_guard(source: bytes, path: str = "<script>") -> bool:
    """Whether a script has a main guard; False for what is no Python.

    >>> has_main_guard(b"if __name__ == '__main__': print()"), has_main_guard(b"print(__name__)")
    (True, False)
    """
    try:
        return next(_guards(_tree(source, path)), None) is not None
    except (SyntaxError, ValueError):
        return False


def names_of_main_part(source: bytes, path: str = "<script>") -> frozenset[str]:
    """What a script defines under its main guard: functions, classes, and what is assigned there and nowhere else.

    >>> sorted(names_of_main_part(b"x = 1\\nif __name__ == '__main__':\\n    x = y = 2\\n    def f(): pass"))
    ['f', 'y']
    """
    try:
        bound = set(_bound(_tree(source, path).body, under_guard=False))
    except (SyntaxError, ValueError):
        return frozenset()
    elsewhere = {name for name, _, under_guard in bound if not under_guard}
    return frozenset(
        name
        for name, defined, under_guard in bound
        if under_guard and (defined or name not in elsewhere)
    )


def _bound(statements: Iterable[Any], *, under_guard: bool) -> Iterator[tuple[str, bool, bool]]:
    """The names that statements bind: each, whether it is defined or only assigned, and whether under a main guard."""
    for node in statements:
        if isinstance(node, DEFINITIONS):
            yield node.name, True, under_guard
            continue
        if isinstance(node, (_ast.Import, _ast.ImportFrom)):
            for alias in node.names:
                yield (alias.asname or alias.name).partition(".")[0], False, under_guard
        for target in getattr(node, "targets", [getattr(node, "target", None)]):
            if isinstance(target, _ast.Name):
                yield target.id, False, under_guard
        guarded = under_guard or _is_guard(node)
        for field in ("body", "orelse", "finalbody", "handlers", "cases"):
            yield from _bound(getattr(node, field, ()), under_guard=guarded)


def _is_guard(node: Any) -> bool:
    if isinstance(node, _ast.If):
        return next(_guards(node.test), None) is not None
    return type(node).__name__ == "Match" and _is_name(node.subject)


def _tree(source: bytes, path: str) -> Any:
    return compile(source, path, "exec", SYNTAX_TREE, dont_inherit=True)


def _guards(tree: Any) -> Iterator[tuple[Any, str, int | None]]:
    """Where ``__name__`` stands in a main guard: a node, its field, and which of the field's members."""
    left = [tree]
    while left:
        node = left.pop()
        kind = type(node).__name__
        if kind == "Compare" and any(map(_has_word, (node.left, *node.comparators))):
            places = [("left", None), *(("comparators", n) for n in range(len(node.comparators)))]
            yield from ((node, *place) for place in places if _is_name(_member(node, *place)))
        elif kind == "Match" and _is_name(node.subject):
            yield node, "subject", None
        for field in node._fields:
            value = getattr(node, field, None)
            members = value if isinstance(value, list) else [value]
            left += [one for one in members if isinstance(one, _ast.AST)]


def _member(node: Any, field: str, index: int | None) -> Any:
    value = getattr(node, field)
    return value if index is None else value[index]


def _is_name(node: Any) -> bool:
    return isinstance(node, _ast.Name) and node.id == "__name__"


def _has_word(node: Any) -> bool:
    if isinstance(node, COLLECTIONS):
        return any(map(_has_word, node.elts))
    return isinstance(node, _ast.Constant) and node.value in MAIN_NAMES
