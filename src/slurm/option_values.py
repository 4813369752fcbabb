"""What the text of an sbatch option means, for those that somebody here has to understand. Pure."""

from __future__ import annotations

import re
import signal
from dataclasses import dataclass

from slurm.options import SIZE, InvalidOption

SIGNALS = re.compile(r"HUP|INT|QUIT|ABRT|KILL|ALRM|TERM|USR[12]|URG|CONT|STOP|TSTP|TTIN|TTOU")
SIGNAL = re.compile(r"(?:([BR]|BR|RB):)?(?:SIG)?([A-Z]+[12]?|[0-9]{1,2})(?:@([0-9]{1,5}))?")
SIGNAL_FORMATS = (
    "give a signal's name or number, 'B:' before it for the batch script alone, and '@' with the "
    "seconds before the time limit after it, such as USR1, B:USR1 or B:USR1@120"
)
LARGEST_SIGNAL = 64
LONGEST_WARNING = 65535  # seconds
KILOBYTES = {"K": 1, "M": 1 << 10, "G": 1 << 20, "T": 1 << 30}


@dataclass(frozen=True)
class WarningSignal:
    """What ``--signal`` asks for: a signal `seconds` before the time limit.

    With `batch` it is for the batch script alone, else for all its descendants but not for itself.
    """

    number: int
    seconds: int = 60
    batch: bool = False


def parse_signal(text: str) -> WarningSignal:
    """The meaning of sbatch's ``--signal``, with the signal's number on this machine.

    >>> parse_signal("B:TERM@120")
    WarningSignal(number=15, seconds=120, batch=True)

    Raises `InvalidOption`.
    """
    match = SIGNAL.fullmatch(text.upper())
    if match is None:
        raise InvalidOption(SIGNAL_FORMATS)
    flags, name, seconds = match[1] or "", match[2], int(match[3] or "60")
    if name.isdigit():
        number = int(name)
    else:
        number = int(getattr(signal, f"SIG{name}")) if SIGNALS.fullmatch(name) else 0
    if not 1 <= number <= LARGEST_SIGNAL or seconds > LONGEST_WARNING:
        raise InvalidOption(SIGNAL_FORMATS)
    return WarningSignal(number, seconds, "B" in flags)


def parse_memory(text: str) -> int:
    """The megabytes of a size as ``--mem`` spells it, rounded up.

    >>> parse_memory("2G"), parse_memory("500"), parse_memory("1K")
    (2048, 500, 1)

    Raises `InvalidOption`.
    """
    if not SIZE.fullmatch(text):
        raise InvalidOption("give a size: megabytes as a number, or text such as 512M, 4G or 4GB")
    digits = text.upper().rstrip("B").rstrip("KMGT")
    unit = text.upper()[len(digits) :][:1] or "M"
    return -(-int(digits) * KILOBYTES[unit] // KILOBYTES["M"])
