"""Public docstrings: each has an example, which runs as a doctest, and names the errors that its code raises."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Iterator
from typing import Any

import slurm
from slurm import config, errors, options, states

PURE = (config, options, states)
SPECIAL = ("__await__", "__call__", "__getitem__", "__len__")
WITHOUT_EXAMPLE = {
    "ArrayJob.holds_others_back": "for a submission",
    "Cluster.children_config": "for the job of a workflow",
    "Cluster.event_dir": "for the tracker and the runner",
    "Cluster.map_call": "what a task calls",
    "Cluster.place": "for comparing dependencies",
    "Cluster.submit_array": "what an array calls",
    "Cluster.submit_call": "what a task calls",
    "Cluster.tracker": "what completes futures",
    "Job.holds_others_back": "for a submission",
    "Job.ids": "for dependencies",
    "WorkflowContext.map_call": "what a task calls",
    "WorkflowContext.submit_call": "what a task calls",
    "config.load": "for cluster_arguments, which has one",
    "options.InvalidOption": "see errors.SlurmError",
    "states.JobStatus": "see states.reduce",
    "states.JobStatus.never_starts": "for the tracker",
    "states.Observation": "see states.reduce",
}


def public() -> Iterator[tuple[str, Any]]:
    """What users reach: the exported names, the root of the errors, and modules of pure functions, with all members."""
    for name in slurm.__all__:
        if name != "__version__":
            yield from with_members(name, getattr(slurm, name))
    yield "errors.SlurmError", errors.SlurmError
    for module in PURE:
        for name, value in vars(module).items():
            mine = getattr(value, "__module__", None) == module.__name__
            if mine and not name.startswith("_") and callable(value):
                yield from with_members(f"{module.__name__.split('.')[-1]}.{name}", value)


def with_members(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    yield name, value
    if inspect.isclass(value):
        for member, content in vars(value).items():
            function = function_of(content)
            if function is not None and (not member.startswith("_") or member in SPECIAL):
                yield f"{name}.{member}", function


def function_of(content: Any) -> Any:
    """The function behind a method, class method or property; None for anything else."""
    content = getattr(content, "__func__", getattr(content, "fget", content))
    return content if inspect.isfunction(content) else None


PUBLIC = dict(public())


def doc(name: str) -> str:
    value = PUBLIC[name]
    inherits = inspect.isfunction(value)  # an overridden method does what the one above it says
    return (inspect.getdoc(value) if inherits else value.__doc__) or ""


def test_public_docstrings_have_examples() -> None:
    assert [name for name in PUBLIC if ">>>" not in doc(name) and name not in WITHOUT_EXAMPLE] == []


def test_what_has_no_example_is_there_and_needs_none() -> None:
    assert [name for name in WITHOUT_EXAMPLE if name not in PUBLIC or ">>>" in doc(name)] == []


def test_public_docstrings_name_the_errors_their_code_raises() -> None:
    functions = {name: value for name, value in PUBLIC.items() if inspect.isfunction(value)}
    unnamed = {
        name: errors_raised_in(value) - words(doc(name)) for name, value in functions.items()
    }
    assert {name: kinds for name, kinds in unnamed.items() if kinds} == {}


def errors_raised_in(function: Any) -> set[str]:
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    raised = [node.exc for node in ast.walk(tree) if isinstance(node, ast.Raise)]
    made = [ast.unparse(one.func).split(".")[-1] for one in raised if isinstance(one, ast.Call)]
    return {name for name in made if name[0].isupper()}


def words(text: str) -> set[str]:
    return set(re.findall(r"\w+", text))
