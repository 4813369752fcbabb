"""The main guard of a script: which comparisons are one, and the script's code in which none of them holds.

A job runs the user's script as ``__main__``, and yet must not begin its main part. So each comparison of ``__name__``
with that word is made with the name that the script has in processes of multiprocessing. All other uses of ``__name__``
stay as they are: ``sys.modules[__name__]``, ``getLogger(__name__)``, ``kind.__module__ == __name__``.
"""

from __future__ import annotations

import _ast
from collections.abc import Iterator
from types import CodeType
from typing import Any

from slurm.job_dir.main_module import MAIN_NAMES, MAIN_OF_CHILDREN

SYNTAX_TREE = _ast.PyCF_ONLY_AST  # `ast` itself takes long to import
COLLECTIONS = (_ast.Tuple, _ast.List, _ast.Set)


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
