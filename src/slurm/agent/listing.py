"""What lies below a ``job_base_dir`` of jobs to which something was done lately, in few words each."""

import os
from typing import Any, Dict, Iterator, List, Set

from .directory_names import RECORDS
from .files import beginning
from .json_files import parse_object
from .metadata_requests import ARRAY, ITEM, LARGEST_METADATA, METADATA_FILES
from .old_jobs import folders_in
from .package_users import noted_in
from .record_files import counting, in_folder
from .record_frames import SHARED, VALUE, read_frames

# What a list has use for. Results, errors and arguments stay where they are.
TOLD = (
    *("task_name", "token", "timestamp", "status", "started_at", "completed_at", "ended_at"),
    *("is_workflow", "parent_workflow", "node", "attempt", "count", "pack", "max_array_size"),
)

Noted = Dict[str, Any]


def noted_since(base: str, since: float) -> Iterator[Noted]:
    """The jobs whose directories have changed since, and all that their workflows have submitted.

    A runner writes its files there as it begins and as it ends, each under another name first: that changes the directory.
    """
    for task in folders_in(base):
        for path in folders_in(task):
            try:
                recent = os.stat(path).st_mtime >= since
            except FileNotFoundError:
                continue
            if recent:
                yield from noted_at(path)


def noted_at(path: str) -> Iterator[Noted]:
    """The job or array in a directory, and of a workflow its jobs."""
    for name in METADATA_FILES:
        try:
            content = parse_object(beginning(os.path.join(path, name), LARGEST_METADATA))
        except (OSError, ValueError):  # it is not there, or not whole
            continue
        yield _slim(path, name, content)
        if content.get("is_workflow"):
            for place, kind, below, _ in noted_in(path, 0):
                if place != path:
                    yield _slim(place, kind, below)
        return


def _slim(path: str, name: str, content: Dict[str, Any]) -> Noted:
    told = {key: content[key] for key in TOLD if content.get(key) is not None}
    submissions = [content["job_id"]] if content.get("job_id") else []
    while content.get("job_id_{}".format(len(submissions))):  # of an array with many tasks
        submissions.append(content["job_id_{}".format(len(submissions))])
    told.update(path=path, ids=[str(one) for one in submissions])
    if name == ARRAY:
        told.update(array=True, ended=content.get("ended") or [])
    return told


def items_of(array: Noted) -> Dict[str, List[int]]:
    """The items of an array by the status that each has noted; those that have noted nothing are in none."""
    found: Dict[str, Set[int]] = {}
    folder = os.path.join(array["path"], "tasks")
    for name in os.listdir(folder) if os.path.isdir(folder) else ():
        if name.isdigit():
            try:
                about = parse_object(beginning(os.path.join(folder, name, ITEM), LARGEST_METADATA))
            except (OSError, ValueError):
                continue
            found.setdefault(str(about.get("status")), set()).add(int(name))
    folder = os.path.join(array["path"], RECORDS)
    opened = in_folder(folder)
    for one in counting(os.listdir(folder) if os.path.isdir(folder) else [], opened):
        with opened(one.name) as file:
            for frame in read_frames(file, 0, one.limit, bodies=False):
                if frame.kind != SHARED:
                    status = "completed" if frame.kind == VALUE else "failed"
                    found.setdefault(status, set()).add(frame.item)
    return {status: sorted(items) for status, items in found.items()}
