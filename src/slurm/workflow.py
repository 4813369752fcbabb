"""What a workflow function holds: its own job, its directories, and a cluster to submit to."""

from __future__ import annotations

import os
import shutil
import tempfile
import weakref
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slurm.agent.regular_files import open_regular
from slurm.errors import JobError, RemoteFileMissing
from slurm.job_dir.paths import (
    METADATA,
    RESULT,
    SHARED,
    TASKS,
    ArrayDirectory,
    JobDirectory,
    directory_name,
)
from slurm.job_dir.record_index import RecordIndex
from slurm.job_dir.result import load_envelope, open_envelope
from slurm.job_dir.runs import Run, metadata_in, runs_of_task
from slurm.job_dir.tracebacks import UsersFrames
from slurm.sbatch.array_layout import ArrayLayout

if TYPE_CHECKING:
    from collections.abc import Iterator

    from slurm.array_job import ArrayJob
    from slurm.cluster import Cluster
    from slurm.job import Job
    from slurm.job_dir.item_records import ItemRecord

NOT_ENDED = ("running", "requeued")  # as the runner notes it


@dataclass
class WorkflowContext:
    """Injected into a workflow function that annotates a parameter with this type.

    - `cluster`: where tasks called inside the workflow are submitted to.
    - `workflow_job_id`, `workflow_job_dir`: the workflow's own job.
    - `shared_dir`: a directory for what tasks hand to each other.
    - `local_mode`: True when the workflow runs without Slurm.
    - `cluster_error`: why there is no cluster, when it could not be set up inside the job.

    For a test of a workflow function, make one of what the function needs: directories that are missing are made, with
    all above them. Without `workflow_job_dir` it has a temporary one, which is removed with the context; `shared_dir` is
    in it unless given. Raises ``OSError`` for a directory that cannot be made.

    >>> from slurm import Cluster, WorkflowContext, task, workflow
    >>> @task
    ... def count(path: str) -> int:
    ...     with open(path) as lines:
    ...         return len(lines.readlines())
    >>> @workflow
    ... def pipeline(ctx: WorkflowContext, text: str) -> int:
    ...     path = ctx.shared_dir / "text"
    ...     _ = path.write_text(text)
    ...     return count(str(path)).get_result()
    >>> with Cluster("local"):
    ...     pipeline("one line").get_result()
    1
    """

    cluster: Cluster | None = None
    workflow_job_id: str = ""
    workflow_job_dir: Path = None  # type: ignore[assignment]  # __post_init__ makes it a Path
    shared_dir: Path = None  # type: ignore[assignment]
    local_mode: bool = False
    cluster_error: str = ""
    _known_runs: dict[str, Run] = field(default_factory=dict, init=False, repr=False, compare=False)

    if TYPE_CHECKING:  # what may be given, which is more than what the attributes are

        def __init__(
            self,
            cluster: Cluster | None = None,
            workflow_job_id: str | int = "",
            workflow_job_dir: str | os.PathLike[str] | None = None,
            shared_dir: str | os.PathLike[str] | None = None,
            local_mode: bool = False,
            cluster_error: str = "",
        ) -> None: ...

    def __post_init__(self) -> None:
        self.workflow_job_id = str(self.workflow_job_id)
        own: Any = self.workflow_job_dir
        if own is None:
            own = tempfile.mkdtemp(prefix="slurm-workflow-")
            weakref.finalize(self, shutil.rmtree, own, ignore_errors=True)
        self.workflow_job_dir = _absolute(own)
        given: Any = self.shared_dir
        self.shared_dir = self.workflow_job_dir / SHARED if given is None else _absolute(given)
        for directory in (self.shared_dir, self.tasks_dir):
            _make(directory)

    @property
    def result_path(self) -> Path:
        """The file with the workflow's result.

        >>> ctx.result_path.name
        'result.pkl'
        """
        return self.workflow_job_dir / RESULT

    @property
    def metadata_path(self) -> Path:
        """The workflow's ``metadata.json``.

        >>> ctx.metadata_path.name
        'metadata.json'
        """
        return self.workflow_job_dir / METADATA

    @property
    def tasks_dir(self) -> Path:
        """The directory that holds the jobs submitted by this workflow.

        >>> ctx.tasks_dir == ctx.workflow_job_dir / "tasks"
        True
        """
        return self.workflow_job_dir / TASKS

    @property
    def placement(self) -> Any:
        """Where the jobs of `cluster` belong that are submitted while this workflow is active: they are its children.

        >>> ctx.placement.base == str(ctx.tasks_dir)
        True
        """
        from slurm.submit.draft import Placement  # late: many workflows read only

        return Placement(str(self.tasks_dir), parent=self.workflow_job_id)

    @property
    def submitter(self) -> Any:
        """Who takes calls that are made in this workflow: its tasks' jobs are its children."""
        if self.cluster is None:
            from slurm.submit.submitter import NoSubmitter

            why = "this context was made without a cluster"
            if self.cluster_error:
                why = f"its cluster could not be set up: {self.cluster_error}"
            return NoSubmitter(
                f"from workflow job {self.workflow_job_id or 'without an id'}: {why}"
            )
        return self.cluster.submitter.placed(self.placement)

    def get_task_output_dir(self, task_name: str) -> Path:
        """The directory with all runs of a task in this workflow.

        >>> ctx.get_task_output_dir("double") == ctx.tasks_dir / "double"
        True
        """
        return self.tasks_dir / directory_name(task_name)

    def list_task_runs(self, task_name: str) -> list[Path]:
        """The job directories of a task in this workflow, the one that was submitted last first.

        An array is one run. One that is mapped and not submitted yet is none, nor is a call in an open batch.

        >>> len(ctx.list_task_runs("double"))
        1
        """
        return [Path(run.path) for run in self._runs_of(task_name)]

    def get_latest_task_result(self, task_name: str, timeout: float | None = None) -> Any:
        """The result of the run of a task that was submitted last: of an array, the list of its items' results.

        Waits for that run, at most `timeout` seconds, while it has not ended; raises what it raised, what kept it from
        ending, or the built-in ``TimeoutError``. Raises `RemoteFileMissing` where there is no run.

        >>> ctx.get_latest_task_result("double")
        42
        """
        from slurm.tracking.deadline import seconds_of  # late: most workflows need it not

        with UsersFrames(TypeError, ValueError):
            timeout = seconds_of(timeout)
        for run in self._runs_of(task_name):
            if self._has_its_result(run):
                return self._result_of(run)
            future = self._future_of(run)
            if future is not None:
                return future.result(timeout)
        raise RemoteFileMissing(f"there is no run of {task_name} in {self.tasks_dir}")

    def _runs_of(self, task_name: str) -> list[Run]:
        return runs_of_task(str(self.tasks_dir), task_name, self._known_runs)

    def load_workflow_result(self, workflow_path: str | Path) -> Any:
        """The result of another workflow, by its job directory.

        >>> ctx.load_workflow_result(job.job_dir)
        42
        """
        return _opened(JobDirectory(str(workflow_path)))

    def _has_its_result(self, run: Run) -> bool:
        """Whether its files tell the outcome; where there is somebody to ask, one of a job that runs again does not."""
        index = RecordIndex(ArrayDirectory(run.path))
        if index.exists:
            return all(index.find(item) is not None for item in range(run.count or 0))
        return all(
            os.path.isfile(job.result)
            and (self.cluster is None or metadata_in(job.path).get("status") not in NOT_ENDED)
            for job in _jobs_of(run)
        )

    def _result_of(self, run: Run) -> Any:
        if run.count is None:
            return _opened(JobDirectory(run.path))
        index = RecordIndex(ArrayDirectory(run.path))
        records = [index.find(item) if index.exists else None for item in range(run.count)]
        return [_opened(job, record) for job, record in zip(_jobs_of(run), records)]

    def _future_of(self, run: Run) -> Job[Any] | ArrayJob[Any] | None:
        """The job or array of a run; None if it was prepared, or is just being so, and not submitted."""
        if self.cluster is None:
            raise RemoteFileMissing(
                f"{run.path}, the latest run of its task, has no result yet, and this context has no cluster to wait for it"
            )
        from slurm.array_job import ArrayJob  # late: many workflows look nothing up
        from slurm.job import Job

        try:
            return (Job if run.count is None else ArrayJob).from_dir(run.path, self.cluster)
        except RemoteFileMissing:
            return None
        except JobError:
            if "token" in run.metadata and not run.metadata.get("job_id"):
                return None
            raise


def _absolute(path: str | os.PathLike[str]) -> Path:
    return Path(path).expanduser().absolute()


def _make(directory: Path) -> None:
    for folder in reversed((directory, *directory.parents)):
        if not folder.is_dir():
            folder.mkdir(mode=0o700, exist_ok=True)


def _jobs_of(run: Run) -> Iterator[JobDirectory]:
    """The directory of its job, or those of an array's items."""
    if run.count is None:
        yield JobDirectory(run.path)
        return
    array, layout = ArrayDirectory(run.path), ArrayLayout(run.count)
    for item in range(run.count):
        yield array.element(layout.name(item))


def _opened(job: JobDirectory, record: ItemRecord | None = None) -> Any:
    """The result of a job, which is in its record where it is a packed item's and not large."""
    if record is not None and record.has_result:
        return open_envelope(record.envelope(), job_dir=job.path)
    try:
        file = open_regular(job.result)
    except FileNotFoundError:
        raise RemoteFileMissing(f"there is no result at {job.result}") from None
    with file:
        return open_envelope(load_envelope(file, path=job.result), job_dir=job.path)
