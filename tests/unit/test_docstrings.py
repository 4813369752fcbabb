"""Public docstrings: each has an example, which runs as a doctest, and names the errors that its code raises."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Iterator
from typing import Any

import slurm
from slurm import callbacks, errors, executor, packaging, states
from slurm.api import base, requests
from slurm.config import slurmfile
from slurm.sbatch import options

OWN = (slurmfile, options, states, errors, base, requests)
EXPORTING = (packaging, callbacks)
SPECIAL = ("__await__", "__call__", "__getitem__", "__len__")
ONLY_A_NAME = (
    *("TransportError", "HostKeyError", "AuthenticationFailed", "SchedulerUnreachable"),
    *("SerializationError", "SubmissionRefused"),
    *("RemoteFileMissing", "JobCancelled", "JobTimeout", "JobOutOfMemory", "JobNodeFailed"),
    *("JobPreempted", "JobLost", "ResultMissing", "ResultCorrupted", "ResultNotSerializable"),
    *("ResultNotLoadable", "ResultTooLarge"),
)
WITHOUT_EXAMPLE = {
    **{f"errors.{name}": "made and caught like the one it derives from" for name in ONLY_A_NAME},
    "ArrayJob.placeholder": "for a submission",
    "ArrayJob.known": "for the rest of the SDK",
    "ArrayJob.records": "for the rest of the SDK",
    "ArrayJob.waits_for": "for the rest of the SDK",
    "Job.ids": "for dependencies",
    "Job.placeholder": "for a submission",
    "Job.known": "for the rest of the SDK",
    "Job.records": "for the rest of the SDK",
    "Job.waits_for": "for the rest of the SDK",
    "WorkflowContext.submitter": "for tasks that are called in it",
    "base.BackendBase.note_ends": "for the tracker",
    "base.BackendBase.submit_job": "for the submitter, with a script and the SDK's code",
    "base.BackendBase.submit_jobs": "for the submitter, with a script and the SDK's code",
    "RichLoggerCallback.reason_changed": "for the listener",
    "callbacks.RichLoggerCallback.reason_changed": "for the listener",
    "callbacks.CompletedContext.with_metadata": "for who tells callbacks of an end",
    "slurmfile.ClusterSettings": "see slurmfile.cluster_settings",
    "slurmfile.ClusterSettings.naming_the_file": "for cluster_settings",
    "slurmfile.load": "for cluster_settings, which has one",
    "options.InvalidOption": "see errors.SlurmError",
    "states.JobStatus": "see states.reduce",
    "states.JobStatus.never_starts": "for the tracker",
    "states.Observation": "see states.reduce",
}


def public() -> Iterator[tuple[str, Any]]:
    """What users reach: the exported names, and modules with what they define, with all members."""
    for name in slurm.__all__:
        if name != "__version__":
            yield from with_members(name, getattr(slurm, name))
    yield from with_members("executor.JobFuture", executor.JobFuture)
    for module in EXPORTING:
        for name in module.__all__:
            value = getattr(module, name)
            if callable(value) and value is not packaging.PackagingConfig:  # that is an alias
                yield from with_members(f"{module.__name__.split('.')[-1]}.{name}", value)
    for module in OWN:
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
    caught = {
        node
        for one in ast.walk(tree)
        if isinstance(one, ast.Try)
        for handler in one.handlers
        if handler.type is not None
        for statement in one.body
        for node in ast.walk(statement)
        if isinstance(node, ast.Raise) and name_raised(node) in words(ast.unparse(handler.type))
    }
    raised = {node for node in ast.walk(tree) if isinstance(node, ast.Raise)} - caught
    return {name for name in map(name_raised, raised) if name[:1].isupper()}


def name_raised(node: ast.Raise) -> str:
    """The class of what is made and raised; empty for what is raised again."""
    return ast.unparse(node.exc.func).split(".")[-1] if isinstance(node.exc, ast.Call) else ""


def words(text: str) -> set[str]:
    return set(re.findall(r"\w+", text))
