"""What a workflow function holds: its own job, its directories, and a cluster to submit to."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slurm.agent.json_files import read_json_if_whole
from slurm.agent.regular_files import open_regular
from slurm.errors import RemoteFileMissing
from slurm.job_dir.paths import METADATA, RESULT, SHARED, TASKS, ArrayDirectory, sanitise
from slurm.job_dir.result import load_envelope, open_envelope
from slurm.sbatch.array_layout import ArrayLayout

if TYPE_CHECKING:
    from slurm.cluster import Cluster


@dataclass
class WorkflowContext:
    """Injected into a workflow function that annotates a parameter with this type.

    - `cluster`: where tasks called inside the workflow are submitted to.
    - `workflow_job_id`, `workflow_job_dir`: the workflow's own job.
    - `shared_dir`: a directory for what tasks hand to each other.
    - `local_mode`: True when the workflow runs without Slurm.
    - `cluster_error`: why there is no cluster, when it could not be set up inside the job.

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

    cluster: Cluster | None
    workflow_job_id: str
    workflow_job_dir: Path
    local_mode: bool = False
    cluster_error: str = ""
    shared_dir: Path = field(init=False)

    def __post_init__(self) -> None:
        self.workflow_job_dir = Path(self.workflow_job_dir)
        self.shared_dir = self.workflow_job_dir / SHARED
        for directory in (self.shared_dir, self.tasks_dir):
            directory.mkdir(mode=0o700, exist_ok=True)

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
    def submitter(self) -> Any:
        """Who takes calls that are made in this workflow: its tasks' jobs are its children."""
        from slurm.submit.draft import Placement  # late: many workflows read only
        from slurm.submit.submitter import NoSubmitter

        if self.cluster is None:
            return NoSubmitter(
                f"from workflow job {self.workflow_job_id}: its cluster could not be set up: "
                f"{self.cluster_error}"
            )
        return self.cluster.submitter.placed(
            Placement(str(self.tasks_dir), parent=self.workflow_job_id)
        )

    def get_task_output_dir(self, task_name: str) -> Path:
        """The directory with all runs of a task in this workflow.

        >>> ctx.get_task_output_dir("double") == ctx.tasks_dir / "double"
        True
        """
        return self.tasks_dir / sanitise(task_name)

    def list_task_runs(self, task_name: str) -> list[Path]:
        """The job directories of a task in this workflow, newest first.

        >>> len(ctx.list_task_runs("double"))
        1
        """
        output = self.get_task_output_dir(task_name)
        if not output.is_dir():
            return []
        runs = [path for path in output.iterdir() if path.is_dir()]
        return sorted(runs, key=_submitted_at, reverse=True)

    def get_latest_task_result(self, task_name: str) -> Any:
        """The result of the most recent run of a task: of an array, the list of its items' results.

        Raises `RemoteFileMissing` when none has one.

        >>> ctx.get_latest_task_result("double")
        42
        """
        for run in self.list_task_runs(task_name):
            count = _array_metadata(run).get("count")
            files = [run / RESULT] if count is None else _results_of_items(run, count)
            if all(file.is_file() for file in files):
                results = [self._open(file) for file in files]
                return results[0] if count is None else results
        raise RemoteFileMissing(f"no run of {task_name} in {self.tasks_dir} has a result yet")

    def load_workflow_result(self, workflow_path: str | Path) -> Any:
        """The result of another workflow, by its job directory.

        >>> ctx.load_workflow_result(job.job_dir)
        42
        """
        return self._open(Path(workflow_path) / RESULT)

    def _open(self, path: Path) -> Any:
        try:
            file = open_regular(str(path))
        except FileNotFoundError:
            raise RemoteFileMissing(f"there is no result at {path}") from None
        with file:
            return open_envelope(load_envelope(file, path=str(path)), job_dir=str(path.parent))


def _submitted_at(run: Path) -> tuple[str, str]:
    """When a run was submitted: its name says it to the second, its metadata to the millisecond."""
    metadata = _noted(str(run / METADATA)) or _array_metadata(run)
    stamp = run.name[: len("YYYYMMDD_HHMMSS")]
    return stamp, str(metadata.get("timestamp", ""))


def _array_metadata(run: Path) -> dict[str, Any]:
    """The metadata of an array; empty for the run of a single job."""
    return _noted(ArrayDirectory(str(run)).metadata)


def _noted(path: str) -> dict[str, Any]:
    """What a run has noted of itself; one of which that cannot be read does not hide the others."""
    try:
        return read_json_if_whole(path)
    except OSError:
        return {}


def _results_of_items(run: Path, count: int) -> list[Path]:
    array, layout = ArrayDirectory(str(run)), ArrayLayout(count)
    return [Path(array.element(layout.name(item)).result) for item in range(count)]
