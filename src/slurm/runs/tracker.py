"""`RunTracker`: the callback that keeps a manifest of each submission, and a line in the ledger."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from slurm import forks
from slurm.callbacks import HearsOfReasons, HoldsSubmission
from slurm.config.checks import expand_home, suggestion
from slurm.errors import ConfigError
from slurm.runs import sdk_runs, store
from slurm.runs.earlier_runs import EarlierRuns
from slurm.runs.followed_runs import BY, FollowedRuns
from slurm.runs.manifest import FILE
from slurm.runs.moments import now
from slurm.runs.policy import load_policy
from slurm.runs.project import iteration_of, project_root
from slurm.runs.run_files import RunFiles
from slurm.runs.run_ids import new_run_directory
from slurm.runs.step import Teller

if TYPE_CHECKING:
    from slurm.callbacks.contexts import (
        CompletedContext,
        JobStatusUpdatedContext,
        SubmitBeginContext,
        SubmitEndContext,
    )


class Begun(NamedTuple):
    """The run of a token, and whether it was begun for the submission that is being made."""

    path: Path
    is_new: bool = False


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
        self._changing = forks.Lock()
        self._files = RunFiles(self.ledger)
        self._followed = FollowedRuns(self._files)

    # In the thread that submits

    def before_submission(self, ctx: SubmitBeginContext) -> None:
        """Write down what is about to be submitted. Raises `ManifestError`, and then it is not.

        >>> RunTracker().before_submission  # called by the cluster
        <bound method ...>
        """
        if ctx.parent_workflow is not None:
            return  # a part of the workflow's run
        begun = self._of_earlier(ctx)
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
        with self._files.noting():
            error = ctx.error
            if error is None:
                self._accepted(begun, ctx)
            else:
                teller = Teller(now(), BY)
                self._files.change(
                    begun.path, lambda one: sdk_runs.not_accepted(teller, one, error)
                )

    def _of_earlier(self, ctx: SubmitBeginContext) -> Begun | None:
        """The run to go on with; None where a new one is to be begun."""
        token = ctx.token
        with self._changing:
            known = self._begun.get(token)
            if known is not None:
                found = [store.read(known.path)] if known.path.exists() else []
            else:
                found = list(self._earlier.with_token(token)) if ctx.has_key else []
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
        elif not begun.is_new and store.read(begun.path).job_id not in ("", job_ids[0]):
            begun = self._begin(
                ctx
            )  # the job of that run is forgotten there, and this is another one
        with self._changing:
            self._begun[ctx.token] = Begun(begun.path)
        self._followed.begin(begun.path, ctx)
        teller = Teller(now(), BY)
        # A program that was killed may have written the one and not the other.
        self._files.change(
            begun.path, lambda one: sdk_runs.accepted(teller, one, job_ids, ctx.job_dir), anew=True
        )

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
        self._followed.updated(ctx)

    def reason_changed(self, ctx: JobStatusUpdatedContext) -> None:
        """Write down why the job waits now.

        >>> RunTracker().reason_changed  # called by the cluster
        <bound method ...>
        """
        if ctx.array_index is None:
            self._followed.updated(ctx)

    def on_completed_ctx(self, ctx: CompletedContext) -> None:
        self._followed.completed(ctx)

    def close(self) -> None:
        """Write down what is known of arrays that have not ended.

        >>> RunTracker().close()
        """
        self._followed.close()


def _existing(iteration: Path) -> Path:
    """An iteration's directory, absolute. Raises `ConfigError` where there is none."""
    if iteration.is_dir():
        return iteration.resolve()
    beside = iteration.parent.iterdir() if iteration.parent.is_dir() else ()
    near = suggestion(iteration.name, [one.name for one in beside if one.is_dir()])
    raise ConfigError(
        f"RunTracker: there is no directory {iteration}{near}: make it, or name the iteration's"
    )
