"""What a call has come to, put away: in its result file, in its stderr, and in an event for the client that waits."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

from slurm.agent.event_files import write_news
from slurm.agent.files import replacing
from slurm.errors import RemoteError
from slurm.job_dir.metadata import rfc3339
from slurm.job_dir.paths import JobDirectory
from slurm.job_dir.result import (
    Envelope,
    exception_envelope,
    unwritten_envelope,
    value_envelope,
    write_envelope,
)
from slurm.job_dir.result_file import Writer
from slurm.node.job_id import own_job_id
from slurm.node.stopping import say

LONGEST_ERROR = 500


def enveloped(
    call: Callable[[JobDirectory], Any], directory: JobDirectory, attempt: int
) -> Envelope:
    """What the call returns or raises."""
    try:
        value = call(directory)
    except SystemExit as leaving:
        if leaving.code not in (None, 0):
            text = f"the task called sys.exit({leaving.code!r})"
            return exception_envelope(RemoteError(text, type_name="SystemExit"), attempt)
        value = None
    except BaseException as error:  # noqa: BLE001 - whatever the user's code raises is the result
        return exception_envelope(error, attempt)
    return value_envelope(value, attempt)


def written(envelope: Envelope, path: str) -> Envelope | None:
    """Write the result; where that cannot be, why. Returns what was written, None if not even that could be."""
    size = 0
    try:
        with replacing(path) as file:
            out = Writer(file)
            try:
                done = write_envelope(out, envelope)
            finally:
                size = out.size
    except (MemoryError, OSError) as error:
        if isinstance(error, OSError):
            error.filename = path
        return _explained(unwritten_envelope(envelope.attempt, size, error), path)
    if done is not envelope:
        log(done)
    return done


def _explained(envelope: Envelope, path: str) -> Envelope | None:
    log(envelope)
    try:
        with replacing(path) as file:
            return write_envelope(Writer(file), envelope)
    except (MemoryError, OSError):
        return None  # the job's stderr has to tell, if there is room for that


def log(envelope: Envelope) -> None:
    """Put an exception into the job's stderr, where people look first."""
    if envelope.kind == "exception":
        say(envelope.traceback)


def in_a_line(envelope: Envelope) -> str:
    """What the task raised, for those who read the metadata alone."""
    name = envelope.type_name.removeprefix("builtins.")
    return " ".join(f"{name}: {envelope.message}".split())[:LONGEST_ERROR]


def facts_of_process(attempt: int) -> dict[str, Any]:
    """What the metadata of all that this process runs have in common."""
    return {
        "job_id": own_job_id(os.environ),
        "attempt": attempt,
        "node": os.environ.get("SLURMD_NODENAME"),
        "python_version": sys.version.split()[0],
        "stdout": _file_behind(1),
        "stderr": _file_behind(2),
    }


def launched_at() -> str | None:
    """When the job script began, by bash's clock, whose decimal point is the locale's; None without one, and when asked again."""
    try:
        return rfc3339(float(os.environ.pop("SLURM_SDK_LAUNCHED_AT", "").replace(",", ".")))
    except ValueError:
        return None


def _file_behind(descriptor: int) -> str | None:
    """The file to which a descriptor writes; None for a pipe, and where the system does not tell."""
    try:
        path = os.readlink(f"/proc/self/fd/{descriptor}")
    except OSError:
        return None
    return path if path.startswith("/") else None


class Client:
    """The client that waits for this job, as the environment names it. One that is gone has no directory any more."""

    def __init__(self) -> None:
        self.token: str = os.environ.get("SLURM_SDK_TOKEN", "")
        self._folder = os.environ.get("SLURM_SDK_EVENT_DIR", "")

    @property
    def listens(self) -> bool:
        """Whether it is there."""
        return bool(self.token) and os.path.isdir(self._folder)

    def tell(self, event: str, content: bytes) -> None:
        """Leave an event for it. Raises ``OSError``."""
        write_news(os.path.join(self._folder, event), content)
