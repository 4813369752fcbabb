"""The contexts that a function may be given, and a quick check whether it may want one: `annotations` is exact."""

from __future__ import annotations

import builtins
import sys
from collections.abc import Callable, Iterator
from types import FunctionType, ModuleType
from typing import Any

CONTEXTS = {"JobContext": "slurm.runtime", "WorkflowContext": "slurm.workflow"}


def may_want_context(function: Callable[..., Any]) -> bool:
    """Whether a parameter may be annotated as one of `CONTEXTS`; False only where plainly none is.

    What nobody has imported can be named in text alone.

    >>> def train(rate: float) -> float: ...
    >>> def evaluate(job: "JobContext") -> float: ...
    >>> may_want_context(evaluate)
    True
    """
    if any(module in sys.modules for module in CONTEXTS.values()):
        return True
    if not isinstance(function, FunctionType) or hasattr(function, "__wrapped__"):
        return True
    try:
        return any(name in text for text in _texts_of(function) for name in CONTEXTS)
    except Exception:  # noqa: BLE001 - of any type's __repr__; and Python 3.14 evaluates annotations only now
        return True


def _texts_of(function: FunctionType) -> Iterator[str]:
    """What is written in annotations, and in the aliases that are named there."""
    for annotation in function.__annotations__.values():
        text = str(annotation)
        yield text
        for word in text.replace(".", " ").replace("[", " ").replace("]", " ").split():
            name = word.strip("'\",|")
            meant = function.__globals__.get(name)
            if meant is not None and not isinstance(meant, (type, ModuleType, FunctionType)):
                yield str(meant)
            elif meant is None and name.isidentifier() and not hasattr(builtins, name):
                yield from CONTEXTS  # a name for one, which only type checkers import
