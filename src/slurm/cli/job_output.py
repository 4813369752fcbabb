"""What jobs have printed, on its way to where this command prints.

A pipe or a file gets the bytes that the job wrote. On a terminal, colours, tabs, backspaces and returns do what the job meant,
and so does the erasing of a line, which bars of progress are drawn with. Any other command for a terminal is shown as text:
one could change the window's title, clear what others have printed, or have the terminal type an answer.
"""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from types import TracebackType

ERRORS = (
    "surrogateescape"  # how text is made of a job's bytes, so that they can be made of it again
)
COLOUR = r"\x1b\[[0-9;:]*m"
ERASED_LINE = r"\x1b\[[0-2]?K"
LONGEST = 64  # characters that a colour may take
# A colour, an erased line, or a character that is a command: of ASCII, of ISO 6429's second set, or a byte that is no text.
COMMANDS = re.compile(
    rf"({COLOUR})|{ERASED_LINE}|[\x00-\x07\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]"
)
BEGUN = re.compile(rf"\x1b(?:\[[0-9;:]{{0,{LONGEST}}})?\Z")
NO_COLOUR = "\x1b[0m"
ENDS_COLOUR = re.compile(r"\x1b\[(?:.*[;:])?0*m")


class TerminalText:
    r"""Makes text for a terminal of a text that comes in pieces, in which a command may be cut in two.

    >>> shown = TerminalText()
    >>> shown.take("\x1b[3"), shown.take("1mred\x1b]0;title\x07\r"), shown.end()
    ('', '\x1b[31mred^[]0;title^G\r', '\x1b[0m')
    """

    def __init__(self) -> None:
        self._begun = ""
        self._coloured = False

    def take(self, text: str) -> str:
        """What is shown of the next piece."""
        text = self._begun + text
        begun = BEGUN.search(text)
        self._begun = begun.group() if begun else ""
        return COMMANDS.sub(self._shown, text[: len(text) - len(self._begun)])

    def end(self) -> str:
        """What is shown at the end: what was begun, and no colour for what others print."""
        rest, self._begun = COMMANDS.sub(self._shown, self._begun), ""
        off, self._coloured = NO_COLOUR if self._coloured else "", False
        return rest + off

    def _shown(self, found: re.Match[str]) -> str:
        word = found.group()
        if found.group(1):
            self._coloured = not ENDS_COLOUR.fullmatch(word)
        return word if len(word) > 1 else _as_text(word)


def _as_text(command: str) -> str:
    r"""A character that is a command, as editors show it.

    >>> _as_text("\x1b"), _as_text("\x7f"), _as_text("\x9b"), _as_text("\udcff")
    ('^[', '^?', '\\x9b', '\ufffd')
    """
    code = ord(command)
    if code >= 0xD800:
        return "\N{REPLACEMENT CHARACTER}"
    return f"^{chr(code ^ 0x40)}" if code < 0x80 else f"\\x{code:02x}"


class JobOutput:
    """Where what jobs have printed goes: to stdout and stderr of this command, as the module says.

    With `apart` each line is of another job, perhaps: no colour goes beyond the end of one.
    """

    def __init__(self, *, apart: bool = False) -> None:
        self._apart = apart
        self._shown: dict[bool, TerminalText] = {}

    def __enter__(self) -> JobOutput:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        if not isinstance(error, BrokenPipeError):
            for err, shown in self._shown.items():
                _write_text(_stream(err), shown.end())

    def write(self, text: str, *, err: bool = False) -> None:
        """Print `text`, which was made of a job's bytes with `ERRORS`."""
        stream = _stream(err)
        if not stream.isatty():
            _write_bytes(stream, text)
            return
        shown = self._shown.setdefault(err, TerminalText())
        if self._apart:
            lines = text.split("\n")
            whole = [shown.take(line) + shown.end() for line in lines[:-1]]
            _write_text(stream, "\n".join([*whole, shown.take(lines[-1])]))
        else:
            _write_text(stream, shown.take(text))


def is_on_terminal(*, err: bool = False) -> bool:
    """Whether what is printed there is seen on a terminal.

    >>> is_on_terminal()
    False
    """
    return _stream(err).isatty()


def _stream(err: bool) -> TextIO:
    return sys.stderr if err else sys.stdout


def _write_text(stream: TextIO, text: str) -> None:
    encoding = stream.encoding or "utf-8"
    stream.write(text.encode(encoding, "replace").decode(encoding))
    stream.flush()


def _write_bytes(stream: TextIO, text: str) -> None:
    stream.flush()
    data = text.encode("utf-8", ERRORS)
    buffer = getattr(stream, "buffer", None)
    if buffer is None:  # a program has put something of its own in its place
        stream.write(data.decode("utf-8", "replace"))
    else:
        buffer.write(data)
        buffer.flush()
