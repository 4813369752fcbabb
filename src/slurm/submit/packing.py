"""What travels to the node for a call: the function, the arguments, the user's own files."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slurm.errors import SerializationError
from slurm.job_dir.arguments import (
    MAIN_ALIAS,
    MAIN_NAMES,
    MAIN_WORDS,
    JobResultPlaceholder,
    names_main,
    why_unpicklable,
    write_arguments,
)
from slurm.job_dir.large_files import SpooledFile
from slurm.job_dir.paths import ARGUMENTS, ITEMS, PAYLOAD, USER_MODULE, USER_SCRIPT
from slurm.job_dir.payload import MainModule, Payload, dump_payload
from slurm.packaging.function_reference import is_importable, main_module, refer_to
from slurm.submit.calls import ArrayCall
from slurm.tracking.record import Upstream

if TYPE_CHECKING:
    from slurm.rendering import Environment
    from slurm.submit.calls import Call
    from slurm.tracking.listener import PackedCallbacks

PythonVersion = tuple[int, int, int]


@dataclass(frozen=True)
class PackedCall:
    """Files for the job directory, and the jobs found among the arguments, for each item of its own.

    `large` are the files that may not fit into memory.
    """

    files: dict[str, bytes]
    found: tuple[tuple[Upstream, ...], ...]
    large: dict[str, SpooledFile] = field(default_factory=dict)


@dataclass(frozen=True)
class NodeFacts:
    """What packing a call has to know of the nodes.

    - `environment`: how user code gets to run there, by the strategy named `packaging`; `callbacks` travel with the job, and `copied` says that one
      of them goes by value; `children` is the configuration of a workflow's own cluster.
    - `shares_filesystem`: paths of this process mean the same there; `large_from`: see `BackendBase`.
    - `python`: asks for the version there; None where nobody can tell now.
    """

    environment: Environment
    callbacks: PackedCallbacks
    copied: bool
    children: Mapping[str, Any]
    shares_filesystem: bool
    large_from: int | None
    python: Callable[[], PythonVersion | None]
    packaging: str = ""


@dataclass(frozen=True)
class _Arguments:
    """The arguments of all items, one behind the other: where each ends, and what they hold."""

    pickled: SpooledFile
    ends: list[int]
    found: list[tuple[Upstream, ...]]
    by_value: bool


def pack(
    call: Call,
    to: NodeFacts,
    placeholder_of: Callable[[Upstream], JobResultPlaceholder],
) -> PackedCall:
    """Everything that `call` needs on the node. Raises `SerializationError`."""
    function = refer_to(call.task.unwrapped)
    main = main_module()
    arguments = _pickled(call, to, placeholder_of, main_travels=main is not None)
    name = call.task.name
    if not to.environment.own_python:
        if function.kind == "value" or arguments.by_value:
            _require_same_python(f"{name} or one of its arguments", to.python())
        if to.copied:
            _require_same_python(f"a callback of {name}", to.python())
    needs_main = (
        function.kind == "script"
        or MAIN_ALIAS in sys.modules
        or any(names_main(data) for _, data in to.callbacks)
        or arguments.pickled.contains(MAIN_WORDS)
        or _is_of_main(to.children)
    )
    pickled = arguments.pickled
    apart = isinstance(call, ArrayCall) or pickled.is_large
    payload = Payload(
        function,
        b"" if apart else pickled.getvalue(),
        main if needs_main else None,
        children=to.children,
        items=tuple(zip(arguments.ends, arguments.ends[1:])) if apart else (),
        callbacks=to.callbacks,
        packaging=to.packaging,
    )
    packed = PackedCall(_travelling(payload, to), tuple(arguments.found))
    file = ITEMS if isinstance(call, ArrayCall) else ARGUMENTS
    if pickled.is_large:
        packed.large[file] = pickled
    elif apart:
        packed.files[file] = pickled.getvalue()
    return packed


def _pickled(
    call: Call,
    to: NodeFacts,
    placeholder_of: Callable[[Upstream], JobResultPlaceholder],
    *,
    main_travels: bool,
) -> _Arguments:
    pickled, ends, by_value = SpooledFile(to.large_from), [0], False
    found: list[tuple[Upstream, ...]] = []
    for index, (args, kwargs) in enumerate(call.arguments):
        jobs: list[Upstream] = []

        def placeholder(value: Any, met: list[Upstream] = jobs) -> JobResultPlaceholder | None:
            if not isinstance(value, Upstream):
                return None
            met.append(value)
            return placeholder_of(value)

        try:
            took_cloudpickle = write_arguments(
                pickled, args, dict(kwargs), placeholder, main_travels=main_travels
            )
        except SerializationError as error:
            which = f".map(): item {index}" if isinstance(call, ArrayCall) else "()"
            why = _why(error, args, kwargs, main_travels)
            raise SerializationError(f"{call.task.name}{which}: {why}") from None
        by_value = by_value or took_cloudpickle
        ends.append(pickled.size)
        found.append(tuple(jobs))
    return _Arguments(pickled, ends, found, by_value)


def _why(
    error: SerializationError, args: tuple[Any, ...], kwargs: Mapping[str, Any], main_travels: bool
) -> str:
    """Why arguments cannot be pickled, with the way to what keeps them from it."""
    found = why_unpicklable(
        {"args": args, "kwargs": dict(kwargs)},
        is_future=lambda value: isinstance(value, Upstream),
        main_travels=main_travels,
    )
    return f"an argument cannot be pickled: {found}" if found else str(error)


def _is_of_main(children: Mapping[str, Any]) -> bool:
    """Whether a workflow's own jobs are packaged by a class that ``__main__`` defines."""
    named = str(children.get("packaging", {}).get("type", ""))
    return named.partition(":")[0] in MAIN_NAMES


def _require_same_python(what: str, there: PythonVersion | None) -> None:
    if there is not None and there[:2] != sys.version_info[:2]:
        raise SerializationError(
            f"{what} can only be sent by value, which needs the same Python "
            f"there and here: the cluster has {there[0]}.{there[1]}, this is "
            f"{sys.version_info[0]}.{sys.version_info[1]}. Define it in a module or script file"
        )


def _travelling(payload: Payload, to: NodeFacts) -> dict[str, bytes]:
    """The payload as the node will see it, and the user's own files that go with it."""
    files = {}
    own: list[str] = []
    function, main = payload.function, payload.main
    if to.shares_filesystem:
        own = _own_sys_path()
        if function.source and is_importable(function.module):
            function = function._replace(source="")
    if function.source:
        files[USER_MODULE] = Path(function.source).read_bytes()
        function = function._replace(source=USER_MODULE)
    if main is not None and main.path:
        files[USER_SCRIPT] = Path(main.path).read_bytes()
        main = MainModule(path=USER_SCRIPT)
    sys_path = (*to.environment.pythonpath, *own)
    payload = payload._replace(function=function, main=main, sys_path=sys_path)
    return {**to.environment.files, PAYLOAD: dump_payload(payload), **files}


def _own_sys_path() -> list[str]:
    """What this process imports from beside its interpreter's own folders."""
    prefixes = tuple({os.path.realpath(p) + os.sep for p in (sys.prefix, sys.base_prefix)})
    entries = (os.path.abspath(entry) for entry in sys.path)
    return [path for path in entries if not (os.path.realpath(path) + os.sep).startswith(prefixes)]
