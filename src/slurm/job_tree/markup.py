"""Pieces of HTML. Everything that is not ours goes through `escaped`."""

from __future__ import annotations

import html

from slurm.job_tree import words
from slurm.job_tree.nodes import BAD
from slurm.states import ACTIVE, JobState

MARKS = {"completed": "✓", "failed": "✕", "running": "▸", "pending": "·"}


def escaped(text: str) -> str:
    """Text for an element or a quoted attribute; nothing in it is markup or a control character."""
    return html.escape(words.plain(text))


def kind_of(state: JobState) -> str:
    """What a state looks like: ``completed``, ``failed``, ``running`` or ``pending``."""
    if state in BAD:
        return "failed"
    if state is JobState.COMPLETED:
        return "completed"
    return "running" if state in ACTIVE else "pending"


def percent(value: float) -> str:
    """A position in a style or an attribute.

    >>> percent(12.0), percent(33.3333)
    ('12%', '33.33%')
    """
    return f"{value:.2f}".rstrip("0").rstrip(".") + "%"
