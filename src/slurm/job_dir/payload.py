"""The payload: all that the runner needs to call the function, but for arguments that have a file of their own.

It is pickled in two layers, so that the runner can set up ``sys.path`` and ``__main__`` from the outer one
before it unpickles the arguments in the inner one.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, BinaryIO, NamedTuple

from slurm.job_dir.result_file import PROTOCOL

# Named tuples, and no data classes: with those, a job would take half as long again to start.


class FunctionReference(NamedTuple):
    """How the node finds the function.

    `kind` is ``module`` (import `module`, take `qualname`), ``script`` (run the travelled script as
    `module`, take `qualname`) or ``value`` (unpickle `pickled`). `source` is the module's own file,
    for a node that cannot import it: in a payload relative to the job directory.
    """

    kind: str
    module: str = ""
    qualname: str = ""
    pickled: bytes = b""
    source: str = ""


class MainModule(NamedTuple):
    """What ``__main__`` was on the client: an importable `module`, or the script at `path`.

    In a payload, `path` is relative to the job directory, where the script has travelled.
    """

    module: str = ""
    path: str = ""


class Payload(NamedTuple):
    """All the runner needs to call the function.

    `children` is the configuration of a workflow's own cluster, plain JSON. `callbacks` are pickled
    as arguments are, each beside the name of its class. Where the arguments have a file of their own,
    `items` says where in it those of each item of an array begin and end; of a job by itself, all.
    `packaging` is the name of the strategy that brought the code.
    """

    function: FunctionReference
    arguments: bytes
    main: MainModule | None = None
    sys_path: tuple[str, ...] = ()
    children: Mapping[str, Any] = MappingProxyType({})
    items: tuple[tuple[int, int], ...] = ()
    callbacks: tuple[tuple[str, bytes], ...] = ()
    packaging: str = ""


def dump_payload(payload: Payload) -> bytes:
    """The payload as plain containers, so that reading it needs nothing but the standard library."""
    content = payload._asdict()
    content["function"] = payload.function._asdict()
    content["main"] = payload.main._asdict() if payload.main else None
    content["children"] = dict(payload.children)
    return pickle.dumps(content, PROTOCOL)


def load_payload(source: bytes | BinaryIO) -> Payload:
    """Read back what `dump_payload` wrote."""
    file = io.BytesIO(source) if isinstance(source, bytes) else source
    content = pickle.load(file)  # noqa: S301 - the user's own file
    main = content.pop("main")
    function = FunctionReference(**content.pop("function"))
    return Payload(function=function, main=MainModule(**main) if main else None, **content)
