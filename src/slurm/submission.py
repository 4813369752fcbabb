"""From a task call to a job request: everything that happens before a backend is asked."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slurm._version import __version__
from slurm.api.base import Archive, JobRequest
from slurm.errors import SerializationError, SubmissionError
from slurm.identity import is_importable, main_module, refer_to
from slurm.job import Job
from slurm.job_dir import (
    JOB_SCRIPT,
    METADATA,
    PAYLOAD,
    USER_MODULE,
    USER_SCRIPT,
    JobDirectory,
    initial_metadata,
)
from slurm.options import escape_filename_pattern, overlay
from slurm.packaging import strategy_of
from slurm.rendering import Environment, ScriptSpec, render_job_script
from slurm.serialization import (
    MAIN_ALIAS,
    JobResultPlaceholder,
    MainModule,
    Payload,
    dump_arguments,
    dump_payload,
    names_main,
)
from slurm.task import DEFAULT_OPTIONS, TaskCall

if TYPE_CHECKING:
    from slurm.cluster import Cluster


@dataclass(frozen=True)
class Prepared:
    """A request, the jobs it depends on, and the SDK's code that its job runs with."""

    request: JobRequest
    dependencies: tuple[Job[Any], ...]
    archive: Archive


@dataclass(frozen=True)
class Placement:
    """Where a job belongs: under `base`, as a child of the workflow job `parent` if there is one."""

    base: str
    parent: str | None = None


def prepare(call: TaskCall, cluster: Cluster, placement: Placement, archive: Archive) -> Prepared:
    """Turn `call` into a request. Raises before anything is submitted when the call cannot travel."""
    directory = JobDirectory.fresh(placement.base, call.task.name)
    payload, found = _payload(call, cluster)
    dependencies = _unique([*found, *call.after])
    _require_same_place(call.task.name, dependencies, cluster)
    environment = strategy_of(call.task.packaging or cluster.packaging).prepare(call.task, cluster)
    options = _options(call, cluster, directory)
    submit_options = _submit_options(options, call.token, dependencies)
    script = _script(options, directory, environment, cluster, call.token, archive)
    metadata = initial_metadata(
        directory=directory,
        task_name=call.task.name,
        token=call.token,
        is_workflow=call.task._is_workflow,
        parent_workflow=placement.parent,
        sdk_version=__version__,
        client_python=sys.version.split()[0],
    )
    request = JobRequest(
        job_dir=directory.path,
        files={
            JOB_SCRIPT: script.encode(),
            **_travelling(payload, environment, cluster),
            METADATA: metadata,
        },
        options=options,
        submit_options=submit_options,
        token=call.token,
        orchestrator=call.task._is_workflow,
    )
    return Prepared(request, dependencies, archive)


def _payload(call: TaskCall, cluster: Cluster) -> tuple[Payload, list[Job[Any]]]:
    found: list[Job[Any]] = []

    def placeholder_of(value: Any) -> JobResultPlaceholder | None:
        if isinstance(value, Job):
            found.append(value)
            return JobResultPlaceholder(value.id, value.job_dir)
        return None

    function = refer_to(call.task.unwrapped)
    main = main_module()
    arguments, by_value = dump_arguments(
        call.args, dict(call.kwargs), placeholder_of, main_travels=main is not None
    )
    if by_value or function.kind == "value":
        _require_same_python(call.task.name, cluster)
    children = cluster.children_config() if call.task._is_workflow else {}
    needed = function.kind == "script" or names_main(arguments) or MAIN_ALIAS in sys.modules
    return Payload(function, arguments, main if needed else None, (), children), found


def _require_same_place(name: str, jobs: Sequence[Job[Any]], cluster: Cluster) -> None:
    for job in jobs:
        if job.cluster.place != cluster.place:
            raise SubmissionError(
                f"{name} cannot depend on job {job.id} ({job.task_name}): that one is on "
                f"{job.cluster!r}, and this would be on {cluster!r}"
            )


def _require_same_python(name: str, cluster: Cluster) -> None:
    there = cluster.backend.host().python
    if there[:2] != sys.version_info[:2]:
        raise SerializationError(
            f"{name} or one of its arguments can only be sent by value, which needs the same Python "
            f"there and here: the cluster has {there[0]}.{there[1]}, this is "
            f"{sys.version_info[0]}.{sys.version_info[1]}. Define it in a module or script file"
        )


def _travelling(payload: Payload, environment: Environment, cluster: Cluster) -> dict[str, bytes]:
    """The payload as the node will see it, and the user's own files that go with it."""
    files = {}
    own: list[str] = []
    function, main = payload.function, payload.main
    if cluster.backend.shares_filesystem:
        own = _own_sys_path()
        if function.source and is_importable(function.module):
            function = replace(function, source="")
    if function.source:
        files[USER_MODULE] = Path(function.source).read_bytes()
        function = replace(function, source=USER_MODULE)
    if main is not None and main.path:
        files[USER_SCRIPT] = Path(main.path).read_bytes()
        main = MainModule(path=USER_SCRIPT)
    sys_path = (*environment.pythonpath, *own)
    payload = replace(payload, function=function, main=main, sys_path=sys_path)
    return {PAYLOAD: dump_payload(payload), **files}


def _own_sys_path() -> list[str]:
    """What this process imports from beside its interpreter's own folders."""
    prefixes = tuple({os.path.realpath(p) + os.sep for p in (sys.prefix, sys.base_prefix)})
    entries = (os.path.abspath(entry) for entry in sys.path)
    return [path for path in entries if not (os.path.realpath(path) + os.sep).startswith(prefixes)]


def _options(call: TaskCall, cluster: Cluster, directory: JobDirectory) -> dict[str, str]:
    """The job's sbatch options: the SDK's defaults, the site's, the task's."""
    output = JobDirectory(escape_filename_pattern(directory.path))
    own = {"job-name": call.task.name, "output": output.stdout(), "error": output.stderr()}
    defaults = {name: str(value) for name, value in DEFAULT_OPTIONS.items()}
    return overlay(defaults, own, cluster.submit_defaults, call.options)


def _submit_options(
    options: dict[str, str], token: str, dependencies: Sequence[Job[Any]]
) -> dict[str, str]:
    """What goes on the command line; taken out of `options`, which go into the script."""
    comment = options.pop("comment", "")
    wanted = [options.pop("dependency", "")]
    waiting = [job.id for job in dependencies if job.holds_others_back()]
    if waiting:
        wanted.append(":".join(["afterok", *waiting]))
    submit_options = {"comment": f"{token} {comment}".strip()}
    if any(wanted):
        submit_options["dependency"] = ",".join(filter(None, wanted))
    return submit_options


def _script(
    options: Mapping[str, str],
    directory: JobDirectory,
    environment: Environment,
    cluster: Cluster,
    token: str,
    archive: Archive,
) -> str:
    exports = {"SLURM_SDK_EVENT_DIR": cluster.event_dir, "SLURM_SDK_TOKEN": token}
    return render_job_script(
        ScriptSpec(directory, options, environment, archive.directory, __version__, exports)
    )


def _unique(jobs: Sequence[Job[Any]]) -> tuple[Job[Any], ...]:
    return tuple({job.id: job for job in jobs}.values())
