"""The call of a function, with the parameters filled in that are filled in on the node."""

from __future__ import annotations

import inspect
import math
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from slurm.node.annotations import injected, not_found
from slurm.node.context_names import CONTEXTS

MISSING = re.compile(r"missing a required .*'(\w+)'")

_UNEVALUATED: dict[str, Any] = {}
if sys.version_info >= (
    3,
    14,
):  # annotations are evaluated when somebody asks, and may not be able to
    import annotationlib  # novm

    _UNEVALUATED["annotation_format"] = annotationlib.Format.FORWARDREF  # novm


class CallBinder:
    """Binds a call's arguments to a function, leaving out the parameters that are filled in on the node.

    `injected`: parameter name -> `JobContext` or `WorkflowContext`, for parameters annotated so.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        self.signature: inspect.Signature = _signature_of(function)
        self.injected: dict[str, type] = dict(injected(function, self.signature))
        self._without: dict[tuple[str, ...], inspect.Signature] = {}
        self._fewest, self._most = _positional(self._signature({}))

    def check(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
        """Raises ``TypeError`` when the function cannot be called like this."""
        if kwargs or not self._fewest <= len(args) <= self._most:
            self._given(args, kwargs)

    def _signature(self, kwargs: Mapping[str, Any]) -> inspect.Signature:
        """That of the function as it is called with such keywords: without the parameters that are filled in."""
        left_out = tuple(name for name in self.injected if name not in kwargs)
        if left_out not in self._without:
            of = self.signature.parameters.items()
            kept = [parameter for name, parameter in of if name not in left_out]
            self._without[left_out] = self.signature.replace(parameters=_defaults_last(kept))
        return self._without[left_out]

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
        try:
            return self._signature(kwargs).bind(*args, **kwargs)
        except TypeError as error:
            missing = MISSING.match(str(error))
            if missing:
                self._refuse_what_is_not_found(error, missing[1])
            left_out = [name for name in self.injected if name not in kwargs]
            if not left_out or "too many positional" not in str(error):
                raise
            raise TypeError(
                f"{error}: leave out {' and '.join(left_out)}, which the job fills in"
            ) from None

    def _refuse_what_is_not_found(self, error: TypeError, parameter: str) -> None:
        """Raises ``TypeError`` where a missing argument may have been annotated as a context, under an unknown name."""
        unknown = not_found(self._function, self.signature.parameters[parameter].annotation)
        if unknown:
            raise TypeError(
                f"{error}. Nothing is called {unknown!r}, its annotation, when the program runs: if that is a context, "
                'import it at the top of the module, or write "WorkflowContext" or "JobContext"'
            ) from None


def _signature_of(function: Callable[..., Any]) -> inspect.Signature:
    """The function's signature; that of any call where it does not tell, as many built-in ones do not."""
    try:
        return inspect.signature(function, **_UNEVALUATED)
    except ValueError:
        args = inspect.Parameter("args", inspect.Parameter.VAR_POSITIONAL)
        kwargs = inspect.Parameter("kwargs", inspect.Parameter.VAR_KEYWORD)
        return inspect.Signature([args, kwargs])


def _positional(signature: inspect.Signature) -> tuple[float, float]:
    """How few and how many arguments a call without keywords may have; more than any where it needs keywords."""
    fewest = most = 0.0
    for parameter in signature.parameters.values():
        required = parameter.default is inspect.Parameter.empty
        if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD):
            fewest += required
            most += 1
        elif parameter.kind is parameter.VAR_POSITIONAL:
            most = math.inf
        elif parameter.kind is parameter.KEYWORD_ONLY and required:
            fewest = math.inf
    return fewest, most


def _defaults_last(parameters: list[inspect.Parameter]) -> list[inspect.Parameter]:
    """Parameters with their context taken out, in an order that a signature accepts."""
    return sorted(
        parameters, key=lambda p: (p.kind, p.kind <= 1 and p.default is not inspect.Parameter.empty)
    )
