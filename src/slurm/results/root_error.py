"""What the job failed with at which a chain of jobs began that never started, and the error for those."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from slurm import errors
from slurm.job_dir.remote_exceptions import text_of, type_name
from slurm.job_dir.result import outcome_in, outcome_of
from slurm.tracking.item_records import ItemRecords
from slurm.tracking.record import is_packed

if TYPE_CHECKING:
    from slurm.results.root_cause import Root
    from slurm.tracking.record import JobRecord

LONGEST_MESSAGE = 1000  # characters: what an error of ours advises comes last


class RootError(NamedTuple):
    """What the root failed with, and where: `raised` by its task, or how the job ended."""

    error: BaseException
    raised: bool
    record: JobRecord
    stderr: str = ""


def exception_of(records: Iterable[JobRecord]) -> RootError | None:
    """What a task raised in one of these jobs, which have ended; None where none left an exception.

    Raises `TransportError`.
    """
    for record in _may_have_raised(list(records)):
        error = _error_of(record)
        if error is not None:
            return RootError(error, True, record)
    return None


def _may_have_raised(records: Sequence[JobRecord]) -> Iterable[JobRecord]:
    """All of them, of items that share a job only those whose records say so."""
    packed = [record for record in records if is_packed(record)]
    if not packed:
        return records
    asked = ItemRecords(packed[0].site.backend, packed)
    found = dict(asked.read(bodies=False))
    raised = [one for one in packed if one in found and not found[one].successful]
    return [*(one for one in records if not is_packed(one)), *raised, *asked.without]


def _error_of(record: JobRecord) -> BaseException | None:
    backend, path = record.site.backend, record.directory.result
    place = {"job_id": record.id, "job_dir": record.job_dir}
    try:
        items = ItemRecords(backend, [record]).read() if is_packed(record) else ()
        for _, item in items:
            if item.has_result:
                return outcome_of(item.envelope, **place).error
        return outcome_in(backend.open_file(path), path, **place).error
    except errors.RemoteFileError:
        return None


def dependency_failed(
    never: str, root: Root, found: RootError | None, **about: str
) -> errors.DependencyFailed:
    """The error of a job that never started; `never` says which one that is, `about` are the error's attributes."""
    ended = f"{never} {_ended(root)}"
    if found is None:
        return errors.DependencyFailed(ended, root_job_id=root.job_id, **about)
    error = errors.DependencyFailed(
        _message(ended, found) if found.raised else f"{never} {found.error}",
        stderr=found.stderr,
        root_job_id=root.job_id,
        root_job_dir=found.record.job_dir,
        root_type_name=_type_name(found.error),
        root_message=text_of(found.error),
        **about,
    )
    error.__cause__ = found.error
    return error


def _ended(root: Root) -> str:
    name = f" ({root.task_name})" if root.task_name else ""
    why = "; it waited for that to fail" if root.type == "afternotok" else ""
    return f"job {root.job_id}{name} ended as {root.state}{why}"


def in_a_line(error: BaseException) -> str:
    """An exception's type and message; of one that stands in for another, that one's."""
    text = text_of(error)
    if not isinstance(error, errors.RemoteError):
        text = f"{_type_name(error)}: {text}" if text else _type_name(error)
    text = " ".join(text.split())
    return text if len(text) <= LONGEST_MESSAGE else f"{text[:LONGEST_MESSAGE]}..."


def _message(ended: str, found: RootError) -> str:
    files = f"Its files: {found.record.job_dir}"
    if isinstance(found.error, errors.NoMainGuard):  # there is nothing else to mend
        return f"{text_of(found.error)} ({ended}). {files}"
    stderr = _without_traceback(found)
    below = f"\nThe end of its stderr:\n{stderr}" if stderr else ""
    return f"{ended}: {in_a_line(found.error)}. {files}{below}"


def _without_traceback(found: RootError) -> str:
    """What the root wrote to stderr beside the traceback of its exception, which is told already."""
    cause = found.error.__cause__
    text = cause.text.strip() if isinstance(cause, errors.RemoteTraceback) else ""
    if text and text.endswith(found.stderr):
        return ""
    return found.stderr.removesuffix(text).strip()


def _type_name(error: BaseException) -> str:
    if isinstance(error, errors.RemoteError) and error.type_name:
        return error.type_name
    return type_name(error).removeprefix("builtins.")
