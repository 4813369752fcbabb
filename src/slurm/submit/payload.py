"""What travels to the node for a call: the function, the arguments, the user's own files."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slurm.array_job import ArrayJob
from slurm.errors import SerializationError
from slurm.job import Job
from slurm.job_dir.arguments import (
    MAIN_ALIAS,
    MAIN_NAMES,
    MAIN_WORDS,
    JobResultPlaceholder,
    names_main,
    write_arguments,
)
from slurm.job_dir.large_files import SpooledFile
from slurm.job_dir.paths import ARGUMENTS, ITEMS, PAYLOAD, USER_MODULE, USER_SCRIPT
from slurm.job_dir.payload import MainModule, Payload, dump_payload
from slurm.packaging.function_reference import is_importable, main_module, refer_to
from slurm.rendering import Environment
from slurm.submit.calls import ArrayCall, Call

if TYPE_CHECKING:
    from slurm.cluster import Cluster
    from slurm.sbatch.dependency import Upstream


@dataclass(frozen=True)
class PackedCall:
    """Files for the job directory, and the jobs found among the arguments, for each item of its own.

    `large` are the files that may not fit into memory.
    """

    files: dict[str, bytes]
    found: tuple[tuple[Upstream, ...], ...]
    large: dict[str, SpooledFile] = field(default_factory=dict)


def pack(call: Call, cluster: Cluster, environment: Environment) -> PackedCall:
    """Everything that `call` needs on the node. Raises `SerializationError`."""
    function = refer_to(call.task.unwrapped)
    main = main_module()
    pickled = SpooledFile(cluster.site.backend.large_from)
    ends = [0]
    found: list[tuple[Upstream, ...]] = []
    by_value = function.kind == "value"
    for args, kwargs in call.arguments:
        jobs: list[Upstream] = []
        took_cloudpickle = write_arguments(
            pickled, args, dict(kwargs), _Placeholders(jobs), main_travels=main is not None
        )
        by_value = by_value or took_cloudpickle
        ends.append(pickled.size)
        found.append(tuple(jobs))
    callbacks, copied = cluster.listener.pack(call.task._is_workflow)
    if by_value and not environment.own_python:
        _require_same_python(f"{call.task.name} or one of its arguments", cluster)
    if copied and not environment.own_python:
        _require_same_python(f"a callback of {call.task.name}", cluster)
    needs_main = function.kind == "script" or MAIN_ALIAS in sys.modules
    needs_main = needs_main or any(names_main(data) for _, data in callbacks)
    needs_main = needs_main or pickled.contains(MAIN_WORDS)
    children = cluster.children_config(environment.inherited) if call.task._is_workflow else {}
    needs_main = needs_main or _is_of_main(children)
    apart = isinstance(call, ArrayCall) or pickled.is_large
    payload = Payload(
        function,
        b"" if apart else pickled.getvalue(),
        main if needs_main else None,
        children=children,
        items=tuple(zip(ends, ends[1:])) if apart else (),
        callbacks=callbacks,
    )
    parcel = PackedCall(_travelling(payload, environment, cluster), tuple(found))
    name = ITEMS if isinstance(call, ArrayCall) else ARGUMENTS
    if pickled.is_large:
        parcel.large[name] = pickled
    elif apart:
        parcel.files[name] = pickled.getvalue()
    return parcel


class _Placeholders:
    """Knows what stands for a job or an array in pickled arguments, and notes which it has met."""

    def __init__(self, met: list[Upstream]) -> None:
        self.met = met

    def __call__(self, value: Any) -> JobResultPlaceholder | None:
        if isinstance(value, Job):
            self.met.append(value)
            return JobResultPlaceholder(value.id, value.job_dir)
        if isinstance(value, ArrayJob):
            self.met.append(value)
            return JobResultPlaceholder(value.id, value.job_dir, len(value))
        return None


def _is_of_main(children: Mapping[str, Any]) -> bool:
    """Whether a workflow's own jobs are packaged by a class that ``__main__`` defines."""
    named = str(children.get("packaging", {}).get("type", ""))
    return named.partition(":")[0] in MAIN_NAMES


def _require_same_python(what: str, cluster: Cluster) -> None:
    there = cluster.site.backend.host().python
    if there[:2] != sys.version_info[:2]:
        raise SerializationError(
            f"{what} can only be sent by value, which needs the same Python "
            f"there and here: the cluster has {there[0]}.{there[1]}, this is "
            f"{sys.version_info[0]}.{sys.version_info[1]}. Define it in a module or script file"
        )


def _travelling(payload: Payload, environment: Environment, cluster: Cluster) -> dict[str, bytes]:
    """The payload as the node will see it, and the user's own files that go with it."""
    files = {}
    own: list[str] = []
    function, main = payload.function, payload.main
    if cluster.site.backend.shares_filesystem:
        own = _own_sys_path()
        if function.source and is_importable(function.module):
            function = function._replace(source="")
    if function.source:
        files[USER_MODULE] = Path(function.source).read_bytes()
        function = function._replace(source=USER_MODULE)
    if main is not None and main.path:
        files[USER_SCRIPT] = Path(main.path).read_bytes()
        main = MainModule(path=USER_SCRIPT)
    sys_path = (*environment.pythonpath, *own)
    payload = payload._replace(function=function, main=main, sys_path=sys_path)
    return {**environment.files, PAYLOAD: dump_payload(payload), **files}


def _own_sys_path() -> list[str]:
    """What this process imports from beside its interpreter's own folders."""
    prefixes = tuple({os.path.realpath(p) + os.sep for p in (sys.prefix, sys.base_prefix)})
    entries = (os.path.abspath(entry) for entry in sys.path)
    return [path for path in entries if not (os.path.realpath(path) + os.sep).startswith(prefixes)]
