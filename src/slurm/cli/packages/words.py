"""Packages in words and as JSON. Pure."""

from __future__ import annotations

import datetime
import posixpath
from collections.abc import Mapping, Sequence
from typing import Any

from slurm.api.stored_packages import StoredPackage
from slurm.cli.output import NONE, in_columns
from slurm.usage import format_duration, format_size

HEADERS = ("KIND", "NAME", "SIZE", "UNUSED FOR", "JOBS", "WHAT IT IS")
RIGHT = (2, 3, 4)
MOST_NAMED = 3
SHORT = 12  # digits of a revision


def table(packages: Sequence[StoredPackage], now: float) -> str:
    """The packages in columns, with a header."""
    return in_columns([HEADERS, *(row(one, now) for one in packages)], RIGHT)


def row(package: StoredPackage, now: float) -> tuple[str, ...]:
    """The cells of one.

    >>> row(StoredPackage("source", ".packages/source/train-0123", 2**20, 0.0, 2, {"project": "train"}), 86400.0)
    ('source', 'train-0123', '1M', '1 d 0 h', '2', 'train')
    """
    return (
        package.kind,
        posixpath.basename(package.name),
        format_size(package.size),
        format_duration(max(0.0, now - package.used), "words"),
        NONE if package.jobs is None else str(package.jobs),
        what(package),
    )


def what(package: StoredPackage) -> str:
    """What more is known of one.

    >>> what(StoredPackage("source", "x", 0, 0.0, 0, {"project": "train", "revision": "4f5e6d7c8b9a0f1e", "dirty": True}))
    'train at 4f5e6d7c8b9a with uncommitted changes'
    """
    about = package.about
    if "project" in about:
        return code_in_words(about)
    if "files" in about:
        names = [str(one) for one in about["files"]]
        more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
        return ", ".join(names[:MOST_NAMED]) + more
    if "origin" in about:
        return f"what {about['origin']} requires"
    if "version" in about:
        return f"slurm-tasks {about['version']}".rstrip()
    if "count" in about:
        return f"files of copies and wheels: {about['count']}"
    return str(about.get("image", ""))


def code_in_words(about: Mapping[str, Any]) -> str:
    """A project, its revision where it has one, and whether something had changed since."""
    words = [str(about.get("project", ""))]
    if about.get("revision"):
        words.append(f"at {str(about['revision'])[:SHORT]}")
    if about.get("dirty"):
        words.append("with uncommitted changes")
    return " ".join(words)


def as_json(package: StoredPackage) -> dict[str, Any]:
    """One as plain JSON; times are RFC 3339."""
    used = datetime.datetime.fromtimestamp(package.used, datetime.timezone.utc)
    return {
        "kind": package.kind,
        "name": package.name,
        "size": package.size,
        "used_at": used.isoformat(timespec="seconds"),
        "jobs": package.jobs,
        "about": dict(package.about),
    }
