"""What lies on a cluster for many jobs to run with, as a backend tells of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple


class StoredPackage(NamedTuple):
    """One thing below a ``job_base_dir`` that jobs run with.

    - `kind`: ``source`` (a copy of code), ``environment``, ``wheels``, ``wheel``, ``image``, ``SDK``, or ``contents``: the
      files that copies and wheels are made of.
    - `name`: its path below the ``job_base_dir``; `size`: bytes on the disk, each file once; `used`: when it was last used, in
      seconds since the epoch, by the clock there.
    - `jobs`: how many jobs that have not ended use it; None where nobody can tell, and for what no job names.
    - `about`: what more is known, such as ``project``, ``revision`` and ``dirty`` of code.

    >>> StoredPackage("source", ".packages/source/train-0123456789abcdef", size=4096, used=0.0).jobs is None
    True
    """

    kind: str
    name: str
    size: int
    used: float
    jobs: int | None = None
    about: Mapping[str, Any] = {}


class StoredPackages(NamedTuple):
    """All of them; `size` is what they take together; `problem`: why nobody can tell which jobs have not ended.

    >>> StoredPackages(()).problem
    ''
    """

    packages: Sequence[StoredPackage]
    size: int = 0
    problem: str = ""


class RemovedPackages(NamedTuple):
    """What was `removed`, or would be, and the bytes that it has `freed`.

    What stays: `used` by jobs that have not ended, `recent` for it was used a short while ago.

    >>> RemovedPackages((), freed=0).recent
    0
    """

    removed: Sequence[StoredPackage]
    freed: int
    used: int = 0
    recent: int = 0
