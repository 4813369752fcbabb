"""`RunTracker`: the callback that keeps a manifest of each submission, and a line in the ledger."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from slurm import forks
from slurm.callbacks.base import HearsOfReasons, HoldsSubmission
from slurm.config.checks import expand_home, suggestion
from slurm.errors import ConfigError, SlurmError
from slurm.runs import ledger_file, sdk_runs, store
from slurm.runs.earlier_runs import EarlierRuns
from slurm.runs.manifest import FILE, Manifest
from slurm.runs.moments import now
from slurm.runs.policy import load_policy
from slurm.runs.project import iteration_of, project_root
from slurm.runs.run_ids import new_run_directory
from slurm.runs.sdk_runs import Elements
from slurm.runs.step import Teller
from slurm.states import ENDED, ENDED_IF_IT_STAYS, JobState
from slurm.submit.calls import is_of_key

if TYPE_CHECKING:
    from slurm.callbacks.contexts import (
        CallbackContext,
        CompletedContext,
        JobStatusUpdatedContext,
        SubmitBeginContext,
        SubmitEndContext,
    )

logger: logging.Logger = logging.getLogger(__name__)

BY = "RunTracker"
OVER = ENDED | ENDED_IF_IT_STAYS | {JobState.UNKNOWN}


class Begun(NamedTuple):
    """The run of a token, and whether it was begun for the submission that is being made."""

    path: Path
    is_new: bool = False


@dataclass
class Followed:
    """A run whose job has not ended; `elements` are those of an array."""

    path: Path
    is_workflow: bool = False
    elements: Elements | None = None


class RunTracker(HoldsSubmission, HearsOfReasons):
    """Keeps a durable record of each submission: its manifest in ``runs/`` of an iteration, and its line in the ledger.

    `iteration` is that directory. Without one it is the iteration that the working directory is in, or else the project's
    own directory. Raises `ConfigError` for a directory that is not there, and for a policy that cannot be read.

    The manifest is written before the scheduler is asked: where that cannot be done, nothing is submitted. Afterwards it
    goes on with the job, as long as this program runs; then ``slurm run`` does. An array, and a workflow with all that it
    submits, are one run. A submission with a key that was used before goes on with its old run.

    >>> from slurm import Cluster, task
    >>> from slurm.runs import RunTracker
    >>> @task
    ... def double(number: int) -> int:
    ...     return 2 * number
    >>> Path("iter1").mkdir()
    >>> with Cluster("local", callbacks=[RunTracker("iter1")]) as cluster:
    ...     double(21).get_result()
    ...     cluster.drain_callbacks()
    42
    True
    >>> [str(store.read(path).status) for path in store.find(Path("iter1"))]
    ['synced']
    """

    def __init__(self, iteration: str | os.PathLike[str] | None = None) -> None:
        if iteration is None:
            here = Path.cwd()
            self.iteration: Path = iteration_of(here, project_root(here)) or project_root(here)
        else:
            self.iteration = _existing(Path(expand_home("iteration", iteration)))
        self.root: Path = project_root(self.iteration)
        policy = load_policy(self.iteration)
        self.ledger: Path = policy.ledger
        self._iteration_id = self.iteration.name or "/"
        self._earlier = EarlierRuns(self.iteration, self.root, self.ledger)
        self._begun: dict[str, Begun] = {}  # by token
        self._followed: forks.Own[dict[str, Followed]] = forks.Own(dict)  # by the job's directory
        self._changing = forks.Lock()
        self._cannot_write = False

    # In the thread that submits

    def before_submission(self, ctx: SubmitBeginContext) -> None:
        """Write down what is about to be submitted. Raises `ManifestError`, and then it is not.

        >>> RunTracker().before_submission  # called by the cluster
        <bound method ...>
        """
        if ctx.parent_workflow is not None:
            return  # a part of the workflow's run
        begun = self._of_earlier(ctx.token)
        if begun is None:
            begun = self._begin(ctx)
        else:
            store.change(begun.path, lambda manifest: sdk_runs.again(manifest, ctx))
        with self._changing:
            self._begun[ctx.token] = begun

    def after_submission(self, ctx: SubmitEndContext) -> None:
        """Write down what came of it.

        >>> RunTracker().after_submission  # called by the cluster
        <bound method ...>
        """
        with self._changing:
            begun = self._begun.get(ctx.token)
        if begun is None:
            return
        with self._noting():
            error = ctx.error
            if error is None:
                self._accepted(begun, ctx)
            else:
                teller = Teller(now(), BY)
                self._change(begun.path, lambda one: sdk_runs.not_accepted(teller, one, error))

    def _of_earlier(self, token: str) -> Begun | None:
        """The run to go on with; None where a new one is to be begun."""
        with self._changing:
            known = self._begun.get(token)
            if known is not None:
                found = [store.read(known.path)] if known.path.exists() else []
            else:
                found = list(self._earlier.with_token(token)) if is_of_key(token) else []
        goes_on = next(filter(sdk_runs.may_go_on, found), None)
        return None if goes_on is None else Begun(Path(goes_on.path))

    def _begin(self, ctx: SubmitBeginContext) -> Begun:
        at = now()
        run_id, folder = new_run_directory(self.iteration, self.root, at)
        path = folder / FILE
        try:
            store.write(sdk_runs.first_manifest(ctx, self._iteration_id, run_id, str(path), at))
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        return Begun(path, is_new=True)

    def _accepted(self, begun: Begun, ctx: SubmitEndContext) -> None:
        job_ids = ctx.job_id.split(",")
        if ctx.reattached and begun.is_new:
            begun = self._instead_of(begun, ctx.token, job_ids[0])
        elif store.read(begun.path).job_id not in ("", job_ids[0]):
            begun = self._begin(
                ctx
            )  # the job of that run is forgotten there, and this is another one
        with self._changing:
            self._begun[ctx.token] = Begun(begun.path)
            self._followed.get()[ctx.job_dir] = Followed(
                begun.path,
                ctx.is_workflow,
                None if ctx.array_size is None else Elements(ctx.array_size),
            )
        teller = Teller(now(), BY)
        self._change(begun.path, lambda one: sdk_runs.accepted(teller, one, job_ids, ctx.job_dir))

    def _instead_of(self, new: Begun, token: str, job_id: str) -> Begun:
        """The run that had this job before; a new one, if there is none."""
        with self._changing:
            found = [*self._earlier.with_token(token), *self._earlier.with_job(job_id)]
        old = (one for one in found if Path(one.path) != new.path and sdk_runs.may_go_on(one))
        before = next(old, None)
        if before is None:
            return new
        shutil.rmtree(new.path.parent, ignore_errors=True)
        return Begun(Path(before.path))

    # In the callback's own thread

    def on_job_status_update_ctx(self, ctx: JobStatusUpdatedContext) -> None:
        run = self._run_of(ctx)
        if run is None or ctx.state in OVER:
            return  # of its end `on_completed_ctx` knows more
        if run.elements is not None:
            run.elements.updated(ctx)
            self._write_elements(run, ctx)
            return
        teller = Teller(now(), BY)
        seen = sdk_runs.seen_in(ctx, _source(ctx))
        with self._noting():
            self._change(run.path, lambda one: teller.observed(one, seen))

    def reason_changed(self, ctx: JobStatusUpdatedContext) -> None:
        """Write down why the job waits now."""
        if ctx.array_index is None:
            self.on_job_status_update_ctx(ctx)

    def on_completed_ctx(self, ctx: CompletedContext) -> None:
        run = self._run_of(ctx)
        if run is None:
            return
        if run.elements is not None:
            run.elements.completed(ctx)
            self._write_elements(run, ctx)
            over = run.elements.all_ended
        else:
            self._ended(run, ctx)
            over = True
        if over:
            with self._changing:
                self._followed.get().pop(ctx.array_dir or ctx.job_dir, None)

    def close(self) -> None:
        """Write down what is known of arrays that have not ended.

        >>> RunTracker().close()
        """
        with self._changing:
            left = list((self._followed.known or {}).values())
        for run in left:
            if run.elements is not None and run.elements.changed:
                rows, total = run.elements.taken(), run.elements.size
                with self._noting():
                    self._change(run.path, lambda one: sdk_runs.with_children(one, rows, total))  # noqa: B023 - called here

    def _run_of(self, ctx: CallbackContext) -> Followed | None:
        with self._changing:
            return self._followed.get().get(ctx.array_dir or ctx.job_dir)

    def _ended(self, run: Followed, ctx: CompletedContext) -> None:
        children = _children(ctx) if run.is_workflow else None
        teller, seen = Teller(now(), BY), sdk_runs.end_in(ctx)

        def ended(manifest: Manifest) -> Manifest:
            if children is not None:
                manifest = sdk_runs.with_children(manifest, children, len(children))
            return teller.observed(manifest, seen, ctx.ended_at)

        with self._noting():
            self._change(run.path, ended)

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

        with self._noting():
            self._change(run.path, told)

    # In files

    def _change(self, path: Path, function: Callable[[Manifest], Manifest]) -> None:
        """Change a manifest, and have the ledger say so where it says anything of that."""
        said: list[tuple[object, str]] = []

        def changed(manifest: Manifest) -> Manifest:
            said.append((manifest.status, manifest.job_id))
            return function(manifest)

        manifest = store.change(path, changed)
        news = said[-1] != (manifest.status, manifest.job_id)
        if news and manifest.is_slurm and manifest.job_id:
            ledger_file.append(self.ledger, manifest)

    @contextlib.contextmanager
    def _noting(self) -> Iterator[None]:
        """What cannot be written now is said once: the job goes on."""
        try:
            yield
        except SlurmError as error:
            if not self._cannot_write:
                self._cannot_write = True
                logger.error("what becomes of a job is not written down: %s", error)
        else:
            self._cannot_write = False


def _existing(iteration: Path) -> Path:
    """An iteration's directory, absolute. Raises `ConfigError` where there is none."""
    if iteration.is_dir():
        return iteration.resolve()
    beside = iteration.parent.iterdir() if iteration.parent.is_dir() else ()
    near = suggestion(iteration.name, [one.name for one in beside if one.is_dir()])
    raise ConfigError(
        f"RunTracker: there is no directory {iteration}{near}: make it, or name the iteration's"
    )


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
