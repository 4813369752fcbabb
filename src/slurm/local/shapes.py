"""What the scheduler's files must look like, so that one that a crash has damaged is known for it. Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any

LARGEST_ID = 10**12
STATES = frozenset(
    {"PENDING", "RUNNING", "COMPLETING", "COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL"}
)
EXIT_CODE = re.compile(r"[0-9]{1,9}:[0-9]{1,9}")

Shape = Mapping[str, Callable[[Any], bool]]


def check(record: object, shape: Shape, needed: tuple[str, ...] = ()) -> None:
    """Raise ValueError unless `record` is a mapping with the keys `needed`, and those of `shape` it has are right."""
    if not isinstance(record, dict):
        raise ValueError("it is no JSON object")
    for name in needed:
        if name not in record:
            raise ValueError(f"it has no {name!r}")
    for name, is_right in shape.items():
        if name in record and not is_right(record[name]):
            raise ValueError(f"its {name!r} is wrong")


def is_text(value: object) -> bool:
    """Whether it is text that may be a path."""
    return isinstance(value, str) and "\0" not in value


def is_texts(value: object) -> bool:
    """Whether it maps text to text."""
    return (
        isinstance(value, dict) and all(map(is_text, value)) and all(map(is_text, value.values()))
    )


def is_count(value: object) -> bool:
    """Whether it is a whole number from 0 to what a job id may be."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= LARGEST_ID


def is_moment(value: object) -> bool:
    """Whether it is a time."""
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return number and math.isfinite(value) and abs(value) < LARGEST_ID  # type: ignore[arg-type]


def is_flag(value: object) -> bool:
    """Whether it is true or false."""
    return isinstance(value, bool)


def _or_none(is_right: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: value is None or is_right(value)


SUBMISSION: Shape = {
    "job_id": lambda value: is_count(value) and value > 0,
    **dict.fromkeys(("token", "name", "script", "cwd"), is_text),
    "options": is_texts,
    "submitted": is_moment,
    "orchestrator": is_flag,
    "cpus": is_count,
    "mem": _or_none(is_count),
    "time_limit": _or_none(is_count),
}
JOB: Shape = {
    "state": lambda value: isinstance(value, str) and value in STATES,
    "reason": is_text,
    "node": is_text,
    "exit_code": lambda value: isinstance(value, str) and bool(EXIT_CODE.fullmatch(value)),
    "start": _or_none(is_moment),
    "end": _or_none(is_moment),
    **dict.fromkeys(("restarts", "crashes", "max_rss", "cpu_ms"), is_count),
    **dict.fromkeys(("cancelled", "requeued"), is_flag),
}
# What the spool has of a job, by the kind of file; and what each of them must say.
SPOOLED: Mapping[str, Shape] = {
    "json": {"environment": is_texts, "umask": lambda value: is_count(value) and value <= 0o777},
    "pid": {
        **dict.fromkeys(("pid", "supervisor"), lambda value: is_count(value) and 1 < value < 2**31),
        "start": is_moment,
    },
    "status": {
        "error": is_text,
        "cause": lambda value: value in (None, "limit", "cancel", "unreleased"),
        "end": is_moment,
        "wait": lambda value: is_count(value) and value < 2**16,
        **dict.fromkeys(("max_rss", "cpu_ms"), is_count),
    },
}
OPTIONAL = ("max_rss", "cpu_ms")


def check_spooled(kind: str, record: object) -> None:
    """Raise ValueError unless `record` is what a job's spool file of this kind must be."""
    shape = SPOOLED[kind]
    check(record, shape, tuple(name for name in shape if name not in OPTIONAL))
