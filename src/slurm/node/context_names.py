"""The contexts that a function may be given, and a quick check whether it may want one: `annotations` is exact."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FunctionType
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
    annotations = map(str, function.__annotations__.values())
    return any(name in annotation for annotation in annotations for name in CONTEXTS)
