"""Files on their way, shown on a terminal."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import sys
from collections.abc import Callable, Iterator


@contextlib.contextmanager
def transfers(*, shown: bool = True) -> Iterator[Callable[[str, int, int], object] | None]:
    """``with transfers() as progress:`` show on stderr how far each file is; None where there is no terminal, or no Rich.

    `progress` is called with a file's path, the bytes that have arrived, and all of them.

    >>> with transfers(shown=False) as progress:
    ...     print(progress)
    None
    """
    if not (shown and sys.stderr.isatty() and importlib.util.find_spec("rich")):
        yield None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TaskID,
        TextColumn,
        TransferSpeedColumn,
    )

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), DownloadColumn())
    bars: dict[str, TaskID] = {}
    with Progress(*columns, TransferSpeedColumn(), console=Console(stderr=True)) as shown_bars:

        def told(path: str, done: int, total: int) -> None:
            if path not in bars:
                bars[path] = shown_bars.add_task(_plain(os.path.basename(path)), total=total)
            shown_bars.update(bars[path], completed=done, total=total)
            if done >= total:  # what is here needs no line of its own
                shown_bars.remove_task(bars.pop(path))

        yield told


def _plain(name: str) -> str:
    return "".join(one if one.isprintable() else "?" for one in name)
