"""What is known of a job that has ended, beyond what the tracker knows: from its metadata and its result."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from slurm.callbacks.contexts import CompletedContext
from slurm.errors import SlurmError
from slurm.tracking.job_metadata import metadata_of

if TYPE_CHECKING:
    from slurm.job import Job

logger: logging.Logger = logging.getLogger(__name__)


class Completion:
    """A completed context with its details, which are read once, when the first callback is told.

    Reading takes a moment, and none of the tracker's.
    """

    def __init__(self, context: CompletedContext) -> None:
        self._context = context
        self._detailed: CompletedContext | None = None
        self._reading = threading.Lock()

    def __call__(self) -> CompletedContext:
        with self._reading:
            if self._detailed is None:
                self._detailed = _with_details(self._context)
            return self._detailed


def _with_details(context: CompletedContext) -> CompletedContext:
    job = context.job
    if job is None:
        return context
    error = None if context.successful else _error_of(job)
    return replace(context.with_metadata(_metadata_of(job)), error=error)


def _metadata_of(job: Job[Any]) -> Mapping[str, Any]:
    try:
        [record] = job.records
        return metadata_of(record)
    except (SlurmError, ValueError) as error:
        logger.debug("the metadata of job %s cannot be read now: %s", job.id, error)
        return {}


def _error_of(job: Job[Any]) -> BaseException | None:
    try:
        return job.exception()
    except (SlurmError, TimeoutError) as error:
        logger.debug("why job %s failed cannot be read now: %s", job.id, error)
        return None
