"""Moments as manifests write them, RFC 3339 in UTC, and the run ids that are made of them."""

from __future__ import annotations

import datetime
import re


def now() -> datetime.datetime:
    """This moment, in UTC."""
    return datetime.datetime.now(datetime.timezone.utc)


def text_of(moment: datetime.datetime) -> str:
    """A moment as manifests have it.

    >>> text_of(datetime.datetime(2026, 2, 18, 16, 0, 45, tzinfo=datetime.timezone.utc))
    '2026-02-18T16:00:45Z'
    """
    utc = moment.astimezone(datetime.timezone.utc)
    return utc.isoformat(timespec="milliseconds" if utc.microsecond else "seconds").replace(
        "+00:00", "Z"
    )


def moment_of(text: str) -> datetime.datetime:
    """The moment that an RFC 3339 text says. Raises ``ValueError`` for another one, and for one without its offset.

    >>> moment_of("2026-02-18T17:00:45+01:00") == moment_of("2026-02-18T16:00:45Z")
    True
    """
    # Python 3.10 does not read the Z.
    moment = datetime.datetime.fromisoformat(re.sub("[zZ]$", "+00:00", text))
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} has no offset from UTC, such as Z")
    try:
        return moment.astimezone(datetime.timezone.utc)
    except OverflowError:
        raise ValueError(f"{text!r} is too early or too late") from None


def run_id_at(moment: datetime.datetime) -> str:
    """The id of a run that is launched at `moment`; the first of that second.

    >>> run_id_at(moment_of("2026-02-18T16:00:45Z"))
    '20260218T160045Z'
    """
    return f"{moment.astimezone(datetime.timezone.utc):%Y%m%dT%H%M%SZ}"
