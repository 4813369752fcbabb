"""Files on their way, shown on a terminal."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import sys
from collections.abc import Callable, Iterator


@contextlib.contextmanager
def transfers(*, shown: bool = True) -> Iterator[Callable[[str, int, int], object] | None]:
    """``with transfers() as progress:`` show on stderr how far files are; None where there is no terminal, or no Rich.

    `progress` is called with the path of the file that is on its way, the bytes of all files that have arrived, and
    those that there will be.

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
    with Progress(*columns, TransferSpeedColumn(), console=Console(stderr=True)) as shown_bars:
        bar: TaskID | None = None

        def told(path: str, done: int, total: int) -> None:
            nonlocal bar
            if bar is None:
                bar = shown_bars.add_task("", total=total)
            name = _plain(os.path.basename(path))
            shown_bars.update(bar, completed=done, total=total, description=name)
            if done >= total:  # what is here needs no line of its own
                shown_bars.remove_task(bar)
                bar = None

        yield told


def _plain(name: str) -> str:
    return "".join(one if one.isprintable() else "?" for one in name)
