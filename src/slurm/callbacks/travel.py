"""Callbacks on their way to the nodes, and at their arrival."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from slurm import errors
from slurm.callbacks.base import RUNNER_HOOKS, BaseCallback, ExecutionLocus, overrides
from slurm.job_dir.arguments import dump_arguments, load_arguments, why_unpicklable
from slurm.job_dir.placeholder import JobResultPlaceholder
from slurm.packaging.function_reference import main_module

if TYPE_CHECKING:
    from slurm.tracking.listener import PackedCallbacks

logger: logging.Logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class PickledCallback:
    """A callback that goes along with jobs, pickled as it was when its cluster was made.

    - `runs`: it has a hook that is called in every job; else only in a workflow, as a client's.
    - `copied`: it went by value. `problem`: why it could not be pickled.
    """

    name: str
    runs: bool
    data: bytes = b""
    copied: bool = False
    problem: str = ""


def pickled_callbacks(callbacks: Iterable[BaseCallback]) -> list[PickledCallback]:
    """Those of the callbacks that go along with any job."""
    main_travels = main_module() is not None
    return [
        _traveller(callback, main_travels)
        for callback in callbacks
        if callback.locus != ExecutionLocus.CLIENT
    ]


def _traveller(callback: BaseCallback, main_travels: bool) -> PickledCallback:
    name = type(callback).__qualname__
    runs = any(overrides(callback, hook) for hook in RUNNER_HOOKS)
    try:
        data, copied = dump_arguments(
            (callback,), {}, lambda value: None, main_travels=main_travels
        )
    except errors.SerializationError as error:
        why = why_unpicklable({name: callback}, main_travels=main_travels)
        return PickledCallback(name, runs, problem=why or str(error))
    return PickledCallback(name, runs, data, copied)


def pack(given: Iterable[PickledCallback], is_workflow: bool) -> tuple[PackedCallbacks, bool]:
    """What goes into a payload, and whether any of it went by value.

    A workflow takes all along, being a client to the jobs it submits. Raises `SerializationError`
    for a callback that cannot be pickled.
    """
    chosen = [one for one in given if one.runs or is_workflow]
    for one in chosen:
        if one.problem:
            raise errors.SerializationError(
                f"the callback {one.name} cannot travel to the nodes, where its locus has it called: "
                f"{one.problem}. Make what it holds in on_begin_run_job_ctx, leave it out in "
                "__getstate__, or keep the callback here with locus = ExecutionLocus.CLIENT"
            )
    return tuple((one.name, one.data) for one in chosen), any(one.copied for one in chosen)


def unpack_all(packed: Iterable[tuple[str, bytes]], python: str = "") -> Iterator[BaseCallback]:
    """The callbacks that Python `python` packed, without those that cannot be unpickled here: the log says so."""
    for name, data in packed:
        try:
            (callback,), _ = load_arguments(data, _no_job, python)
        except (Exception, SystemExit):  # the user's class, which may do anything
            logger.exception("the callback %s cannot be loaded on the node", name)
        else:
            yield callback


def _no_job(placeholder: JobResultPlaceholder) -> None:
    raise errors.SerializationError(f"a callback cannot hold job {placeholder.job_id}")
