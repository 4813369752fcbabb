"""What the items of an array task have come to: written down, one record each, and told to the client that waits.

A record is in its file before the next item begins, so that a process that is killed loses none. Where the job may be
requeued it is on the disk as well; elsewhere the records of a few hundredths of a second go there together.
"""

from __future__ import annotations

import contextlib
import errno
import io
import itertools
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from slurm.agent.directories import make_private_directory
from slurm.agent.errors import AgentError
from slurm.agent.event_files import LARGEST_GROUP, LARGEST_NEWS
from slurm.agent.record_files import BEFORE, counting, in_folder, record_name
from slurm.agent.record_frames import (
    EXCEPTION,
    HERE,
    IN_DIRECTORY,
    SHARED,
    VALUE,
    encoded,
    frames_of,
    read_frames,
)
from slurm.job_dir.item_records import notes_of
from slurm.job_dir.main_module import name_of_main
from slurm.job_dir.paths import UNWRITTEN, ArrayDirectory, JobDirectory, group_event_name
from slurm.job_dir.result import (
    Envelope,
    Returned,
    exception_envelope,
    pack_exception,
    unwritten_envelope,
    write_value,
)
from slurm.job_dir.result_file import Writer
from slurm.node.stopping import say
from slurm.runner.put_away import Client, in_a_line, log, written
from slurm.runner.record_writer import Groups, RecordFile

LARGEST_BODY = (
    64 << 10
)  # bytes of a result that stands in a record: a larger one has a file of its own
Times = tuple[float, float, float]


class Put(NamedTuple):
    """What was written of an item: its envelope, and its record, which has the result unless that `is_in_directory`."""

    envelope: Envelope
    record: bytes
    is_in_directory: bool


class ItemLog:
    """The records of one attempt of an array task, and what its earlier attempts have left.

    - `facts`: what the metadata of all items share; the `job_id` and the `attempt` among them.
    - `safe`: have each record on the disk before the next item begins.

    `ended` says of each item that has a result from before whether it returned. `status` is what the exit status has to
    say of records that could not be kept; `succeeded` that a later attempt has begun: the results are that one's to write.
    """

    def __init__(self, array: ArrayDirectory, facts: Mapping[str, Any], *, safe: bool) -> None:
        self.ended: dict[int, bool] = {}
        self.status: int = 0
        self.succeeded: bool = False
        self._folder = array.records
        self._job = str(facts["job_id"])
        self._attempt: int = facts["attempt"]
        self._shared: dict[str, Any] = {**facts, "main": "", "status": "running"}
        self._safe = safe
        self._file: RecordFile | None = None
        self._groups = Groups(self._end_group)
        self._client = Client()
        self._numbers = itertools.count()
        self._began = 0.0

    def begin(self, at: float) -> None:
        """Read what there is from before, and write down that this attempt has begun, at that moment."""
        self._began = at
        try:
            self._shared[BEFORE] = self._read_earlier()
            self._opened()
        except (
            AgentError,
            OSError,
        ) as error:  # the disk is full: there may be room when an item has ended
            say(f"slurm-tasks: that the job has begun could not be noted: {error}")

    def _read_earlier(self) -> dict[str, int]:
        """How long the files of the attempts before are, as far as they count."""
        make_private_directory(self._folder)
        opened, own = in_folder(self._folder), record_name(self._job, self._attempt)
        before: dict[str, int] = {}
        last = 0
        for one in counting(os.listdir(self._folder), opened, {self._job}):
            with opened(one.name) as file:
                for frame in read_frames(file, limit=one.limit):
                    before[one.name] = frame.end
                    if frame.kind in (VALUE, EXCEPTION) and frame.whole:
                        self.ended.setdefault(frame.item, frame.kind == VALUE)
            last = max(last, one.attempt)
        before.pop(own, None)  # it is run by hand, perhaps: then this goes on behind what is there
        # Those that did not come so far have a file as well: each attempt looks for that of the next.
        for missing in range(last + 1, self._attempt):
            RecordFile(self._path_of(missing)).close()
        return before

    def _path_of(self, attempt: int) -> str:
        return os.path.join(self._folder, record_name(self._job, attempt))

    def _opened(self) -> RecordFile:
        if self._file is None:
            file = RecordFile(self._path_of(self._attempt))
            file.add(self._shared_frame(file.size))
            self._file = file
        return self._file

    def _shared_frame(self, offset: int) -> bytes:
        times = (self._began, 0.0, 0.0)
        return encoded(SHARED, offset=offset, times=times, notes=notes_of(self._shared))

    def share(self, **more: Any) -> None:
        """Write down something else that the items behind it share. Raises ``OSError``."""
        self._shared.update(more)
        file = self._opened()
        file.add(self._shared_frame(file.size))

    # An item

    def put(
        self,
        item: int,
        directory: JobDirectory,
        envelope: Envelope,
        times: Times,
        more: Mapping[str, Any],
    ) -> Put | None:
        """Write down what an item has come to, or why that cannot be; None if not even that can.

        What is large has a result file in the item's `directory`. `more` is for its metadata.
        """
        envelope, body = _pickled(envelope)
        place = HERE
        if body is None:
            done = _in_directory(envelope, directory)
            if done is None:
                return None
            envelope, body, place = done, b"", IN_DIRECTORY
        try:
            record = self._add(item, envelope, times, more, body, place)
            return Put(envelope, record, place == IN_DIRECTORY)
        except (MemoryError, OSError) as error:
            envelope = unwritten_envelope(envelope.attempt, len(body), error)
        log(envelope)
        try:
            body = pack_exception(envelope)
            return Put(envelope, self._add(item, envelope, times, more, body, HERE), False)
        except (MemoryError, OSError):
            return None  # the job's stderr has to tell, if there is room for that

    def _add(
        self,
        item: int,
        envelope: Envelope,
        times: Times,
        more: Mapping[str, Any],
        body: bytes,
        place: int,
    ) -> bytes:
        main = name_of_main()
        if main != self._shared["main"]:
            self.share(main=main)
        file, kind = self._opened(), VALUE
        if envelope.kind == "exception":
            kind, more = EXCEPTION, {**more, "error": in_a_line(envelope)}
        frame = encoded(kind, place, item, file.size, times, notes_of(more), body)
        file.add(frame)
        if self._safe:
            file.sync()
            self._look_for_successor()
        return frame

    def tell(self, record: bytes, took: float) -> None:
        """Have the client know of an item, which took so many seconds, by and by."""
        self._groups.add(record, took)

    def close(self) -> None:
        """No more items are run in this process."""
        self._groups.close()
        if self._file is not None:
            try:
                self._file.close()
            except OSError as error:
                self._not_kept(error)

    # A group of items, in whatever thread

    def _end_group(self, records: Sequence[bytes]) -> None:
        if self._file is not None and not self._safe:
            try:
                self._file.sync()
            except OSError as error:
                self._not_kept(error)
                return
        if self._look_for_successor() or not self._client.listens:
            return
        try:
            for news in _news_of(self._shared_frame(0), records):
                number = next(self._numbers)
                token = self._client.token
                self._client.tell(group_event_name(token, self._attempt, self._job, number), news)
        except OSError as error:
            say(f"slurm-tasks: the client could not be told of {len(records)} items: {error}")

    def _not_kept(self, error: OSError) -> None:
        self.status |= UNWRITTEN
        say(
            f"slurm-tasks: results could not be kept: {error.strerror}: {self._path_of(self._attempt)}"
        )

    def _look_for_successor(self) -> bool:
        """Whether the job was started again, while this process ran on where the scheduler heard nothing of it."""
        next_one = self._attempt + 1
        if not self.succeeded and os.path.exists(self._path_of(next_one)):
            self.succeeded = True
            say(
                f"slurm-tasks: attempt {next_one} of this job has begun: the results are that one's"
            )
        return self.succeeded


def _in_directory(envelope: Envelope, directory: JobDirectory) -> Envelope | None:
    with contextlib.suppress(AgentError, OSError):  # whoever writes the file says so
        make_private_directory(directory.path)
    return written(envelope, directory.result)


class _Little(io.BytesIO):
    """Takes no more than what may stand in a record."""

    def write(self, data: Any) -> int:
        if self.tell() + memoryview(data).nbytes > LARGEST_BODY:
            raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))
        return super().write(data)


def _pickled(envelope: Envelope) -> tuple[Envelope, bytes | None]:
    """An envelope and its body in a record; the error, where the value cannot be pickled; no body for a large one."""
    if isinstance(envelope.body, Returned):
        little = _Little()
        try:
            problem = write_value(Writer(little), envelope.body.value)
        except OSError:
            return envelope, None
        if problem is None:
            content = little.getvalue()
            return envelope._replace(body=content), content
        envelope = exception_envelope(problem, envelope.attempt)
        log(envelope)
    content = pack_exception(envelope)
    return envelope, content if len(content) <= LARGEST_BODY else None


def _news_of(shared: bytes, records: Sequence[bytes]) -> Iterator[bytes]:
    """The contents of the events that tell of these items; without results that are too large for that."""
    parts, size = [shared], len(shared)
    for record in records:
        part = record if len(record) <= LARGEST_NEWS else _without_body(record)
        if size + len(part) > LARGEST_GROUP:
            yield b"".join(parts)
            parts, size = [shared], len(shared)
        parts.append(part)
        size += len(part)
    yield b"".join(parts)


def _without_body(record: bytes) -> bytes:
    [frame] = frames_of(record)
    return frame.encoded(body=False)
