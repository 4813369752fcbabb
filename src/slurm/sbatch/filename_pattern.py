"""File name patterns of ``--output`` and ``--error``: what Slurm puts in the place of ``%j`` and its like. Pure.

Slurm's own words are in sbatch(1), under "filename pattern". What that leaves open was seen with batch jobs of 22.05 and 24.11:

- ``%J`` is the job id alone, and ``%s`` is ``batch``; ``%n`` and ``%t`` are 0, for the script runs on the first node;
- outside of an array ``%a`` is 4294967294, and ``%A`` the job's id; in one, ``%j`` is an id that each element has beside
  ``12_3``, and that only the scheduler and the job itself know;
- a number pads what is a number with zeros, to ten digits at most; before anything else its last digit stays;
- what is no symbol stays as it is, ``%b`` before 24.11 too, and ``%U`` in both;
- a backslash anywhere switches all symbols off, and goes; two of them are one;
- ``none`` is /dev/null; a relative name is in the job's working directory.
"""

from __future__ import annotations

import posixpath
import re
import shlex
from collections.abc import Mapping
from typing import NamedTuple, Union

NOWHERE = "/dev/null"
NO_INDEX = 4294967294  # what Slurm puts for %a of a job that is no array's
WIDEST = 10
SYMBOL = re.compile(r"%(?:%|([0-9]*)([AaJjNnstuxb])|([0-9]+))")
Value = Union[int, str]


class JobNames(NamedTuple):
    """What symbols stand for in the names of one job's files; None where that is not known.

    `job_id` is ``%j``; `array_id` and `array_index` are the array's, for a job outside of one its own id and `NO_INDEX`.
    """

    array_id: int | None = None
    array_index: int | None = None
    job_id: int | None = None
    node: str | None = None
    user: str | None = None
    name: str | None = None

    @property
    def values(self) -> dict[str, Value | None]:
        """By the symbols' letters."""
        tens = None if self.array_index is None else self.array_index % 10
        ids = {
            "A": self.array_id,
            "a": self.array_index,
            "b": tens,
            "J": self.job_id,
            "j": self.job_id,
        }
        names = {"N": self.node, "u": self.user, "x": self.name}
        return {**ids, **names, "n": 0, "t": 0, "s": "batch"}


def expand(pattern: str, values: Mapping[str, Value | None]) -> str:
    """`pattern` with its symbols replaced; `values` has one for each letter, those without stay.

    >>> expand("%x-%4j%%.log", {"x": "train", "j": 12})
    'train-0012%.log'
    """
    if pattern.lower() == "none":
        return NOWHERE
    if "\\" in pattern:
        return re.sub(r"\\(\\?)", r"\1", pattern)

    def symbol(match: re.Match[str]) -> str:
        width, letter, digits = match.groups()
        if digits is not None:
            return str(digits[-1])
        if letter is None:
            return "%"
        value = values.get(letter)
        if value is None:
            return match[0]
        padding = min(int(width or "0"), WIDEST)
        return f"{value:0{padding}}" if isinstance(value, int) else value

    return SYMBOL.sub(symbol, pattern)


def symbols_in(pattern: str) -> frozenset[str]:
    """The letters of the symbols in `pattern`.

    >>> sorted(symbols_in("%A_%3a%%j")), symbols_in("50\\\\%j")
    (['A', 'a'], frozenset())
    """
    if "\\" in pattern or pattern.lower() == "none":
        return frozenset()
    return frozenset(match[2] for match in SYMBOL.finditer(pattern) if match[2])


def directory_of(pattern: str, values: Mapping[str, Value | None]) -> str | None:
    """The directory in which files of this pattern are; None where its name is not known before they are.

    >>> directory_of("/logs/%x/%j.out", {"x": "train"}), directory_of("/logs/%j/out", {"x": "train"})
    ('/logs/train', None)
    """
    if "\\" in pattern or pattern.lower() == "none":
        return posixpath.dirname(expand(pattern, values))
    directory = posixpath.dirname(pattern)
    if any(values.get(letter) is None for letter in symbols_in(directory)):
        return None
    return expand(directory, values)


# The same in the words of bash, for the script of a job.
_IN_BASH = {
    "A": "${SLURM_ARRAY_JOB_ID:-$SLURM_JOB_ID}",
    "a": f"${{SLURM_ARRAY_TASK_ID:-{NO_INDEX}}}",
    "b": f"$((${{SLURM_ARRAY_TASK_ID:-{NO_INDEX}}} % 10))",
    "J": "$SLURM_JOB_ID",
    "j": "$SLURM_JOB_ID",
    "N": "${SLURMD_NODENAME%%.*}",
    "u": "$(id -un)",
    "x": "$SLURM_JOB_NAME",
    "n": "0",
    "t": "0",
    "s": "batch",
}
_NUMBERS = frozenset("AaJjntb")


def shell_word(pattern: str) -> str:
    """`pattern` as one word of bash, which a job's script expands as Slurm does.

    >>> shell_word("/my logs/%4j/out")
    '\\'/my logs/\\'"$(printf %04d "$SLURM_JOB_ID")"/out'
    """
    words, end = [], 0
    for match in SYMBOL.finditer(pattern):
        width, letter, _ = match.groups()
        literal = pattern[end : match.start()] + ("" if letter else expand(match[0], {}))
        words += [shlex.quote(literal)] if literal else []
        words += [_in_bash(letter, min(int(width or "0"), WIDEST))] if letter else []
        end = match.end()
    rest = pattern[end:]
    return "".join([*words, shlex.quote(rest) if rest else ""])


def _in_bash(letter: str, width: int) -> str:
    value = f'"{_IN_BASH[letter]}"'
    return f'"$(printf %0{width}d {value})"' if width and letter in _NUMBERS else value
