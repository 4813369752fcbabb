"""How a runner tells the client that listens for it that it has finished."""

import os
from typing import List

from .files import beginning

LARGEST_NEWS = 32 << 10  # bytes of a result that go with the news that it is there
MOST_NEWS = 4 << 20  # bytes in one answer


def write_news(path: str, content: bytes) -> None:
    """Have a file appear whole, for the one who listens; nobody needs it after a crash of the machine."""
    folder, name = os.path.split(path)
    with open(os.path.join(folder, "." + name), "wb") as file:
        file.write(content)
    os.rename(file.name, path)


def read_news(directory: str, names: List[str]) -> List[bytes]:
    """What these files hold; nothing in the place of what is too long for one answer."""
    room = MOST_NEWS
    news: List[bytes] = []
    for name in names:
        try:
            content = beginning(os.path.join(directory, name), LARGEST_NEWS + 1)
        except OSError:  # whatever it is, it must not hide the others
            content = b""
        room -= len(content)
        news.append(content if len(content) <= min(LARGEST_NEWS, room) else b"")
    return news
