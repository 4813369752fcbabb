"""What jobs need that others need as well: copies of code, environments. It is used from now on, or it is gone."""

import os
from typing import Any, Dict, List

from .errors import AgentError
from .locks import Locked

LOCK = ".lock-packages"  # in the directory of receipts, and in that of packages


class Gone(AgentError):
    """The `paths` that a job needs and that are not there: nothing was submitted."""

    def __init__(self, paths: List[str]) -> None:
        said = (
            "nothing was submitted: {} is not there any more, and the job needs it: submit it again"
        )
        super().__init__("gone", said.format(", ".join(paths)))
        self.paths = paths


def submitting(receipts: str) -> Locked:
    """Held while jobs are submitted: nobody removes what they need before they are on record."""
    return Locked(os.path.join(receipts, LOCK), shared=True)


def copying(packages: str) -> Locked:
    """Held while a copy is made of contents that are there: nobody removes them meanwhile."""
    return Locked(os.path.join(packages, LOCK), shared=True)


def removing(folder: str, timeout: float) -> Locked:
    """What keeps both away, for a moment. Raises ``TimeoutError`` where there is no such moment."""
    return Locked(os.path.join(folder, LOCK), timeout)


class Needed:
    """Looks after what jobs need that are submitted together, each thing once."""

    def __init__(self) -> None:
        self._is_there: Dict[str, bool] = {}

    def require(self, request: Dict[str, Any]) -> None:
        """Note that the request's job uses what it needs. Raises `Gone`."""
        gone = [path for path in request.get("needed", ()) if not self._use(path)]
        if gone:
            raise Gone(gone)

    def _use(self, path: str) -> bool:
        if path not in self._is_there:
            self._is_there[path] = use(path)
        return self._is_there[path]


def use(path: str) -> bool:
    """Whether there is such a file or directory, which from now on is not old."""
    try:
        os.utime(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:  # another user's, or on a file system that is read only
        return os.path.exists(path)
    return True
