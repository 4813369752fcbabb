"""The payload: all that the runner needs to call the function, but for arguments that have a file of their own.

It is pickled in two layers, so that the runner can set up ``sys.path`` and ``__main__`` from the outer one
before it unpickles the arguments in the inner one.
"""

from __future__ import annotations

import io
import pickle
import sys
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, BinaryIO, NamedTuple

from slurm.job_dir.main_module import MainModule
from slurm.job_dir.placeholder import JobResultPlaceholder
from slurm.job_dir.result_file import PROTOCOL
from slurm.job_dir.search_path import NODE_PATH, SDK_PATH, OwnModule

# Named tuples, and no data classes: with those, a job would take half as long again to start.


class FunctionReference(NamedTuple):
    """How the node finds the function.

    `kind` is ``module`` (import `module`, take `qualname`), ``script`` (load ``__main__``, take
    `qualname`), ``object`` or ``value`` (unpickle `pickled`; the latter is code, for the same Python). `source` is the
    module's own file, for a node that cannot import it: in a payload relative to the job directory.
    """

    kind: str
    module: str = ""
    qualname: str = ""
    pickled: bytes = b""
    source: str = ""


class Places(Sequence[tuple[int, int]]):
    """Where the items of an array begin and end in a file in which one is behind the other, by where each ends.

    >>> places = Places([0, 5, 9])
    >>> len(places), places[1], list(Places.of(places.packed))
    (2, (5, 9), [(0, 5), (5, 9)])
    """

    def __init__(self, ends: Sequence[int]) -> None:
        self.ends: Sequence[int] = ends

    @classmethod
    def of(cls, packed: bytes) -> Places:
        """Those that were `packed`."""
        if sys.byteorder == "little":
            return cls(memoryview(packed).cast("Q"))
        return cls([int.from_bytes(packed[n : n + 8], "little") for n in range(0, len(packed), 8)])

    @property
    def packed(self) -> bytes:
        """The same in 8 bytes for each."""
        return b"".join(end.to_bytes(8, "little") for end in self.ends)

    def __len__(self) -> int:
        return max(0, len(self.ends) - 1)

    def __getitem__(self, index: Any) -> Any:
        item = range(len(self))[index]
        return self.ends[item], self.ends[item + 1]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Places) and list(self.ends) == list(other.ends)

    def __hash__(self) -> int:
        return hash(tuple(self.ends))


class Payload(NamedTuple):
    """All the runner needs to call the function.

    `children` is the configuration of a workflow's own cluster, plain JSON. `callbacks` are pickled
    as arguments are, each beside the name of its class. Where the arguments have a file of their own,
    `items` says where in it those of each item of an array begin and end; of a job by itself, all. `later` are the
    placeholders of jobs that had no id when the arguments were pickled, by their number there.

    `sys_path` is where imports are searched for (see `slurm.job_dir.search_path`), `own_modules` what they are to find;
    `packaging` is the name of the strategy that brought the code, `python` the version that pickled all this.
    """

    function: FunctionReference
    arguments: bytes
    main: MainModule | None = None
    sys_path: tuple[str, ...] = (SDK_PATH, NODE_PATH)
    children: Mapping[str, Any] = MappingProxyType({})
    items: Places = Places(())
    callbacks: tuple[tuple[str, bytes], ...] = ()
    python: str = ""
    own_modules: Mapping[str, OwnModule] = MappingProxyType({})
    later: tuple[JobResultPlaceholder, ...] = ()
    packaging: str = ""


def dump_payload(payload: Payload) -> bytes:
    """The payload as plain containers, so that reading it needs nothing but the standard library."""
    content = payload._asdict()
    content["function"] = payload.function._asdict()
    content["main"] = payload.main._asdict() if payload.main else None
    content["children"] = dict(payload.children)
    content["own_modules"] = {name: tuple(one) for name, one in payload.own_modules.items()}
    content["items"] = payload.items.packed
    content["later"] = [tuple(placeholder) for placeholder in payload.later]
    return pickle.dumps(content, PROTOCOL)


def load_payload(source: bytes | BinaryIO) -> Payload:
    """Read back what `dump_payload` wrote."""
    file = io.BytesIO(source) if isinstance(source, bytes) else source
    content = pickle.load(file)  # noqa: S301 - the user's own file
    main = content.pop("main")
    own = {name: OwnModule(*one) for name, one in content.pop("own_modules").items()}
    content["items"] = Places.of(content["items"])
    content["later"] = tuple(JobResultPlaceholder(*one) for one in content["later"])
    function = FunctionReference(**content.pop("function"))
    return Payload(
        function=function,
        main=MainModule(**main) if main else None,
        own_modules=own,
        **content,
    )
