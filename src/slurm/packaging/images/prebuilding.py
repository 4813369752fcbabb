"""What a workflow's jobs cannot make for jobs of their own, an image above all, is made when the workflow is submitted.

For each task that the workflow's function names, and whose packaging says so. What has come of it travels with the
workflow's job, beside the packaging that its jobs inherit, and is found there by the task's name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from types import CodeType, ModuleType
from typing import TYPE_CHECKING, Any

from slurm.job_dir.main_module import MAIN, MAIN_NAMES
from slurm.packaging.inherit import settings_of_parent
from slurm.packaging.names import PREBUILT

if TYPE_CHECKING:
    from slurm.task import SlurmTask

Prepared = Callable[["SlurmTask[Any, Any]"], "Mapping[str, Any] | None"]
TASK = "task"


def with_prebuilt(
    inherited: Mapping[str, Any], workflow: SlurmTask[Any, Any], prepared: Prepared
) -> Mapping[str, Any]:
    """What the jobs of a workflow inherit, with what was made for its tasks.

    `prepared` makes it for one of them and says what its jobs are to be handed, or None where nothing has to be made. In a
    workflow's job nothing is: there, it is what that workflow was given.
    """
    parent = settings_of_parent()
    if parent is not None:
        made = list(parent.get(PREBUILT, ()))
    else:
        tasks = tasks_named_in(workflow)
        found = ((name_of(task), prepared(task)) for task in tasks)
        made = [{TASK: name, **about} for name, about in found if about is not None]
    return {**inherited, PREBUILT: made} if made else inherited


def prebuilt_for(task: SlurmTask[Any, Any]) -> list[Mapping[str, Any]]:
    """What the workflow job around this process was given for a task: the settings of its packaging, as they were made."""
    made = (settings_of_parent() or {}).get(PREBUILT, ())
    return [about for about in made if about.get(TASK) == name_of(task)]


def name_of(task: SlurmTask[Any, Any]) -> str:
    """What stands for a task wherever its function is loaded."""
    function = task.unwrapped
    module = getattr(function, "__module__", "") or ""
    return f"{MAIN if module in MAIN_NAMES else module}:{getattr(function, '__qualname__', '')}"


def tasks_named_in(workflow: SlurmTask[Any, Any]) -> list[SlurmTask[Any, Any]]:
    """The tasks that a workflow's function names, and those that the workflows among them name.

    As globals, in modules, in lists, tuples and dictionaries, and from functions around it; not what the functions that it
    calls name.
    """
    found: list[SlurmTask[Any, Any]] = []
    left = [workflow]
    while left:
        for task in _named_in(left.pop().unwrapped):
            if not any(task is one for one in found):
                found.append(task)
                if task.is_workflow:
                    left.append(task)
    return found


def _named_in(function: Callable[..., Any]) -> Iterator[SlurmTask[Any, Any]]:
    code = getattr(function, "__code__", None)
    if not isinstance(code, CodeType):
        return
    names = _names_in(code)
    known: Mapping[str, Any] = getattr(function, "__globals__", {})
    values = [known[name] for name in sorted(names) if name in known]
    values += _captured(function)
    for value in values:
        if isinstance(value, ModuleType):
            inside = vars(value)
            yield from _tasks_among(inside.get(name) for name in sorted(names))
        else:
            yield from _tasks_in(value)


def _names_in(code: CodeType) -> set[str]:
    """The globals and attributes that a function's code names, and those of the functions in it."""
    inner = (one for one in code.co_consts if isinstance(one, CodeType))
    return {*code.co_names}.union(*map(_names_in, inner))


def _captured(function: Callable[..., Any]) -> Iterator[Any]:
    for cell in getattr(function, "__closure__", None) or ():
        try:
            yield cell.cell_contents
        except ValueError:  # it is not assigned yet
            continue


def _tasks_in(value: Any) -> Iterator[SlurmTask[Any, Any]]:
    if isinstance(value, dict):
        yield from _tasks_among(value.values())
    else:
        yield from _tasks_among(value if isinstance(value, (list, tuple)) else [value])


def _tasks_among(values: Iterable[Any]) -> Iterator[SlurmTask[Any, Any]]:
    # Asked of their classes: proxies and mocks have whatever attribute is asked of them.
    names = ("is_workflow", "unwrapped", "with_options")
    return (one for one in values if all(hasattr(type(one), name) for name in names))
