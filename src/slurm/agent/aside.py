"""Where what is being removed lies meanwhile, under names that mean nothing to anybody: ``.removed`` below a base."""

import errno
import os
import stat
from typing import Iterator

from .directories import make_private_directory, require_own_directory
from .directory_names import ASIDE
from .files import unique_name
from .metadata_requests import METADATA_FILES
from .packages import entries_in
from .removal import removing

NO_ROOM = (errno.ENOSPC, errno.EDQUOT)


class Aside:
    """That directory below `base`."""

    def __init__(self, base: str) -> None:
        self.base = base
        self.folder: str = os.path.join(base, ASIDE)

    def left(self) -> Iterator[str]:
        """What was put there and has not been removed, by this process or another."""
        for entry in entries_in(self.base, ASIDE):
            yield entry.path

    def put(self, path: str) -> str:
        """Move what is at `path` there; returns where it is now, which is as before where the disk is too full for that."""
        target = os.path.join(self.folder, unique_name())
        try:
            make_private_directory(self.folder)
            require_own_directory(self.folder)
            try:
                os.rename(path, target)
            except PermissionError:  # it says where it is, which takes the right to write to it
                os.chmod(path, stat.S_IRWXU)
                os.rename(path, target)
        except OSError as error:
            if error.errno not in NO_ROOM:
                raise
            return path
        return target


def removing_aside(path: str) -> Iterator[None]:
    """Remove what was put aside. What had to stay where it was is a job's directory to the end, for who goes on with it."""
    return removing(path, last=METADATA_FILES)
