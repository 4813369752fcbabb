"""What a job has printed: in which files of the cluster that is, and what they hold.

Slurm writes them where the options ``output`` and ``error`` say, under names that it makes of a pattern.
"""

from __future__ import annotations

import contextlib
import posixpath
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from slurm.errors import RemoteFileError, RemoteFileMissing, SlurmError
from slurm.job_dir.paths import JobDirectory, script_of_piece
from slurm.rendering import options_in
from slurm.sbatch.filename_pattern import NO_INDEX, NOWHERE, JobNames, expand, symbols_in
from slurm.states import ACTIVE, JobState
from slurm.tracking.job_metadata import metadata_of
from slurm.usage import NO_NODES

if TYPE_CHECKING:
    from slurm.tracking.record import JobRecord


class Stream(NamedTuple):
    """One of the two: its `name`, and the option that says where it goes."""

    name: str
    option: str


STDOUT, STDERR = Stream("stdout", "output"), Stream("stderr", "error")
# Symbols of which Slurm's versions know different ones; what they became, the job itself has noted.
DIFFERENT = frozenset("b")


def path_of(record: JobRecord, stream: Stream) -> str:
    """The file on the cluster that takes a stream of the job.

    A symbol that only the job can know stays in it until the job has begun: ``%N``, and ``%j`` in an array. Raises
    `TransportError` where files have to be asked for that.
    """
    options = options_of(record)
    pattern = options.get(stream.option)
    if pattern is None:
        directory = record.log_directory
        return directory.stdout(record.id) if stream is STDOUT else directory.stderr(record.id)
    values = _names_of(record, options, pattern).values
    unsure = [one for one in symbols_in(pattern) if values[one] is None or one in DIFFERENT]
    noted = _noted(record, stream) if unsure else ""
    home = posixpath.join(home_of(record).path, options.get("chdir", ""))
    return noted or posixpath.join(home, expand(pattern, values))


def read(record: JobRecord, stream: Stream) -> str:
    """What the job has printed so far; nothing before it has begun.

    Raises `RemoteFileMissing` where it has, and its file cannot be had from here.
    """
    path = path_of(record, stream)
    if path == NOWHERE:
        raise sent_nowhere(record, stream)
    own = is_in_its_directory(record, path)
    if not own and not has_begun(record, ask=True):
        return ""  # what is there may be of another job that was given the same name
    try:
        return record.site.backend.read_file(path).decode("utf-8", "replace")
    except RemoteFileMissing:
        if own:
            return ""
        raise RemoteFileMissing(out_of_reach(record, stream, path)) from None


def tail(record: JobRecord, size: int) -> tuple[str, str]:
    """The last lines that a job which has ended wrote to stderr; and where there are none, why they cannot be had."""
    path = path_of(record, STDERR)
    if path == NOWHERE:
        return "", f"It kept no stderr: the option error= sent that to {path}"
    own = is_in_its_directory(record, path)
    if not own and not has_begun(record):
        return "", ""
    try:
        return record.site.backend.read_tail(path, size).decode("utf-8", "replace").strip(), ""
    except RemoteFileError:
        return "", "" if own else f"Its stderr went to {path}, which cannot be read from here"


def sent_nowhere(record: JobRecord, stream: Stream) -> RemoteFileMissing:
    """The error for a job that keeps no such output."""
    return RemoteFileMissing(
        f"job {record.id} ({record.task_name}) keeps no {stream.name}: the option {stream.option}= sends it to {NOWHERE}"
    )


def is_in_its_directory(record: JobRecord, path: str) -> bool:
    """Whether a file is among the job's own, where nobody else writes."""
    return path.startswith(f"{home_of(record).path}/")


def out_of_reach(record: JobRecord, stream: Stream, path: str) -> str:
    """What is said of a file that is where only the job's node sees it."""
    node = f" on {record.status.node}" if record.status.node not in NO_NODES else ""
    return (
        f"job {record.id} ({record.task_name}) sends its {stream.name} to {path}{node}, which is not there for this "
        f"client: give {stream.option}= a directory that nodes and the login node share, or leave it out"
    )


def has_begun(record: JobRecord, *, ask: bool = False) -> bool:
    """Whether it has; one that waited when last heard of is asked about, if told so."""
    if ask and not record.finished and record.status.state not in ACTIVE:
        with contextlib.suppress(
            SlurmError
        ):  # of a cluster that was closed, say: its files may be had
            record.operations.refresh(record)
    status = record.status
    if status.state is JobState.CANCELLED and status.node in NO_NODES:
        return False
    return status.finished or status.state in ACTIVE


def home_of(record: JobRecord) -> JobDirectory:
    """The directory in which sbatch was called."""
    element = record.element
    return record.directory if element is None else JobDirectory(element.array.path)


def options_of(record: JobRecord) -> Mapping[str, str]:
    """The options in the job's script; of a job that was found again they are read from there, once."""
    if record.options is None:
        piece = record.element.piece if record.element is not None else 0
        path = posixpath.join(home_of(record).path, script_of_piece(piece))
        try:
            [script] = record.site.backend.read_files([path])
        except RemoteFileError:
            return {}
        record.note_options(options_in((script or b"").decode("utf-8", "replace")))
    return record.options or {}


def _names_of(record: JobRecord, options: Mapping[str, str], pattern: str) -> JobNames:
    number, _, index = record.id.partition("_")
    user = record.site.backend.host().user if "u" in symbols_in(pattern) else None
    if not number.isdecimal() or (index and not index.isdecimal()):
        return JobNames(user=user, name=options.get("job-name"))
    return JobNames(
        array_id=int(number),
        array_index=int(index) if index else NO_INDEX,
        job_id=None if index else int(number),
        user=user,
        name=options.get("job-name"),
    )


def _noted(record: JobRecord, stream: Stream) -> str:
    """Where the job itself saw the stream go; empty before it has."""
    try:
        path = metadata_of(record).get(stream.name)
    except (RemoteFileError, ValueError):
        return ""
    return path if isinstance(path, str) and path.startswith("/") else ""
