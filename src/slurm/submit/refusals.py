"""Why there is no job, in the words of the call that it was for."""

from __future__ import annotations

import logging
import posixpath
import sys
from collections.abc import Mapping, Sequence
from types import FrameType
from typing import TYPE_CHECKING

from slurm.errors import (
    ConfigError,
    DependencyFailed,
    JobFailed,
    NoMainGuard,
    SlurmError,
    SubmissionRefused,
    SubmissionUnknown,
)
from slurm.job_dir.main_module import MAIN, MAIN_OF_CHILDREN
from slurm.sbatch.dependency import Verdict

if TYPE_CHECKING:
    from slurm.api.base import BackendBase
    from slurm.api.requests import Submitted
    from slurm.submit.draft import PreparedCall
    from slurm.tracking.record import JobRecord
    from slurm.tracking.upstream import Dependency

OF_ONE_JOB = frozenset(("output", "error", "dependency"))
logger: logging.Logger = logging.getLogger(__name__)
MAIN_NAMES = (MAIN, MAIN_OF_CHILDREN)


class Refusals:
    """Says why there is no job; the backend is asked what it offers where that is the matter, once for all calls."""

    def __init__(self, backend: BackendBase) -> None:
        self._backend = backend
        self._offers: dict[str, Sequence[Mapping[str, str]]] = {}

    def problem_of(self, prepared: PreparedCall, answer: Submitted) -> SlurmError | None:
        """Why there is no job, in the words of the call it was for; None where there is one."""
        error = answer.error
        if error is None:
            return taken(prepared, answer)
        if isinstance(error, SubmissionUnknown):
            return unknown(prepared, error)
        never = _never_starts(prepared) if isinstance(error, SubmissionRefused) else None
        return never or type(error)(f"{prepared.name}: {self._explained(prepared, error)}")

    def _explained(self, prepared: PreparedCall, error: SlurmError) -> str:
        from slurm.sbatch.refusal_words import (
            ASKED,
            advice,
            kind_of,
            plain,
        )  # late: most jobs are taken

        said = plain(str(error))
        kind = kind_of(str(error)) if isinstance(error, SubmissionRefused) else ""
        if not kind:
            return said
        request = prepared.requests[0]
        options = {**request.options, **request.submit_options}
        more = advice(kind, options, self._rows(ASKED.get(kind, "")))
        return f"{said} ({more})" if more else said

    def _rows(self, asked: str) -> Sequence[Mapping[str, str]]:
        if asked and asked not in self._offers:
            try:
                found = self._backend.get_offers([asked])
            except SlurmError:  # a detail, which must not hide the refusal
                found = {}
            self._offers[asked] = found.get(asked, ())
        return self._offers.get(asked, ())


def taken(prepared: PreparedCall, answer: Submitted) -> ConfigError | None:
    """Why the key of a call cannot be its: the job that it stands for is another task's. None where it is not.

    The directory of a job is in one that its task alone has, wherever a workflow has its own.
    """
    own, found = (_task_of(job_dir) for job_dir in (prepared.requests[0].job_dir, answer.job_dir))
    if not answer.reattached or own == found:
        return None
    key = "its key" if prepared.key is None else f"the key {prepared.key!r}"
    return ConfigError(
        f"{prepared.name} was not submitted: {key} stands for job {answer.job_id} of the task {found}, in "
        f"{answer.job_dir}. Choose another key for {prepared.name}"
    )


def _task_of(job_dir: str) -> str:
    return posixpath.basename(posixpath.dirname(job_dir))


def say_kept_options(prepared: PreparedCall, answer: Submitted) -> None:
    """Log a warning where the job of a key has other options than this call, which come too late for it."""
    before, now = answer.options, _told(prepared.requests[0].options)
    if not answer.reattached or before is None or _told(before) == now:
        return
    before = _told(before)
    names = sorted(name for name in {*before, *now} if before.get(name) != now.get(name))
    had = ", ".join(_option(name, before) for name in names)
    asked = ", ".join(_option(name, now) for name in names)
    logger.warning(
        "job %s (%s), which the key %r stands for, keeps the options of its submission: %s; this call has %s",
        *(answer.job_id, prepared.name, prepared.key, had, asked),
    )


def _told(options: Mapping[str, str]) -> dict[str, str]:
    """Those that two calls may share: where output goes depends on the directory, and on others what is waited for."""
    return {name: value for name, value in options.items() if name not in OF_ONE_JOB}


def _option(name: str, options: Mapping[str, str]) -> str:
    if name not in options:
        return f"no {name}"
    return f"{name}={options[name]}" if options[name] else name


def unknown(prepared: PreparedCall, error: SubmissionUnknown) -> SubmissionUnknown:
    """Say how it can be found out later."""
    job_dir = error.job_dir or prepared.requests[0].job_dir
    found_by = "Job" if prepared.array_size is None else "ArrayJob"
    return SubmissionUnknown(
        f"{prepared.name}: nobody can tell now whether it was submitted: {error}. Later, the same key "
        f"or {found_by}.from_dir({job_dir!r}, cluster) finds the job if there is one",
        token=prepared.token,
        job_dir=job_dir,
    )


def unknown_batch(prepared: Sequence[PreparedCall], error: SubmissionUnknown) -> SubmissionUnknown:
    """The same of jobs that were asked for together; each of their futures asks again when it is used."""
    if len(prepared) == 1:
        return unknown(prepared[0], error)
    return SubmissionUnknown(
        f"a batch of {len(prepared)} jobs, {prepared[0].name} the first: nobody can tell now which of them "
        f"were submitted: {error}. Using one of the futures asks again, and submits none twice",
        token=prepared[0].token,
        job_dir=prepared[0].requests[0].job_dir,
    )


def no_main_guard(does: str, problem: str = "") -> NoMainGuard:
    """The error for a script that `does` on a node what its main part is for; the one place that knows its words.

    Or for a module that does so when it is imported. `problem` is what came of it.
    """
    came_of_it = f" ({problem})" if problem else ""
    guard = "under \"if __name__ == '__main__':\""
    module = _being_loaded()
    if module in MAIN_NAMES:
        return NoMainGuard(
            f"the script {does} whenever it is loaded, and a job loads it, too: put the part of it that does so "
            f"{guard}{came_of_it}"
        )
    return NoMainGuard(
        f"the module {module} {does} whenever it is imported, and a job imports it, too: put the part of it that "
        f"does so into a function, and call that in your script, {guard}{came_of_it}"
    )


def _being_loaded() -> str:
    """The module whose own lines led here; the main one where a thread has left them."""
    frame: FrameType | None = sys._getframe()
    while frame is not None and frame.f_code.co_name != "<module>":
        frame = frame.f_back
    return str(frame.f_globals.get("__name__", MAIN)) if frame is not None else MAIN


def _never_starts(prepared: PreparedCall) -> DependencyFailed | None:
    """Name the job that can not end as it would have to any more, if that is why the call was refused.

    As long as Slurm remembers a job that failed it takes others that wait for it, and the tracker
    gives them up; afterwards it refuses them, with a word about a dependency and none about the job.
    """
    broken = (one for one in prepared.dependencies if one.verdict is Verdict.BROKEN)
    dependency = next(broken, None)
    return None if dependency is None else hopeless(prepared.name, dependency)


def hopeless(name: str, dependency: Dependency) -> DependencyFailed:
    """Why a call of `name` is not submitted: the dependency is broken."""
    wanted = dependency.type != "afternotok"
    job = next(one for one in dependency.on.records if one.ended_well is not wanted)
    waits = f"it waits for {dependency.type} of job {job.id} ({job.task_name}), and"
    error = job.operations.fetch(job).error if wanted else None
    return _hopeless_after(job, f"{name} was not submitted: {waits}", error)


def _hopeless_after(job: JobRecord, never: str, error: BaseException | None) -> DependencyFailed:
    from slurm.results.root_cause import Root, root_of
    from slurm.results.root_error import RootError, dependency_failed

    own = Root(job.id, "", job.status.state, "")
    root = (root_of(job) if isinstance(error, DependencyFailed) else None) or own
    if error is None or (isinstance(error, DependencyFailed) and error.__cause__ is None):
        return dependency_failed(never, root, None)
    if not isinstance(error, DependencyFailed):
        raised = not isinstance(error, JobFailed)
        stderr = "" if raised else getattr(error, "stderr", "")
        return dependency_failed(never, root, RootError(error, raised, job, stderr))
    failed = DependencyFailed(
        f"{never} {error}",
        stderr=error.stderr,
        root_job_id=error.root_job_id,
        root_job_dir=error.root_job_dir,
        root_type_name=error.root_type_name,
        root_message=error.root_message,
    )
    failed.__cause__ = error.__cause__
    return failed
