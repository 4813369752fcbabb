"""What jobs print, as it is written: read over the one connection, through requeues, to the end of each job."""

from __future__ import annotations

import codecs
import re
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from slurm.api.requests import Added, FilePlace
from slurm.errors import RemoteFileMissing
from slurm.results import logs
from slurm.results.added_files import AddedFiles
from slurm.results.logs import Stream
from slurm.sbatch.filename_pattern import NOWHERE
from slurm.tracking.record import watched_no_more

if TYPE_CHECKING:
    from slurm.tracking.record import JobRecord

LOOK = 2.0  # seconds for which one request waits; the end of a job is heard of meanwhile
OF_A_LINE = 400  # bytes that most lines are shorter than
RETURN = re.compile(r"\r+(?!\r*\Z)")  # but for those at the end of a line
EACH = 0.002  # seconds between two looks, for each file that is looked at


class Printed(NamedTuple):
    """Text that a job has printed; `anew` where its file was begun anew before, as by a requeue."""

    record: JobRecord
    stream: Stream
    text: str
    anew: bool = False


def printed(
    records: Iterable[JobRecord],
    streams: Sequence[Stream],
    *,
    follow: bool,
    lines: int | None = None,
    errors: str = "replace",
) -> Iterator[Printed]:
    """What these jobs have printed so far, its last `lines` alone; with `follow` also what they go on to print until they have ended.

    Jobs that share their output are to be named once. Bytes that are no UTF-8 are decoded as `errors` says. Raises
    `RemoteFileMissing` where a file cannot be had from here, and `SlurmError` where the cluster is closed before they have ended.
    """
    files = [_Output(record, stream, lines, errors) for record in records for stream in streams]
    if not files:
        return
    backend = files[0].record.site.backend
    wake = threading.Event()
    asking = AddedFiles(backend, wake)
    if follow:
        _watch(files, wake)
    while files:
        wake.clear()
        _require_watched(files if follow else ())
        over = [one for one in files if not follow or one.record.finished]
        found = [one for one in files if one.find()]
        files, found = _apart(files), _apart(found)
        for one in found:
            yield from one.begin()
        heard: set[_Output] = set()
        if found:
            asked = [(one.path, one.place) for one in found]
            every = max(0.1, EACH * len(found))
            answer = (
                backend.wait_added(asked, timeout=0) if over else asking.ask(asked, LOOK, every)
            )
            for added in answer or ():
                yield found[added.number].take(added)
                heard.add(found[added.number])
            if answer is not None and not (answer or over):
                _require_homes(files)
        elif not over:
            wake.wait(LOOK)
        ending = [one for one in over if one in files and one not in heard]
        _require_homes(ending)
        for one in ending:
            one.end()
            files.remove(one)


def _watch(files: Sequence[_Output], ended: threading.Event) -> None:
    """Have their jobs watched, and the event set whenever one has ended or is watched no more."""
    files[0].record.operations.watch([one.record for one in files if not one.record.finished])
    for record in {id(one.record): one.record for one in files}.values():
        record.add_callback(ended.set)


def _require_watched(files: Iterable[_Output]) -> None:
    """Raises `SlurmError` where a job goes on and nobody would hear of its end."""
    for one in files:
        if one.record.wait(0) and not one.record.finished:
            raise watched_no_more(one.record)


def _require_homes(files: Iterable[_Output]) -> None:
    """Raises `RemoteFileMissing` where a job's directory was removed. That of an array is looked at once, for all its elements."""
    by_path = {one.home: one for one in files if one.is_own}
    for path, one in by_path.items():
        if not one.record.site.backend.file_exists(path):
            raise RemoteFileMissing(
                f"the directory of job {one.record.id} ({one.record.task_name}) was removed, and what it has printed with it: "
                f"{path}"
            )


def with_prefixes(pieces: Iterable[Printed], *, overwriting: bool = False) -> Iterator[Printed]:
    """The same line by line, each with the number of the element that has printed it: ``3| text``.

    A line that is not ended yet is kept back until it is, or all have ended. On a terminal, where what follows a return is
    written over what was there, `overwriting`, the number stands after each return as well.
    """

    def numbered(record: JobRecord, line: str) -> str:
        prefix = prefix_of(record)
        return prefix + (RETURN.sub(f"\r{prefix}", line) if overwriting else line)

    begun: dict[tuple[int, Stream], Printed] = {}
    for piece in pieces:
        key = id(piece.record), piece.stream
        before = begun.pop(key, None)
        text = (before.text if before is not None else "") + piece.text
        *whole, left = text.split("\n")
        if whole:
            yield piece._replace(text="".join(f"{numbered(piece.record, one)}\n" for one in whole))
        if left:
            begun[key] = piece._replace(text=left)
    for piece in begun.values():
        yield piece._replace(text=f"{numbered(piece.record, piece.text)}\n")


def prefix_of(record: JobRecord) -> str:
    """What stands before a line of an element: its index; of a pack that of its array task."""
    element = record.element
    if element is None:  # of an array that the SDK has not submitted, perhaps
        index = record.id.partition("_")[2]
        return f"{index}| " if index else ""
    return f"{record.id.rpartition('_')[2] if element.packed else element.index}| "


def lone(records: Iterable[JobRecord]) -> list[JobRecord]:
    """Of jobs that share their output, as those of a pack do, the first."""
    return list({record.id: record for record in reversed(list(records))}.values())[::-1]


def _apart(files: Iterable[_Output]) -> list[_Output]:
    """Those with a file of their own: both streams of a job may go to one."""
    by_file = {(one.record.id, one.path): one for one in reversed(list(files))}
    return list(by_file.values())[::-1]


class _Output:
    """One stream of a job: its file, once that is known, and how far it has been read."""

    def __init__(
        self, record: JobRecord, stream: Stream, lines: int | None, errors: str = "replace"
    ) -> None:
        self.record = record
        self.stream = stream
        self.path: str = ""
        self.place: FilePlace = FilePlace()
        self._lines = lines
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors)
        self._begun_at: float | None = None
        self._is_there = False

    @property
    def home(self) -> str:
        """The directory of its job, or of the array."""
        return logs.home_of(self.record).path

    @property
    def is_own(self) -> bool:
        """Whether it is in that directory."""
        return logs.is_in_its_directory(self.record, self.path)

    def find(self) -> bool:
        """Whether its file may be looked at: where it is, and that what is there is this job's."""
        if self._begun_at is None:
            self.path = logs.path_of(self.record, self.stream)
            if self.path == NOWHERE:
                raise logs.sent_nowhere(self.record, self.stream)
            if logs.has_begun(self.record, ask=True):
                self._begun_at = time.monotonic()
        elif not self._is_there and self._is_late():
            self._require()
        return self._begun_at is not None or self.is_own

    def begin(self) -> Iterator[Printed]:
        """The last lines that are there, where only those are wanted."""
        if self._lines is None:
            return
        wanted, self._lines = self._lines, None
        size = OF_A_LINE * max(1, wanted)
        while True:
            asked = [(self.path, FilePlace(-size))]
            found = self.record.site.backend.wait_added(asked, timeout=0)
            if not found:
                return
            [added] = found
            # By line feeds alone: a bar of progress, which is written over with returns, is one line.
            last = [line + b"\n" for line in added.data.split(b"\n")]
            last[-1:] = [last[-1][:-1]] if last[-1] != b"\n" else []
            if added.start == 0 or len(last) > wanted:
                break
            size *= 4
        yield self.take(added._replace(data=b"".join(last[-wanted:] if wanted else [])))

    def take(self, added: Added) -> Printed:
        """The text of what was added."""
        if added.anew:
            self._decoder.reset()
        self.place, self._is_there = added.place, True
        return Printed(self.record, self.stream, self._decoder.decode(added.data), added.anew)

    def end(self) -> None:
        """Nothing more comes."""
        if not self._is_there and self._begun_at is not None:
            self._require()

    def _is_late(self) -> bool:
        begun = self._begun_at
        return begun is not None and time.monotonic() - begun > self.record.site.result_grace

    def _require(self) -> None:
        """Raise where the file is on a disk that cannot be seen from here."""
        if not (self.is_own or self.record.site.backend.file_exists(self.path)):
            raise RemoteFileMissing(logs.out_of_reach(self.record, self.stream, self.path))
        self._is_there = True
