"""How a runner tells the client that listens for it that it has finished."""

import os
from typing import Dict, List

from .directory_names import GROUP
from .files import beginning

LARGEST_NEWS = 32 << 10  # bytes of a result that go with the news that it is there
LARGEST_GROUP = 256 << 10  # bytes of the news of several items
MOST_NEWS = 4 << 20  # bytes in one answer


def write_news(path: str, content: bytes) -> None:
    """Have a file appear whole, for the one who listens; nobody needs it after a crash of the machine."""
    folder, name = os.path.split(path)
    with open(os.path.join(folder, "." + name), "wb") as file:
        file.write(content)
    os.rename(file.name, path)


def read_news(directory: str, names: List[str]) -> Dict[str, bytes]:
    """What these files hold; nothing in the place of what is too long for one answer.

    The news of several items are left for the next one then: their files tell which have ended, and not their names.
    """
    room = MOST_NEWS
    news: Dict[str, bytes] = {}
    for name in names:
        largest = LARGEST_GROUP if GROUP in name else LARGEST_NEWS
        try:
            content = beginning(os.path.join(directory, name), largest + 1)
        except OSError:  # whatever it is, it must not hide the others
            content = b""
        if len(content) > room and GROUP in name:
            continue
        news[name] = content if len(content) <= min(largest, room) else b""
        room -= len(content)
    return news
