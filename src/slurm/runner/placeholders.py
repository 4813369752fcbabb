"""Jobs among the arguments: what their results are, read from their directories."""

from __future__ import annotations

from typing import Any

from slurm.agent.regular_files import open_regular
from slurm.errors import DependencyFailed, ResultCorrupted, ResultMissing
from slurm.job_dir.arguments import JobResultPlaceholder
from slurm.job_dir.paths import ArrayDirectory, JobDirectory
from slurm.job_dir.result import Envelope, load_envelope, open_envelope


def result_of(placeholder: JobResultPlaceholder) -> Any:
    """What a placeholder stands for: the result of a job, or those of a whole array."""
    if placeholder.count is None:
        return result_of_job(placeholder)
    from slurm.sbatch.array_layout import ArrayLayout

    array, layout = ArrayDirectory(placeholder.job_dir), ArrayLayout(placeholder.count)
    names = [layout.name(item) for item in range(placeholder.count)]
    return [
        result_of_job(JobResultPlaceholder(f"{placeholder.job_id}[{n}]", array.element(name).path))
        for n, name in enumerate(names)
    ]


def result_of_job(placeholder: JobResultPlaceholder) -> Any:
    """The result of the job a placeholder stands for. Raises `DependencyFailed` when it raised."""
    path = JobDirectory(placeholder.job_dir).result
    try:
        with open_regular(path) as file:
            return _opened(load_envelope(file, path=path), placeholder)
    except FileNotFoundError:
        raise ResultMissing(
            f"an argument is the result of job {placeholder.job_id}, and {path} is not there",
            job_id=placeholder.job_id,
            job_dir=placeholder.job_dir,
        ) from None
    except OSError as error:
        raise ResultCorrupted(
            f"an argument is the result of job {placeholder.job_id}: {error.strerror}: {path}",
            job_id=placeholder.job_id,
            job_dir=placeholder.job_dir,
        ) from error


def _opened(envelope: Envelope, placeholder: JobResultPlaceholder) -> Any:
    if envelope.kind == "exception":
        raise DependencyFailed(
            f"an argument is the result of job {placeholder.job_id}, which raised "
            f"{envelope.type_name}: {envelope.message}",
            job_id=placeholder.job_id,
            job_dir=placeholder.job_dir,
        )
    return open_envelope(envelope, job_id=placeholder.job_id, job_dir=placeholder.job_dir)
