"""What travels to the node for a call: the function, the arguments, the user's own files."""

from __future__ import annotations

import os
import sys
from array import array
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slurm.errors import SerializationError
from slurm.job_dir.arguments import ArgumentsWriter, why_unpicklable
from slurm.job_dir.large_files import SpooledFile
from slurm.job_dir.main_module import (
    MAIN_WORDS,
    MainModule,
    names_main,
    packaged_by_main,
    travelled_main,
)
from slurm.job_dir.paths import ARGUMENTS, ITEMS, OWN_NAMES, PAYLOAD, USER_MODULE, USER_SCRIPT
from slurm.job_dir.payload import FunctionReference, Payload, Places, dump_payload
from slurm.job_dir.placeholder import JobResultPlaceholder, Placeholder
from slurm.packaging.code.own_code import is_copied, own_modules, search_path
from slurm.packaging.function_reference import is_importable, main_module, refer_to
from slurm.submit.calls import ArrayCall
from slurm.tracking.upstream import Upstream

if TYPE_CHECKING:
    from slurm.rendering import Environment
    from slurm.submit.calls import Call
    from slurm.tracking.listener import PackedCallbacks

PythonVersion = tuple[int, ...]  # at least major and minor


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
    - `python`: asks for the version of the Python that the job runs with; None where nobody can tell now.
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
class PickledCall:
    """What stays of a call as it was when it was made, however late it is submitted: its function, and its arguments.

    In `arguments` are those of all items, one behind the other: where each ends, and the jobs `found` in it. `later` are
    those that had no id yet, each in the place of its number. `by_value` says that something took ``cloudpickle``.
    """

    function: FunctionReference
    arguments: SpooledFile
    ends: array[int]
    found: list[tuple[Upstream, ...]]
    later: Sequence[Upstream]
    by_value: bool

    @property
    def count(self) -> int:
        """How many items there are."""
        return len(self.found)


class Later:
    """Numbers, in the place of placeholders, for the jobs and arrays that are not submitted yet."""

    def __init__(self) -> None:
        self.upstreams: list[Upstream] = []
        self._numbers: dict[int, int] = {}

    def placeholder(self, upstream: Upstream) -> JobResultPlaceholder | int:
        """What stands for a job or an array now; nothing is submitted for it."""
        if upstream.is_submitted:
            return upstream.placeholder()
        number = self._numbers.setdefault(id(upstream), len(self.upstreams))
        if number == len(self.upstreams):
            self.upstreams.append(upstream)
        return number


def pack(
    call: Call,
    arguments: PickledCall,
    to: NodeFacts,
    placeholder_of: Callable[[Upstream], JobResultPlaceholder],
) -> PackedCall:
    """Everything that `call` needs on the node. Raises `SerializationError`."""
    function = arguments.function
    main = main_module()
    name = call.task.name
    if function.kind == "value" or arguments.by_value:
        _require_same_python(f"{name} or one of its arguments", to)
    if to.copied:
        _require_same_python(f"a callback of {name}", to)
    may_need_main = (  # what only may is loaded there when a pickle asks for it: a result does where a job stands
        function.kind == "script"
        or travelled_main() is not None
        or any(arguments.found)
        or any(names_main(data) for data in (function.pickled, *(d for _, d in to.callbacks)))
        or arguments.arguments.contains(MAIN_WORDS)
        or packaged_by_main(to.children)
    )
    pickled = arguments.arguments
    apart = isinstance(call, ArrayCall) or pickled.is_large
    payload = Payload(
        function,
        b"" if apart else pickled.getvalue(),
        main if may_need_main else None,
        children=to.children,
        items=Places(arguments.ends if apart else ()),
        callbacks=to.callbacks,
        python=sys.version.split()[0],
        own_modules=own_modules(to.environment.packaged),
        later=tuple(map(placeholder_of, arguments.later)),
        packaging=to.packaging,
    )
    packed = PackedCall(_travelling(payload, to), tuple(arguments.found))
    file = ITEMS if isinstance(call, ArrayCall) else ARGUMENTS
    if pickled.is_large:
        packed.large[file] = pickled
    elif apart:
        packed.files[file] = pickled.getvalue()
    return packed


def pickle_call(
    call: Call,
    large_from: int | None,
    placeholder_of: Callable[[Upstream], JobResultPlaceholder] | None = None,
) -> PickledCall:
    """A call's function and arguments, as they are now. Raises `SerializationError`, and what taking the items does.

    Jobs among the arguments become what `placeholder_of` says; without it, those that are not submitted yet stay so.
    """
    function = refer_to(call.task.unwrapped)
    later, main_travels = Later(), main_module() is not None
    pickled, ends, by_value = SpooledFile(large_from), array("Q", [0]), False
    found: list[tuple[Upstream, ...]] = []
    met = Met(placeholder_of or later.placeholder)
    writer = ArgumentsWriter(pickled, met.placeholder, main_travels=main_travels)
    for index, (args, kwargs) in enumerate(call.arguments):
        try:
            by_value |= writer.write(args, dict(kwargs))
        except SerializationError as error:
            which = f".map(): item {index}" if isinstance(call, ArrayCall) else "()"
            why = _why(error, args, kwargs, main_travels)
            raise SerializationError(f"{call.task.name}{which}: {why}") from None
        ends.append(pickled.size)
        found.append(met.taken())
    return PickledCall(function, pickled, ends, found, later.upstreams, by_value)


class Met:
    """The jobs that one call after the other has among its arguments; `stand_in` says what stands for each there."""

    def __init__(self, stand_in: Callable[[Upstream], Placeholder]) -> None:
        self._stand_in = stand_in
        self._met: list[Upstream] = []

    def placeholder(self, value: Any) -> Placeholder:
        """What stands for an object; None for one that is no job."""
        if not isinstance(value, Upstream):
            return None
        self._met.append(value)
        return self._stand_in(value)

    def taken(self) -> tuple[Upstream, ...]:
        """Those of the call that was just pickled."""
        met, self._met = tuple(self._met), []
        return met


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


def _require_same_python(what: str, to: NodeFacts) -> None:
    """Raises `SerializationError` where the Python that the job runs with is known, and is another one."""
    there, here = to.python(), sys.version_info[:2]
    if there is None or there[:2] == here:
        return
    theirs, ours = f"{there[0]}.{there[1]}", f"{here[0]}.{here[1]}"
    if to.environment.own_python:
        who, other = "the image has", f"take an image with Python {ours}"
    else:
        who = "jobs there have"
        other = f"name an interpreter there that is {ours} with the packaging's python"
    raise SerializationError(
        f"{what} can only be sent by value, which needs the same Python there and here: {who} {theirs}, this is "
        f"{ours}. Define it in a module, or in a script above its main guard; or else {other}, or run this program "
        f"with Python {theirs}"
    )


def _travelling(payload: Payload, to: NodeFacts) -> dict[str, bytes]:
    """The payload as the node will see it, and the user's own files that go with it."""
    files = {}
    function, main = payload.function, payload.main
    is_there = to.shares_filesystem or is_copied(function.source, to.environment.copies)
    if is_there and function.source and is_importable(function.module):
        function = function._replace(source="")
    if function.source:
        files[USER_MODULE] = Path(function.source).read_bytes()
        function = function._replace(source=USER_MODULE)
    if main is not None and main.path:
        name = _name_of_script(main.path, to.environment)
        files[name] = Path(main.path).read_bytes()
        main = MainModule(path=name)
    sys_path = search_path(
        to.environment.pythonpath,
        to.environment.packaged,
        shared=to.shares_filesystem,
        copies=to.environment.copies,
    )
    payload = payload._replace(function=function, main=main, sys_path=sys_path)
    return {**to.environment.files, PAYLOAD: dump_payload(payload), **files}


def _name_of_script(path: str, environment: Environment) -> str:
    """Its own, which tracebacks show, unless that is taken in a job directory."""
    name = os.path.basename(path)
    taken = name in OWN_NAMES or name in environment.files or not name.endswith(".py")
    return USER_SCRIPT if taken or name.startswith(".") else name
