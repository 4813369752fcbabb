"""What a job has printed, as lines in which nothing is a command for a terminal. Pure."""

from __future__ import annotations

import re

from slurm.api.requests import FilePlace
from slurm.dash.source import LogPart

# Colours, titles and movements, as programs print them that believe in a terminal.
COMMANDS = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\].*?(?:\x07|\x1b\\)|[@-Z\\^_])", re.DOTALL)
TAB = 8
MOST_LINES = 5000  # that are kept of a log


def lines_of(text: str) -> list[str]:
    r"""The lines of a text. Of a line that was written over, as bars of progress are, what stands there last.

    >>> lines_of("10 %\r20 %\n\x1b[31mred\x1b[0m \x07bell\n")
    ['20 %', 'red ?bell']
    """
    lines = COMMANDS.sub("", text).replace("\r\n", "\n").split("\n")
    if lines[-1] == "":
        lines.pop()
    return [_plain(line) for line in lines]


def _plain(line: str) -> str:
    last = line.rstrip("\r").rpartition("\r")[2].expandtabs(TAB)
    return "".join(one if one.isprintable() else "?" for one in last)


class LogLines:
    """The last lines of a log that grows.

    >>> log = LogLines()
    >>> log.take(LogPart("one\\ntw", FilePlace(6)))
    >>> log.take(LogPart("o\\nthree", FilePlace(13)))
    >>> log.lines, log.place
    (['one', 'two', 'three'], FilePlace(offset=13, mark=''))
    """

    def __init__(self) -> None:
        self.place: FilePlace | None = None
        self._whole: list[str] = []
        self._rest = ""  # of a line that is not ended yet

    def take(self, part: LogPart) -> None:
        """Take what was added; nothing of what was before, if it was begun anew."""
        if part.anew:
            self._whole, self._rest = [], ""
        text, end, self._rest = (self._rest + part.text).rpartition("\n")
        self._whole = [*self._whole, *lines_of(text + end)][-MOST_LINES:]
        self.place = part.place

    @property
    def lines(self) -> list[str]:
        """All of them, with what there is of the last."""
        return [*self._whole, *lines_of(self._rest)]
