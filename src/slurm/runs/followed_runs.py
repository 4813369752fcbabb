"""Runs whose jobs this program hears of: what it hears is written into their manifests."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from slurm import forks
from slurm.errors import SlurmError
from slurm.runs import sdk_runs
from slurm.runs.manifest import Manifest
from slurm.runs.moments import now
from slurm.runs.run_files import RunFiles
from slurm.runs.sdk_runs import Elements
from slurm.runs.step import Teller
from slurm.states import ENDED, ENDED_IF_IT_STAYS, JobState

if TYPE_CHECKING:
    from slurm.callbacks.contexts import (
        CallbackContext,
        CompletedContext,
        JobStatusUpdatedContext,
        SubmitEndContext,
    )

logger: logging.Logger = logging.getLogger(__name__)

BY = "RunTracker"
OVER = ENDED | ENDED_IF_IT_STAYS | {JobState.UNKNOWN}


@dataclass
class Followed:
    """A run whose job has not ended; `elements` are those of an array."""

    path: Path
    is_workflow: bool = False
    elements: Elements | None = None


class FollowedRuns:
    """The runs that this process follows; a forked child has none of its parent's."""

    def __init__(self, files: RunFiles) -> None:
        self._files = files
        self._runs: forks.Own[dict[str, Followed]] = forks.Own(dict)  # by the job's directory
        self._changing = forks.Lock()

    def begin(self, path: Path, ctx: SubmitEndContext) -> None:
        """Follow the job of a run."""
        elements = None if ctx.array_size is None else Elements(ctx.array_size)
        with self._changing:
            self._runs.get()[ctx.job_dir] = Followed(path, ctx.is_workflow, elements)

    def updated(self, ctx: JobStatusUpdatedContext) -> None:
        """A job, or an element of an array, is in another state."""
        run = self._of(ctx)
        if run is None or ctx.state in OVER:
            return  # of its end `completed` is told more
        if run.elements is not None:
            run.elements.updated(ctx)
            self._write_elements(run, ctx)
            return
        teller, seen = Teller(now(), BY), sdk_runs.seen_in(ctx, _source(ctx))
        with self._files.noting():
            self._files.change(run.path, lambda one: teller.observed(one, seen))

    def completed(self, ctx: CompletedContext) -> None:
        """A job, or an element of an array, has ended."""
        run = self._of(ctx)
        if run is None:
            return
        if run.elements is None:
            self._end(run, ctx)
        else:
            run.elements.completed(ctx)
            self._write_elements(run, ctx)
        if run.elements is None or run.elements.all_ended:
            with self._changing:
                self._runs.get().pop(ctx.array_dir or ctx.job_dir, None)

    def close(self) -> None:
        """Write down what is known of arrays that have not ended."""
        with self._changing:
            left = list((self._runs.known or {}).values())
        for run in left:
            if run.elements is not None and run.elements.changed:
                self._write_rows(run.path, run.elements)

    def _of(self, ctx: CallbackContext) -> Followed | None:
        with self._changing:
            return self._runs.get().get(ctx.array_dir or ctx.job_dir)

    def _end(self, run: Followed, ctx: CompletedContext) -> None:
        children = _children(ctx) if run.is_workflow else None
        teller, seen = Teller(now(), BY), sdk_runs.end_in(ctx)

        def ended(manifest: Manifest) -> Manifest:
            if children is not None:
                manifest = sdk_runs.with_children(manifest, children, len(children))
            return teller.observed(manifest, seen, ctx.ended_at)

        with self._files.noting():
            self._files.change(run.path, ended)

    def _write_elements(
        self, run: Followed, ctx: JobStatusUpdatedContext | CompletedContext
    ) -> None:
        elements = run.elements
        if elements is None or not elements.due:
            return
        rows, teller = elements.taken(), Teller(now(), BY)

        def told(manifest: Manifest) -> Manifest:
            manifest = sdk_runs.with_children(manifest, rows, elements.size)
            seen = elements.seen(manifest.job_id, _source(ctx))
            if seen is None:
                return manifest
            return teller.observed(manifest, seen, elements.ended_at)

        with self._files.noting():
            self._files.change(run.path, told)

    def _write_rows(self, path: Path, elements: Elements) -> None:
        rows = elements.taken()
        with self._files.noting():
            self._files.change(path, lambda one: sdk_runs.with_children(one, rows, elements.size))


def _source(ctx: JobStatusUpdatedContext | CompletedContext) -> str:
    is_local = ctx.job is not None and ctx.job.cluster.backend_type == "local"
    return "local" if is_local else "squeue"


def _children(ctx: CompletedContext) -> list[dict[str, str]] | None:
    """The jobs that a workflow has submitted; None where they cannot be read now."""
    from slurm.job_tree import JobTree

    if ctx.job is None:
        return None
    try:
        return sdk_runs.children_in(JobTree.from_dir(ctx.job_dir, ctx.job.cluster))
    except SlurmError as error:
        logger.debug("what workflow %s has submitted cannot be read: %s", ctx.job_id, error)
        return None
