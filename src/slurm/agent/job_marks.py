"""Marks on the directories of jobs: whoever cleans up leaves alone what was marked lately.

The mark is when the directory changed. What is removed is a job's directory with all in it, those of a workflow's jobs
included; so the uppermost one is marked.
"""

import os
from typing import Iterator, Optional

from .json_files import parse_object, read_json_if_whole
from .metadata_requests import METADATA_FILES
from .needed import use

TASKS = "tasks"


def use_job(path: str) -> None:
    """Mark a job as used now, by its directory."""
    use(uppermost(path))


def use_above(path: str) -> None:
    """Mark the workflow in which the directory of a new job is, if it is in one."""
    above = uppermost(path)
    if above != path:
        use(above)


def use_dependencies(receipts: str, metadata: bytes) -> None:
    """Mark the jobs that the one waits for which notes this of itself: it may read what they have left."""
    try:
        noted = parse_object(metadata).get("dependencies")
    except ValueError:  # of a backend's own, say: it waits for nothing that is known
        return
    for number in set(dependencies_in(noted)):
        receipt = os.path.join(receipts, "job-{}.json".format(number))
        path = read_json_if_whole(receipt).get("job_dir")
        if isinstance(path, str):
            use_job(path)


def dependencies_in(noted: object) -> Iterator[str]:
    """The numbers of the jobs and arrays that metadata names as what its job waits for."""
    for one in noted if isinstance(noted, list) else ():
        number = str(one.get("job_id", "")).split("_")[0] if isinstance(one, dict) else ""
        if number.isdigit():
            yield number


def uppermost(path: str) -> str:
    """The directory of the job itself, or of the workflow that it is in by way of any number of others."""
    above: Optional[str] = path
    while above is not None:
        path, above = above, _workflow_of(above)
    return path


def _workflow_of(path: str) -> Optional[str]:
    """The job or array in whose ``tasks`` the directory is: those of jobs lie in one for their task, those of items do not."""
    for _ in range(2):
        path = os.path.dirname(path)
        if os.path.basename(path) == TASKS:
            folder = os.path.dirname(path)
            if any(os.path.isfile(os.path.join(folder, name)) for name in METADATA_FILES):
                return folder
    return None
