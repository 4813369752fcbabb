"""Finding jobs again that an earlier client submitted."""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING, Any

from slurm.agent.json_files import parse_object
from slurm.api.requests import Submitted
from slurm.context import SubmissionContext, get_active_context
from slurm.errors import (
    ConfigError,
    JobError,
    NoActiveContext,
    RemoteFileMissing,
    SubmissionUnknown,
)
from slurm.job_dir.metadata import piece_key
from slurm.job_dir.paths import (
    ARRAY_METADATA,
    JOB_SCRIPT,
    METADATA,
    ArrayDirectory,
    JobDirectory,
    array_of,
    receipt_of_job,
    script_of_piece,
    token_of_piece,
)
from slurm.sbatch.array_layout import ArrayLayout
from slurm.submit.submitter import Submitter
from slurm.tracking.submitted_array import SubmittedArray

if TYPE_CHECKING:
    from slurm.api.base import BackendBase


def submitter_of(cluster: SubmissionContext | None) -> Submitter:
    """That of `cluster`, or of what is active here. Raises `NoActiveContext` where nothing is."""
    active = cluster or get_active_context()
    submitter = None if active is None else active.submitter
    if not isinstance(submitter, Submitter):
        raise NoActiveContext(
            "Job.from_dir(path) needs a cluster: pass cluster=..., or call it inside "
            "'with Cluster(...) as cluster:'"
        )
    return submitter


def job_with_id(job_id: str, submitter: Submitter) -> Any:
    """See `Cluster.get_job`."""
    number, underscore, task = job_id.partition("_")
    if not number.isdecimal() or (underscore and not task.isdecimal()):
        raise ConfigError(
            f"{job_id!r} is no job id: give the number that sbatch prints, or 12_3 for task 3 of array 12"
        )
    path = _directory_of(number, submitter)
    if submitter.site.backend.file_exists(ArrayDirectory(path).metadata):
        if not task:
            raise ConfigError(f"job {job_id} is an array: use cluster.get_array({job_id})")
        return _with_id(array_in(path, submitter), job_id)
    if task:
        raise ConfigError(f"job {number} is no array, and so has no task {task}")
    return job_in(path, submitter)


def array_with_id(job_id: str, submitter: Submitter) -> Any:
    """See `Cluster.get_array`."""
    if not job_id.isdecimal():
        raise ConfigError(f"{job_id!r} is no array's id: give the number that sbatch prints")
    path = _directory_of(job_id, submitter)
    try:
        return array_in(path, submitter)
    except RemoteFileMissing:
        raise ConfigError(f"job {job_id} is no array: use cluster.get_job({job_id})") from None


def _directory_of(number: str, submitter: Submitter) -> str:
    base = submitter.site.job_base_dir
    try:
        receipt = _read(submitter.site.backend, receipt_of_job(base, number), job_dir=str)
    except RemoteFileMissing:
        raise RemoteFileMissing(
            f"no job {number} was submitted under {base}; "
            "Job.from_dir(path) finds one by its directory"
        ) from None
    return str(receipt["job_dir"])


def _with_id(array: Any, job_id: str) -> Any:
    number, _, task = job_id.partition("_")
    pieces = [piece for piece, one in enumerate(array.ids) if one == number]
    items = [array.layout.first_of(piece, int(task)) for piece in pieces]
    if not items or items[0] is None:
        raise RemoteFileMissing(f"array {array.id} has no task {job_id}")
    return array[items[0]]


def job_in(path: str, submitter: Submitter) -> Any:
    """See `Job.from_dir`."""
    backend = submitter.site.backend
    directory = JobDirectory(path.rstrip("/"))
    array = array_of(directory.path)
    if array is not None and backend.file_exists(array.metadata):
        return array_in(array.path, submitter)[int(posixpath.basename(directory.path))]
    try:
        metadata = _read(backend, directory.metadata, token=str, task_name=str)
    except RemoteFileMissing:
        raise _nothing_in(path, "job", ArrayDirectory(path).metadata, "ArrayJob", backend) from None
    about = {"token": metadata["token"], "script": JOB_SCRIPT, "metadata": METADATA}
    job_id = metadata.get("job_id") or _find(backend, directory.path, id_key="job_id", **about)
    if not job_id:
        raise JobError(f"the job in {path} was prepared and never submitted", job_dir=path)
    record = submitter.record(
        task_name=metadata["task_name"],
        token=metadata["token"],
        submission=Submitted(job_id, directory.path, reattached=True),
    )
    return submitter.job_of(record)


def array_in(path: str, submitter: Submitter) -> Any:
    """See `ArrayJob.from_dir`."""
    backend = submitter.site.backend
    directory = ArrayDirectory(path.rstrip("/"))
    whole = {"count": int, "pack": int, "max_array_size": int}
    try:
        metadata = _read(backend, directory.metadata, token=str, task_name=str, **whole)
    except RemoteFileMissing:
        raise _nothing_in(path, "array", JobDirectory(path).metadata, "Job", backend) from None
    layout = ArrayLayout(*(metadata[name] for name in whole))
    ids = []
    for piece in range(len(layout.pieces)):
        about = {"script": script_of_piece(piece), "metadata": ARRAY_METADATA}
        key, token = piece_key(piece), token_of_piece(metadata["token"], piece)
        job_id = metadata.get(key) or _find(
            backend, directory.path, token=token, id_key=key, **about
        )
        if not job_id:
            raise JobError(
                f"the array in {path} was prepared and not submitted as a whole", job_dir=path
            )
        ids.append(str(job_id))
    state = SubmittedArray(tuple(ids), directory, layout, metadata["token"], reattached=True)
    return submitter.array_of(metadata["task_name"], state)


def _nothing_in(
    path: str, wanted: str, other: str, its_class: str, backend: BackendBase
) -> RemoteFileMissing:
    """The error for a directory without what was `wanted`; in that of the `other` kind, whose class finds that."""
    if backend.file_exists(other):
        advice = f"use {its_class}.from_dir() for what is there"
    else:
        advice = "give the job_dir that it told, which is a directory on the cluster"
    return RemoteFileMissing(f"there is no {wanted} in {path}: {advice}")


def _find(backend: BackendBase, path: str, **about: str) -> str | None:
    """The id that nobody has noted: the answer was lost, or has not come yet."""
    try:
        return backend.find_job(path, **about)
    except SubmissionUnknown as error:
        message = f"nobody can tell now whether the job in {path} was submitted: {error}"
        raise SubmissionUnknown(message, token=about["token"], job_dir=path) from error


def _read(backend: BackendBase, path: str, **needed: type) -> dict[str, Any]:
    """The JSON object in a file, in which the keys `needed` have values of their types. Raises `JobError`."""
    try:
        content = parse_object(backend.read_file(path))
    except ValueError as error:
        raise JobError(f"{path} cannot be read as JSON: {error}") from error
    for key, kind in needed.items():
        if not isinstance(content.get(key), kind):
            raise JobError(f"{path} is damaged: it does not say the {key} of the job")
    return content
