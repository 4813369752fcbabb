"""From a task call to job requests: everything that happens before a backend is asked."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from slurm._version import __version__
from slurm.api.requests import Archive, JobRequest
from slurm.errors import ConfigError, SubmissionError
from slurm.job_dir.metadata import initial_metadata, piece_key
from slurm.job_dir.paths import (
    ARRAY_METADATA,
    JOB_SCRIPT,
    METADATA,
    RESULTS,
    TASKS,
    JobDirectory,
    script_of_piece,
    token_of_piece,
)
from slurm.packaging.base import environment_for
from slurm.packaging.named import strategy_of
from slurm.rendering import Environment, ScriptSpec, render_job_script
from slurm.sbatch.array_layout import ArrayLayout
from slurm.sbatch.dependency import Dependency, merged, option_of, records
from slurm.sbatch.options import escape_filename_pattern
from slurm.sbatch.overlay import overlay
from slurm.sbatch.signal_and_requeue import SignalAndRequeue
from slurm.submit.calls import ArrayCall, Call, TaskCall
from slurm.submit.payload import PackedCall, pack
from slurm.task import DEFAULT_OPTIONS

if TYPE_CHECKING:
    from slurm.array_job import ArrayJob
    from slurm.cluster import Cluster


@dataclass(frozen=True)
class Prepared:
    """Requests, what their jobs depend on, and the SDK's code that they run with.

    One request for a call; for an array as many as Slurm takes to hold it.
    """

    requests: tuple[JobRequest, ...]
    dependencies: tuple[Dependency, ...]
    archive: Archive


@dataclass(frozen=True)
class Placement:
    """Where a job belongs: under `base`, as a child of the workflow job `parent` if there is one."""

    base: str
    parent: str | None = None


def prepare(call: TaskCall, cluster: Cluster, placement: Placement, archive: Archive) -> Prepared:
    """Turn `call` into a request. Raises before anything is submitted when the call cannot travel."""
    if any(dependency.type == "aftercorr" for dependency in call.after):
        raise ConfigError(
            f"{call.task.name}.aftercorr() pairs the elements of two arrays: call .map(items) on it"
        )
    draft = _Draft(call, cluster, placement, archive)
    output = JobDirectory(escape_filename_pattern(draft.directory.path))
    options, submit_options = draft.options(output.stdout(), output.stderr())
    files = {
        JOB_SCRIPT: draft.script(options),
        **draft.parcel.files,
        METADATA: draft.metadata(),
    }
    request = JobRequest(
        job_dir=draft.directory.path,
        files=files,
        options=options,
        submit_options=submit_options,
        token=call.token,
        orchestrator=call.task._is_workflow,
        large_files=draft.parcel.large,
    )
    return Prepared((request,), draft.dependencies, archive)


def prepare_array(
    call: ArrayCall, cluster: Cluster, placement: Placement, archive: Archive, layout: ArrayLayout
) -> Prepared:
    """Turn an array into its requests. Raises before anything is submitted when it cannot travel."""
    draft = _Draft(call, cluster, placement, archive)
    for dependency in draft.dependencies:
        if dependency.type == "aftercorr":
            _require_same_layout(call.task.name, dependency.on, layout)
    return Prepared(tuple(draft.pieces(layout)), draft.dependencies, archive)


class _Draft:
    """What all requests of one call share."""

    def __init__(
        self, call: Call, cluster: Cluster, placement: Placement, archive: Archive
    ) -> None:
        self.call = call
        self.cluster = cluster
        self.placement = placement
        self.archive = archive
        self.directory = JobDirectory.fresh(placement.base, call.task.name)
        strategy = strategy_of(call.task.packaging or cluster.packaging)
        with cluster.listener.packaging(call, strategy, placement):
            self.environment: Environment = environment_for(strategy, call.task, cluster)
        self.parcel: PackedCall = pack(call, cluster, self.environment)
        self.dependencies = merged([*_found(self.parcel, call), *call.after])
        self.given = overlay(cluster.site.submit_defaults, call.options).get("dependency", "")
        _require_same_place(call.task.name, self.dependencies, cluster)
        defaults = {name: str(value) for name, value in DEFAULT_OPTIONS.items()}
        self.wanted = overlay(defaults, cluster.site.submit_defaults, call.options)
        self.signal_and_requeue = SignalAndRequeue.of_options(self.wanted)

    def options(
        self, stdout: str, stderr: str, piece: int = 0
    ) -> tuple[dict[str, str], dict[str, str]]:
        """sbatch's options: those in the script (the SDK's defaults, the site's, the task's), and
        those on the command line."""
        own = {"job-name": self.call.task.name, "output": stdout, "error": stderr}
        options = self.signal_and_requeue.options(overlay(own, self.wanted))
        comment = options.pop("comment", "")
        dependency = option_of(self.dependencies, options.pop("dependency", ""), piece)
        token = token_of_piece(self.call.token, piece)
        submit_options = {"comment": f"{token} {comment}".strip()}
        if dependency:
            submit_options["dependency"] = dependency
        return options, submit_options

    def script(self, options: Mapping[str, str], arguments: Sequence[str] = ()) -> bytes:
        exports = {
            "SLURM_SDK_EVENT_DIR": self.cluster.site.event_dir,
            "SLURM_SDK_TOKEN": self.call.token,
            **self.signal_and_requeue.environment(),
        }
        spec = ScriptSpec(
            self.directory,
            options,
            self.environment,
            self.archive.directory,
            __version__,
            exports,
            arguments,
        )
        return render_job_script(spec).encode()

    def metadata(self, **more: Any) -> bytes:
        return initial_metadata(
            directory=self.directory,
            task_name=self.call.task.name,
            token=self.call.token,
            is_workflow=self.call.task._is_workflow,
            parent_workflow=self.placement.parent,
            dependencies=records(self.dependencies, self.given),
            versions=(__version__, sys.version.split()[0]),
            **more,
        )

    def pieces(self, layout: ArrayLayout) -> Iterator[JobRequest]:
        call = self.call
        assert isinstance(call, ArrayCall)  # noqa: S101 - tells type checkers
        limit = f"%{call.max_concurrent}" if call.max_concurrent else ""
        names = [layout.name(item) for item in range(layout.count)]
        whole = {
            **self.parcel.files,
            ARRAY_METADATA: self.metadata(
                count=layout.count,
                pack=layout.pack,
                max_array_size=layout.largest,
                max_concurrent=call.max_concurrent,
            ),
        }
        for number, piece in enumerate(layout.pieces):
            folder = _folder_of_output(self.directory, layout, number)
            options, submit_options = self.options(
                folder.stdout("%A_%a"), folder.stderr("%A_%a"), number
            )
            options["array"] = f"0-{piece.count - 1}{limit}"
            name = script_of_piece(number)
            script = self.script(options, [str(piece.first), str(layout.count), str(layout.pack)])
            yield JobRequest(
                job_dir=self.directory.path,
                files={name: script, **({} if number else whole)},
                options=options,
                submit_options=submit_options,
                token=token_of_piece(call.token, number),
                script=name,
                orchestrator=call.task._is_workflow,
                directories=() if number else (*(f"{TASKS}/{one}" for one in names), RESULTS),
                metadata=ARRAY_METADATA,
                id_key=piece_key(number),
                continues=number > 0,
                after_previous=number > 0 and call.max_concurrent is not None,
                large_files={} if number else self.parcel.large,
            )


def _found(parcel: PackedCall, call: Call) -> Iterator[Dependency]:
    """The dependencies that stand in the arguments."""
    array = _counterpart(parcel, call)
    if array is not None:
        yield Dependency(array, "aftercorr")
        return
    for jobs in parcel.found:
        yield from map(Dependency, jobs)


def _counterpart(parcel: PackedCall, call: Call) -> ArrayJob[Any] | None:
    """The array of which each item of this one takes the element with its own index, if that is so."""
    if not isinstance(call, ArrayCall):
        return None
    elements = [getattr(jobs[0], "element", None) for jobs in parcel.found if len(jobs) == 1]
    arrays = {element.group if element is not None else None for element in elements}
    array = arrays.pop() if len(arrays) == 1 else None
    if array is None or array.pack != call.pack or len(array) != len(parcel.found):
        return None
    indices = [element.index for element in elements if element is not None]
    return array if indices == list(range(len(array))) else None


def _require_same_layout(name: str, other: Any, layout: ArrayLayout) -> None:
    if getattr(other, "layout", None) != layout:
        raise ConfigError(
            f"{name}.aftercorr() pairs the elements of two arrays with the same number of items and "
            f"the same pack: {other!r} is not such an array"
        )


def _require_same_place(name: str, dependencies: Sequence[Dependency], cluster: Cluster) -> None:
    for dependency in dependencies:
        job = dependency.on
        if job.cluster.site.place != cluster.site.place:
            raise SubmissionError(
                f"{name} cannot depend on job {job.id} ({job.task_name}): that one is on "
                f"{job.cluster.site}, and this would be on {cluster.site}"
            )


def _folder_of_output(directory: JobDirectory, layout: ArrayLayout, piece: int) -> JobDirectory:
    """Where the array tasks of a piece write what they print, in the words of ``--output``."""
    folder = escape_filename_pattern(directory.path)
    if layout.pack == 1:
        folder = f"{folder}/{TASKS}/{layout.pattern(layout.pieces[piece])}"
    return JobDirectory(folder)
