"""The request for what is added to files that others write, such as the output of jobs."""

import os
import time
from typing import Any, List, Tuple

from .regular_files import open_regular
from .users import expanded

MARK = (
    32  # bytes before the place where reading goes on, by which a file is known that was begun anew
)


class LogRequests:
    """The request of an `Agent` for files that grow."""

    def op_added(
        self, blob: bytes, files: List[Any], most: int, timeout: float, every: float
    ) -> Tuple[Any, bytes]:
        """What was added to files ``[path, place]``, as soon as there is anything, at the latest after `timeout` seconds.

        A place is where reading goes on, ``[offset, mark]``; one below 0 is so many bytes before the end. A file that is not
        there is waited for. One that has become shorter, or has something else in front of the place, was begun anew, as
        the output of a job is that runs again: it is read from its beginning. Answers for each file with news which it is,
        from where on, its next place, how many bytes, and whether it was begun anew.
        """
        deadline = time.monotonic() + timeout
        while True:
            found, parts, room = [], [], most
            for number, (path, place) in enumerate(files):
                start, data, anew = _added(expanded(path), place[0], bytes.fromhex(place[1]), room)
                if data or anew:
                    mark = (b"" if anew else bytes.fromhex(place[1])) + data
                    onwards = [start + len(data), mark[-MARK:].hex()]
                    found.append([number, start, onwards, len(data), anew])
                    parts.append(data)
                    room -= len(data)
                if room <= 0:
                    break
            if found or time.monotonic() >= deadline:
                return found, b"".join(parts)
            time.sleep(every)


def _added(path: str, offset: int, mark: bytes, room: int) -> Tuple[int, bytes, bool]:
    """From where on there is what, and whether the file was begun anew.

    It is opened each time: on NFS that is what asks the server how long it is now.
    """
    try:
        file = open_regular(path)
    except FileNotFoundError:
        return offset, b"", False
    with file:
        if offset < 0:
            offset = max(0, os.fstat(file.fileno()).st_size + offset)
        file.seek(offset - len(mark))
        anew = file.read(len(mark)) != mark
        if anew:
            offset = 0
        file.seek(offset)
        return offset, file.read(room), anew
