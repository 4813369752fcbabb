"""How long ago something was: ``30d``, ``12h``, a number of seconds, a `datetime.timedelta`."""

from __future__ import annotations

import argparse
import datetime
import re

from slurm.config.checks import check_seconds
from slurm.errors import ConfigError

AGE = re.compile(r"(\d{1,6})([dhms]?)")
SECONDS = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "": 86400.0}


def age(given: str) -> float:
    """A type of a command line: a length of time such as ``30d``, ``12h``, ``90m``, ``10s``; a number alone is days.

    >>> age("30d"), age("12h"), age("0")
    (2592000.0, 43200.0, 0.0)
    """
    match = AGE.fullmatch(given)
    if match is None:
        raise argparse.ArgumentTypeError(f"{given!r} is no age: say it as 30d, 12h, 90m or 10s")
    return int(match[1]) * SECONDS[match[2]]


def seconds_of(name: str, given: object) -> float:
    """The seconds of an age that a program gives: a number of them, text with a unit, or a `datetime.timedelta`.

    Raises `ConfigError`.

    >>> seconds_of("older_than", "30d"), seconds_of("older_than", 90)
    (2592000.0, 90.0)
    """
    if isinstance(given, datetime.timedelta):
        given = given.total_seconds()
    if isinstance(given, str):
        match = AGE.fullmatch(given)
        if match is None or not match[2]:
            raise ConfigError(
                f"{name} {given!r} is no age: say it as '30d', '12h', '90m' or '10s', or as a number of seconds"
            )
        return age(given)
    check_seconds(name, given)
    return float(given)  # type: ignore[arg-type]
