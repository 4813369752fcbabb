"""What jobs need that others need as well: copies of code, environments. It is used from now on, or it is gone."""

import contextlib
import os
from typing import Any, Dict, Iterator, List

from .errors import AgentError
from .locks import Locked

LOCK = ".lock-packages"  # in the directory of receipts, and in that of packages
WAIT = 60.0  # seconds for a moment in which nobody submits


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


@contextlib.contextmanager
def alone(folder: str) -> Iterator[float]:
    """``with alone(receipts) as now:`` nobody submits meanwhile; or with that of packages, nobody copies.

    `now` is by the clock of the file system. Raises `AgentError` where there is no such moment.
    """
    try:
        with Locked(os.path.join(folder, LOCK), WAIT) as lock:
            os.utime(lock.path)
            yield os.fstat(lock.handle).st_mtime
    except TimeoutError:
        said = "jobs are being submitted all the time, for {:.0f} s now: try again later"
        raise AgentError("file", said.format(WAIT)) from None


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
