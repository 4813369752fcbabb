"""Values in a metadata file, whatever is there in their place."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any

from slurm.job_dir.runs import utc_moment
from slurm.states import JobState, parse_state

SUBMITTED = "submitted"  # the one status that is no word of Slurm's
LONGEST_TEXT = 500
LARGEST_NUMBER = 1_000_000

Content = Mapping[str, Any]


def text(content: Content, key: str, longest: int | None = LONGEST_TEXT) -> str:
    """A value as text, not too long; empty for none."""
    value = content.get(key)
    return "" if value is None else str(value)[:longest]


def number(content: Content, key: str) -> int:
    """A count; zero for what is none."""
    value = content.get(key)
    return value if isinstance(value, int) and 0 <= value <= LARGEST_NUMBER else 0


def moment(content: Content, key: str) -> datetime.datetime | None:
    """A time in UTC; None for what is none, or could be any for want of a zone."""
    return utc_moment(text(content, key))


def state_in(content: Content) -> JobState:
    """The state that a status names."""
    status = text(content, "status")
    return JobState.PENDING if status in ("", SUBMITTED) else parse_state(status.upper())
