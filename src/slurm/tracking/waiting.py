"""What one process has of a job that several may know."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from slurm import forks
from slurm.states import JobStatus


class Waiting:
    """What one process knows of a job, and waits for it with."""

    __slots__ = ("callbacks", "changing", "fetching", "held", "news", "process", "status")

    def __init__(self, status: JobStatus) -> None:
        self.process: object = forks.here()
        self.status: JobStatus = status
        self.news: threading.Event = threading.Event()  # finished, or nobody watches any more
        self.changing: threading.Lock = threading.Lock()
        self.fetching: threading.Lock = threading.Lock()
        self.callbacks: list[Callable[[], object]] = []
        self.held: Any = None
        if status.finished:
            self.news.set()
