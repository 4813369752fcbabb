"""The order in which a job searches for imports: the client's, with the node's own in its place."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from slurm.job_dir.search_path import NODE_PATH, SDK_PATH, OwnModule, digest_of
from slurm.node.stopping import say

SDK = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def restore_search_path(entries: Sequence[str], own: Mapping[str, OwnModule]) -> None:
    """Search for imports as the client did, here and in Python processes that the job starts.

    `own` are the client's own modules: where another is found here under the name of one, the job's stderr says so.
    """
    at_start = [entry for entry in sys.path if entry != SDK]
    at = entries.index(NODE_PATH)
    before = [SDK if entry == SDK_PATH else entry for entry in entries[:at]]
    wanted = [*before, *at_start, *entries[at + 1 :]]
    sys.path[:] = dict.fromkeys(entry for entry in wanted if os.path.exists(entry))
    _tell_children([entry for entry in before if entry in sys.path])
    _say_of_another_slurm()
    if own:
        finder = OwnModules(own)
        finder.forget_namesakes()
        sys.meta_path.insert(0, finder)


def _say_of_another_slurm() -> None:
    """Say, once, where another project's package `slurm` lies on the path: jobs import this one."""
    for entry in sys.path:
        package = os.path.join(entry, "slurm")
        if entry == SDK or not os.path.exists(os.path.join(package, "__init__.py")):
            continue
        if not os.path.exists(
            os.path.join(package, "agent", "loader.py")
        ):  # an installation of this one has it
            say(
                f"slurm-tasks: {package} is another project's package: in jobs `import slurm` is {SDK}/slurm, which "
                "travelled with them. Uninstall that one where the job's Python has it"
            )
            return


def _tell_children(entries: Sequence[str]) -> None:
    """Python processes that the job starts by themselves have no other way to hear of it."""
    given = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    wanted = [entry for entry in (*entries, *given) if entry and os.pathsep not in entry]
    os.environ["PYTHONPATH"] = os.pathsep.join(dict.fromkeys(wanted))


def has_namesake(module: str, source: str, entries: Sequence[str]) -> bool:
    """Whether the node itself has another module of that name than the one whose `source` travelled.

    A package's module is no use by itself; nor is one another that lies where the user said that modules are.
    """
    if "." in module:
        return False
    spec = _found(module, None)
    if spec is None or os.path.dirname(spec.origin or "") in entries:
        return False
    with open(source, "rb") as file:
        return not _is(OwnModule(source, digest_of(file.read())), spec.origin)


class OwnModules:
    """A finder that finds nothing itself: it says where another module is found than the client's own.

    The client's own is the file with its path, or one with its content.
    """

    def __init__(self, own: Mapping[str, OwnModule]) -> None:
        self._left = dict(own)

    def find_spec(
        self, name: str, path: Any = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """What the other finders find."""
        if name not in self._left:
            return None
        spec = _found(name, target)
        self._compare(name, spec)
        return spec

    def forget_namesakes(self) -> None:
        """Have those modules found again that the runner imported before the user's came into reach.

        Who has imported them keeps them.
        """
        for name in [name for name in self._left if name in sys.modules]:
            spec = _found(name, None)
            loaded = getattr(sys.modules[name], "__file__", None)
            if self._compare(name, spec) and spec is not None and spec.origin != loaded:
                for one in [one for one in sys.modules if f"{one}.".startswith(f"{name}.")]:
                    del sys.modules[one]

    def _compare(self, name: str, spec: ModuleSpec | None) -> bool:
        """Whether the client's own module is found; says so, once, where it is another."""
        meant = self._left.pop(name)
        if spec is None or _is(meant, spec.origin):
            return spec is not None
        say(
            f"slurm-tasks: the module {name!r} is {spec.origin or 'a folder without __init__.py'} here, and not "
            f"{meant.file} as on the client: name the directory that holds yours in the packaging's pythonpath, or "
            "give yours another name"
        )
        return False


def _found(name: str, target: ModuleType | None) -> ModuleSpec | None:
    finders = [one for one in sys.meta_path if not isinstance(one, OwnModules)]
    searches = (finder.find_spec(name, None, target) for finder in finders)
    return next((spec for spec in searches if spec is not None), None)


def _is(meant: OwnModule, file: str | None) -> bool:
    """Whether `file` is the module that the client had: the same file, or one with the same content."""
    if file is None or not file.endswith(".py"):
        return False
    try:
        if os.path.exists(meant.file) and os.path.samefile(file, meant.file):
            return True
        with open(file, "rb") as source:
            return digest_of(source.read()) == meant.digest
    except OSError:  # what cannot be read cannot be compared, nor imported
        return True
