"""``__main__``: under which names it is pickled, and what stands in its place in a job.

In a job, what was ``__main__`` for the client is ``__main__`` again, so that everything there is found and pickled under
the names that ``python script.py`` gives it. Where no more than a pickle may ask for it, it is loaded when one does.
"""

from __future__ import annotations

import importlib
import sys
import threading
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from slurm import forks

MAIN = "__main__"
# In the processes that multiprocessing starts, where both names mean the same module.
MAIN_OF_CHILDREN = "__mp_main__"
MAIN_NAMES = (MAIN, MAIN_OF_CHILDREN)
MAIN_WORDS = tuple(name.encode() for name in MAIN_NAMES)


class MainModule(NamedTuple):
    """What ``__main__`` was on the client: an importable `module`, or the script at `path`.

    In a payload, `path` is relative to the job directory, where the script has travelled.
    """

    module: str = ""
    path: str = ""


class _Travelled:
    """The client's ``__main__`` in this job; nothing in every other process."""

    def __init__(self) -> None:
        self.main: MainModule | None = None
        self._loader: Callable[[], None] | None = None
        self._loading = forks.Lock(threading.RLock)

    def came(self, main: MainModule, loader: Callable[[], None]) -> None:
        self.main, self._loader = main, loader

    def load(self) -> None:
        with self._loading:
            loader, self._loader = self._loader, None
            if loader is not None:
                loader()


_travelled = _Travelled()


def came_along(main: MainModule, loader: Callable[[], None]) -> None:
    """Say that the client's ``__main__`` came to this job, and what `load_main` is to do, once."""
    _travelled.came(main, loader)


def travelled_main() -> MainModule | None:
    """The client's ``__main__`` that came to this job, loaded or not; None in every other process."""
    return _travelled.main


def load_main() -> None:
    """Load what came along, if it is not yet. Raises what the user's script does."""
    _travelled.load()


def find(module: str, qualname: str) -> Any:
    """What `module` has under `qualname`; of ``__main__`` under any of its names.

    Raises ``ImportError`` or ``AttributeError`` where there is none.

    >>> find("collections", "OrderedDict.fromkeys")(["a"])
    OrderedDict([('a', None)])
    """
    if module in MAIN_NAMES:
        load_main()
        module = MAIN
    found: Any = sys.modules.get(module) or importlib.import_module(module)
    try:
        for name in qualname.split("."):
            found = getattr(found, name)
    except AttributeError:
        explain_missing(module, qualname)
        raise
    return found


def explain_missing(module: str, qualname: str) -> None:
    """Raises ``AttributeError`` that tells why a job does not find what the client's ``__main__`` has."""
    main = travelled_main()
    if module != MAIN or main is None:
        return
    name = main.module or main.path.rpartition("/")[2]
    raise AttributeError(
        f"{name} has no {qualname} in a job, which leaves out what stands under \"if __name__ == '__main__':\": "
        f"define it above that"
    ) from None


def name_of_main() -> str:
    """Under which name ``__main__`` can be imported; empty for a script and a prompt."""
    spec = getattr(sys.modules[MAIN], "__spec__", None)
    return "" if spec is None or spec.name in MAIN_NAMES else str(spec.name)


def defined_in_main(value: Any) -> bool:
    """Whether a class or function is found in ``__main__`` under its own name."""
    if value.__module__ not in MAIN_NAMES:
        return False
    found: Any = sys.modules.get(value.__module__)
    for name in value.__qualname__.split("."):
        found = getattr(found, name, None)
    return found is value


def packaged_by_main(children: Mapping[str, Any]) -> bool:
    """Whether a workflow's own jobs are packaged by a class that ``__main__`` defines.

    >>> packaged_by_main({"packaging": {"type": "__main__:Mine"}})
    True
    """
    named = str((children.get("packaging") or {}).get("type", ""))
    return named.partition(":")[0] in MAIN_NAMES


def names_main(data: bytes) -> bool:
    """Whether a pickle may refer to something that ``__main__`` defined."""
    return any(word in data for word in MAIN_WORDS)
