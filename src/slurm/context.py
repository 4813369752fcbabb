"""Which cluster a task call submits to.

The active context is a context variable, so asyncio tasks have their own. New threads begin with an
empty set of context variables; so that ``with cluster:`` reaches them all the same, `Thread.start`
and `ThreadPoolExecutor.submit` are wrapped when a context is first set, for the rest of the process:

- a thread sees what was active where it was started, and keeps it when it outlives the block, as a
  copied context variable would;
- a function in a `ThreadPoolExecutor` sees what was active where it was submitted, or nothing if
  nothing was; so do `asyncio.to_thread` and ``loop.run_in_executor``, which submit to one;
- threads of a `multiprocessing.pool.ThreadPool` see what was active where the pool was made;
- threads that are not `threading.Thread` see nothing.

Where nothing is active, what was made active for the whole process is: `set_default_context`, for notebooks, whose cells
have no block around them.
"""

from __future__ import annotations

import contextlib
import contextvars
import functools
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any, Protocol, TypeVar

from slurm import forks

R = TypeVar("R")


class SubmissionContext(Protocol):
    """What can be active: a `Cluster` or a `WorkflowContext`."""

    @property
    def submitter(self) -> Any:
        """Who takes calls that are made in this context: a `slurm.submit.submitter.Submitter`."""


class _Active:
    """What is active, and who takes the calls that are made now: its own submitter, or a batch's that collects them.

    `workflow` is the innermost workflow around it: a cluster that is made active inside of one does not end that.
    """

    __slots__ = ("collector", "context", "workflow")

    def __init__(self, context: SubmissionContext, collector: Any, workflow: Any) -> None:
        self.context = context
        self.collector = collector
        self.workflow = workflow


# Without a default: where it is not set, what the thread inherited is active.
_cluster_context: contextvars.ContextVar[_Active | None] = contextvars.ContextVar("cluster_context")
INHERITED = "_slurm_inherited_context"  # an attribute of threads
_default: _Active | None = None  # of the whole process, where nothing else is active


def get_active_context() -> SubmissionContext | None:
    """The innermost active `Cluster` or `WorkflowContext`, None outside of all.

    >>> with cluster:
    ...     get_active_context() is cluster
    True
    >>> get_active_context() is None
    True
    """
    active = _innermost()
    return None if active is None else active.context


def submitter_here() -> Any:
    """Who takes a call that is made here; None where nothing is active."""
    active = _innermost()
    if active is None:
        return None
    return active.context.submitter if active.collector is None else active.collector


def submitter_for(context: SubmissionContext) -> Any:
    """Who takes a call that is made here on `context`: a batch of that cluster's that is open here collects it."""
    active = _innermost()
    if active is None or active.collector is None:
        return context.submitter
    return active.collector.instead_of(context.submitter)


def placement_on(site: Any) -> Any:
    """Where the jobs of `site` belong that are submitted here: in the workflow that is active, if that is its cluster.

    None outside of workflows, and for any other cluster than the workflow's own.
    """
    active = _innermost()
    workflow = None if active is None else active.workflow
    if workflow is None or getattr(workflow.cluster, "site", None) is not site:
        return None
    return workflow.placement


def _active(context: SubmissionContext | None, collector: Any = None) -> _Active | None:
    if context is None:
        return None
    if hasattr(type(context), "placement"):
        return _Active(context, collector, context)
    around = _innermost()
    return _Active(context, collector, None if around is None else around.workflow)


def _innermost() -> _Active | None:
    try:
        return _cluster_context.get()
    except LookupError:
        inherited: _Active | None = getattr(threading.current_thread(), INHERITED, None)
        return _default if inherited is None else inherited


def set_default_context(context: SubmissionContext | None) -> None:
    """Have `context` be active wherever nothing else is, in all threads; None for nothing.

    >>> set_default_context(cluster)
    >>> get_active_context() is cluster
    True
    >>> set_default_context(None)
    >>> get_active_context() is None
    True
    """
    global _default  # noqa: PLW0603 - one for the process
    _default = None if context is None else _Active(context, None, None)


def is_default_context(context: SubmissionContext) -> bool:
    """Whether it is what is active where nothing else is.

    >>> is_default_context(cluster)
    False
    """
    return _default is not None and _default.context is context


def set_active_context(context: SubmissionContext | None) -> contextvars.Token[Any]:
    """Make `context` the active one, None for none; the token restores what was before.

    >>> token = set_active_context(cluster)
    >>> get_active_context() is cluster
    True
    >>> reset_active_context(token)
    """
    return _set(_active(context))


def set_collector(context: SubmissionContext, collector: Any) -> contextvars.Token[Any]:
    """Make `context` the active one, and have its calls go to `collector`; a batch does."""
    return _set(_active(context, collector))


def _set(active: _Active | None) -> contextvars.Token[Any]:
    with _wrapping:
        _wrap_what_starts_threads()
    return _cluster_context.set(active)


def reset_active_context(token: contextvars.Token[Any]) -> None:
    """Restore the context that was active when `token` was made.

    >>> token = set_active_context(cluster)
    >>> get_active_context() is cluster
    True
    >>> reset_active_context(token)
    """
    _cluster_context.reset(token)


# --- threads -------------------------------------------------------------------------------------


def activated(context: SubmissionContext | None) -> contextlib.AbstractContextManager[None]:
    """``with activated(context):`` makes it all that can be seen here; None hides every context."""
    return _activated(_active(context))


@contextlib.contextmanager
def _activated(active: _Active | None) -> Iterator[None]:
    thread = threading.current_thread()
    before = getattr(thread, INHERITED, None)
    token = _cluster_context.set(active)
    setattr(thread, INHERITED, active)  # for a copied context in which the variable is not set
    try:
        yield
    finally:
        setattr(thread, INHERITED, before)
        _cluster_context.reset(token)


def carrying(function: Callable[..., R]) -> Callable[..., R]:
    """`function`, to be called anywhere with the context that is active now."""
    return functools.partial(_call_in, _innermost(), function)


def _call_in(active: _Active | None, function: Callable[..., R], /, *args: Any, **kwargs: Any) -> R:
    with _activated(active):
        return function(*args, **kwargs)


_wrapping = forks.Lock()


@functools.lru_cache(maxsize=1)
def _wrap_what_starts_threads() -> None:
    """Once, and never undone: others may have wrapped it after us."""
    from concurrent.futures import ThreadPoolExecutor

    _wrap(threading.Thread, "start", _inheriting)
    _wrap(ThreadPoolExecutor, "submit", _submitting)


def _wrap(owner: type, name: str, wrapper: Callable[..., Any]) -> None:
    original = getattr(owner, name)

    @functools.wraps(original)
    def wrapped(self: Any, /, *args: Any, **kwargs: Any) -> Any:
        return wrapper(self, original, *args, **kwargs)

    setattr(owner, name, wrapped)


def _inheriting(thread: threading.Thread, start: Callable[..., Any], /) -> Any:
    # Python 3.14: a thread may be given the context variables it runs with, and these count.
    if not isinstance(getattr(thread, "_context", None), contextvars.Context):
        setattr(thread, INHERITED, _innermost())
    return start(thread)


def _submitting(
    pool: Any,
    submit: Callable[..., Any],
    function: Callable[..., Any],
    /,
    *args: Any,
    **kwargs: Any,
) -> Any:
    # Python 3.14: the functions of an InterpreterPoolExecutor are pickled, and run among other modules.
    bases = {base.__module__ for base in type(pool).__mro__}
    if "concurrent.futures.interpreter" in bases:
        return submit(pool, function, *args, **kwargs)
    return submit(pool, carrying(function), *args, **kwargs)


# --- scripts that are loaded on the node ---------------------------------------------------------


_loading_everywhere = threading.Event()
_loading: contextvars.ContextVar[bool] = contextvars.ContextVar("slurm_loading", default=False)


def is_loading_script() -> bool:
    """Whether the user's main program is only being loaded here, where its main part must not run.

    In a job, or in a process that multiprocessing has started by spawn or forkserver. What is submitted meanwhile
    stands in a script without a main guard, or with one that is none.
    """
    if _loading_everywhere.is_set() or _loading.get():
        return True
    processes = sys.modules.get("multiprocessing.process")
    # Python's own mark of it, by which it refuses to start processes there.
    return processes is not None and getattr(processes.current_process(), "_inheriting", False)


@contextlib.contextmanager
def loading_script(*, everywhere: bool = False) -> Iterator[None]:
    """While a user's script is loaded by the runner, nothing may be submitted: its main part must stay asleep.

    Not by its threads either with `everywhere`, for loading that precedes all else.
    """
    token, outermost = _loading.set(True), not _loading_everywhere.is_set()
    if everywhere:
        _loading_everywhere.set()
    try:
        yield
    finally:
        if outermost:
            _loading_everywhere.clear()
        _loading.reset(token)
