"""What every backend must be able to do."""

from __future__ import annotations

import abc
import contextlib
import io
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, BinaryIO

from slurm.agent.job_ids import expand_job_id
from slurm.api.cleaned_up import Cleaned, CleanedUp
from slurm.api.job_listing import JobListing
from slurm.api.requests import (
    NOTHING,
    Added,
    Archive,
    FilePart,
    FilePlace,
    Host,
    JobRequest,
    MetadataFiles,
    PartSum,
    Progress,
    RecordPart,
    Submitted,
    Tree,
    TreeFile,
)
from slurm.api.stored_packages import RemovedPackages, StoredPackage, StoredPackages
from slurm.errors import RemoteFileError, RemoteFileMissing, SlurmError
from slurm.states import Observation

if TYPE_CHECKING:
    from slurm.api.transfers import Content

# Whoever derives a backend finds here all that its methods take and return.
__all__ = [
    "Added",
    "Archive",
    "BackendBase",
    "Cleaned",
    "CleanedUp",
    "FilePart",
    "FilePlace",
    "Host",
    "JobListing",
    "JobRequest",
    "MetadataFiles",
    "PartSum",
    "Progress",
    "RecordPart",
    "RemovedPackages",
    "StoredPackage",
    "StoredPackages",
    "Submitted",
    "Tree",
    "TreeFile",
]


class BackendBase(abc.ABC):
    """A way to reach a scheduler and its file system. Knows jobs and files, never tasks.

    Derive from it, and give ``Cluster(MyBackend(...))``, to reach another one.

    Every method may raise `TransportError` (the connection), `SchedulerUnreachable` (Slurm gave no
    answer) or `RemoteFileError`; none of them says anything about a job's state.

    >>> from slurm.api.local import LocalBackend
    >>> backend = LocalBackend(state_dir="~/scheduler")
    >>> isinstance(backend, BackendBase), backend.shares_filesystem
    (True, True)

    A backend may be handed the arguments of a job in a file, if they take more than `large_from` bytes
    pickled: as `large_files` of a `JobRequest`, and with them a `progress` that it tells how far they
    are. Unless it says so, it is not, and all is bytes.

    A forked child has a copy of it: what it keeps open is to be made there anew, with ``slurm.forks.Own``.

    What is many files travels in pieces of about `piece` bytes, `in_flight` of them at a time.
    """

    large_from: int | None = None
    piece: int = 1 << 19  # what a slow uplink takes well before the other side seems dead
    in_flight: int = 1
    copies_code: bool = (
        False  # whether it has `copy_files`, so that a project's code may travel by itself
    )

    @property
    @abc.abstractmethod
    def shares_filesystem(self) -> bool:
        """True when paths of this process mean the same on the nodes.

        >>> backend.shares_filesystem
        True
        """

    @abc.abstractmethod
    def host(self) -> Host:
        """Whom this backend talks to.

        >>> backend.host().python >= (3, 9)
        True
        """

    @abc.abstractmethod
    def submit_jobs(
        self,
        requests: Sequence[JobRequest],
        *,
        base: str,
        events: str,
        archive: Archive,
        progress: Progress | None = None,
    ) -> list[Submitted]:
        """Submit all requests in one round trip; one answer each, in order.

        `base` is the directory under which the client keeps its jobs, `events` the one in which
        their runners tell it that they have finished, `archive` the SDK's code they run with.
        `progress` is given with large files alone.
        """

    def submit_job(
        self, request: JobRequest, *, base: str, events: str, archive: Archive
    ) -> Submitted:
        """`submit_jobs` for one request."""
        return self.submit_jobs([request], base=base, events=events, archive=archive)[0]

    def find_job(
        self, job_dir: str, *, token: str, script: str, metadata: str, id_key: str
    ) -> str | None:
        """The id of the job that a submission became whose answer was lost; None if it became none.

        The arguments are those of its `JobRequest`. Raises `SubmissionUnknown` where that cannot be
        told yet. A backend that cannot look answers None.

        >>> about = {"script": "job.sh", "metadata": "metadata.json", "id_key": "job_id"}
        >>> backend.find_job("/home/me/slurm_jobs/train/7", token="c0ffee", **about) is None
        True
        """
        return None

    @abc.abstractmethod
    def limits(self) -> Mapping[str, int]:
        """What bounds a submission: ``max_array_size``, above any index of an array's tasks.

        >>> backend.limits()
        {'max_array_size': 1001}
        """

    @abc.abstractmethod
    def query_jobs(self, job_ids: Sequence[str]) -> list[Observation]:
        """What the scheduler says of these jobs, all in one query; ``absent`` for those it does not name.

        >>> [one.source for one in backend.query_jobs(["999999"])]
        ['absent']
        """

    def query_together(self, words: Sequence[str]) -> list[Observation]:
        """As `query_jobs`, with tasks of an array in few words, as ``12_[0-2,5]``: in the question, and in answers too.

        There the same is said of all of them. A backend that knows no such answers gives one for each.

        >>> [one.source for one in backend.query_together(["999999"])]
        ['absent']
        """
        return self.query_jobs([job_id for word in words for job_id in expand_job_id(word)])

    def get_job_status(self, job_id: str) -> Observation:
        """`query_jobs` for one job.

        >>> backend.get_job_status("999999").source
        'absent'
        """
        return self.query_jobs([job_id])[0]

    def query_usage(self, job_ids: Sequence[str]) -> list[Mapping[str, str]]:
        """What is on record of jobs that ended, all in one query: rows with ``sacct``'s field names.

        A job's row has its id as ``JobID``, those of its steps ``<id>.<step>``. A job without a row may
        have one in a moment; one with nothing else in its row will have no more.

        >>> [row["JobID"] for row in backend.query_usage(["999999"])]
        ['999999']
        """
        return [{"JobID": job_id} for job_id in job_ids]

    def get_offers(self, kinds: Sequence[str]) -> Mapping[str, Sequence[Mapping[str, str]]]:
        """What a job could have asked for instead of what it was refused for, by kind: ``partitions``, ``accounts``.

        Asked after a refusal only. A row of the first is one kind of node in one partition, with what
        ``sinfo`` says of it; of the second, an account that the user may charge. Nothing is said of what is
        not known.

        >>> backend.get_offers(["partitions"])
        {}
        """
        return {}

    @abc.abstractmethod
    def cancel_jobs(self, job_ids: Sequence[str]) -> None:
        """Cancel these jobs; one that has ended already is no error.

        >>> backend.cancel_jobs(["999999"])  # there is none
        """

    def cancel_job(self, job_id: str) -> None:
        """`cancel_jobs` for one job.

        >>> backend.cancel_job("999999")  # there is none
        """
        self.cancel_jobs([job_id])

    @abc.abstractmethod
    def wait_events(
        self, directory: str, seen: Iterable[str], timeout: float, every: float
    ) -> Mapping[str, bytes]:
        """The files in the event `directory`, as soon as there are any, at the latest after `timeout` seconds.

        With what they hold, or nothing where that is too much. Those in `seen` are removed first. The
        directory is looked into `every` so many seconds.

        >>> backend.write_file("events/7", b"")
        True
        >>> backend.wait_events("events", [], timeout=10, every=0.1)
        {'7': b''}
        """

    @abc.abstractmethod
    def get_queue(self) -> list[Mapping[str, Any]]:
        """The user's live jobs.

        >>> "999999" in [row["job_id"] for row in backend.get_queue()]
        False
        """

    def list_jobs(self, base: str, *, since: float) -> JobListing:
        """All jobs of the user that had not ended by the time `since`, in one round trip; those below `base` with what they noted.

        A backend that has nothing of its own for that tells of its queue, and of no directories.

        >>> listing = backend.list_jobs(cluster.job_base_dir, since=0.0)
        >>> job.id in [one for noted in listing.noted for one in noted["ids"]]
        True
        """
        import time  # late: hardly any backend takes this one

        return JobListing(time.time(), self.get_queue())

    @abc.abstractmethod
    def get_cluster_info(self) -> Mapping[str, Any]:
        """Partitions and what they offer.

        >>> backend.get_cluster_info()["max_cpus"] >= 1
        True
        """

    @abc.abstractmethod
    def run_program(
        self, argv: Sequence[str], *, input: bytes = b"", timeout: float
    ) -> tuple[int, bytes]:
        """Run a program where the scheduler's commands are run, for at most `timeout` seconds.

        Answers its exit status and the end of what it printed. It may be run again when the
        connection is lost meanwhile. Raises `RemoteFileError` where there is no such program.

        >>> backend.run_program(["echo", "hello"], timeout=10)
        (0, b'hello\\n')
        """

    @abc.abstractmethod
    def read_file(self, path: str) -> bytes:
        """A file's content. Raises `RemoteFileMissing` where there is none.

        >>> backend.read_file(f"{job.job_dir}/job.sh")[:11]
        b'#!/bin/bash'
        """

    @abc.abstractmethod
    def read_files(self, paths: Sequence[str]) -> Iterator[bytes | None]:
        """The content of each of these files, in order; None for one that is not there.

        Many files come in one round trip, and no more at once than fit into memory easily.

        >>> list(backend.read_files([f"{job.job_dir}/none.txt"]))
        [None]
        """

    def open_file(self, path: str, *, progress: Progress | None = None) -> BinaryIO:
        """A file's content as it is now, to be read and closed here; it need not fit into memory.

        Raises `RemoteFileMissing` where there is none, `FileTooLarge` where there is no room for it.
        `progress` is told how far a large one is.

        >>> with backend.open_file(f"{job.job_dir}/job.sh") as file:
        ...     file.readline()
        b'#!/bin/bash\\n'
        """
        return io.BytesIO(self.read_file(path))

    def open_files(
        self, paths: Sequence[str], *, progress: Progress | None = None
    ) -> Iterator[BinaryIO | None]:
        """`open_file` for many: each of these files, in order; None for one that is not there.

        >>> list(backend.open_files([f"{job.job_dir}/none.txt"]))
        [None]
        """
        for content in self.read_files(paths):
            yield None if content is None else io.BytesIO(content)

    def read_records(
        self,
        folder: str,
        *,
        jobs: Collection[str] | None = None,
        items: Collection[int] | None = None,
        after: Mapping[str, int] = NOTHING,
        bodies: bool = True,
        most: int | None = None,
    ) -> Iterator[RecordPart]:
        """What items of a packed array have come to, by the record files in a directory; in pieces that fit into memory.

        Of the array tasks with the ids `jobs` and of `items` by their indices, if these are given; in each file from `after`
        on, where an earlier answer ended; with `most` no more than so many bytes of them, but one. Without `bodies`, results
        stay where they are. Raises `RemoteFileMissing` where there is no such directory.

        >>> folder = f"{cluster.map(double, [1, 2, 3], pack=3).submit().job_dir}/records"
        >>> {part.name.split(".")[1] for part in backend.read_records(folder)} <= {"1"}
        True
        """
        names = self.list_directory(folder)
        if not names:
            raise RemoteFileMissing(f"No such file or directory: {folder}")
        if jobs is not None:
            names = [name for name in names if name.rpartition(".")[0] in jobs]
        contents = self.read_files([f"{folder}/{name}" for name in names])
        files = {name: content for name, content in zip(names, contents) if content is not None}
        from slurm.api.record_parts import parts_of  # late: an agent does this itself

        yield from parts_of(files, jobs, items, after, bodies, most)

    @abc.abstractmethod
    def assemble_file(self, path: str, parts: Sequence[FilePart]) -> None:
        """Write a file atomically out of bytes given here and of parts of files on the cluster.

        >>> path = f"{job.job_dir}/first.txt"
        >>> backend.assemble_file(path, [b"begins: ", (f"{job.job_dir}/job.sh", 0, 11)])
        >>> backend.read_file(path)
        b'begins: #!/bin/bash'
        """

    def read_head(self, path: str, size: int) -> bytes:
        """The first `size` bytes of a file.

        >>> backend.read_head(f"{job.job_dir}/job.sh", 11)
        b'#!/bin/bash'
        """
        return self.read_file(path)[:size]

    @abc.abstractmethod
    def read_tail(self, path: str, size: int) -> bytes:
        """The last `size` bytes of a file.

        >>> backend.read_tail(f"{job.job_dir}/metadata.json", 3).strip()
        b'}'
        """

    def wait_added(
        self, files: Sequence[tuple[str, FilePlace]], *, timeout: float, every: float = 1.0
    ) -> list[Added]:
        """What was added to files since they were read up to a place, as soon as there is any, at the latest after `timeout` seconds.

        A file that is not there is waited for; one that was begun anew is read from its beginning. They are looked at
        `every` so many seconds. A backend that has nothing of its own for that reads whole files again and again.

        >>> [added] = backend.wait_added([(f"{job.job_dir}/job.sh", FilePlace())], timeout=0)
        >>> added.data[:11], backend.wait_added([(f"{job.job_dir}/job.sh", added.place)], timeout=0)
        (b'#!/bin/bash', [])
        """
        from slurm.api.grown_files import wait_added  # late: an agent does this itself

        return wait_added(self.read_files, files, timeout, every)

    @abc.abstractmethod
    def write_file(self, path: str, content: bytes, *, exclusive: bool = False) -> bool:
        """Write a file atomically, creating the directories above it with mode 0700.

        With `exclusive` a file that is there already stays. Returns whether this one was written.

        >>> backend.write_file("notes/plan.txt", b"begin")
        True
        >>> backend.write_file("notes/plan.txt", b"again", exclusive=True)
        False
        """

    @abc.abstractmethod
    def list_directory(self, path: str) -> list[str]:
        """Sorted names in a directory.

        >>> "metadata.json" in backend.list_directory(job.job_dir)
        True
        """

    def list_tree(self, path: str, most: int) -> Tree:
        """All files in and under a directory, in one round trip; at most `most` of them.

        Directories are not named. A link is a file where it leads to one in the tree; nothing outside of it is looked at.
        Raises `RemoteFileMissing` where there is no such directory, `RemoteFileError` where the backend cannot do this.

        >>> found = backend.list_tree(job.job_dir, most=1000)
        >>> "metadata.json" in [file.path for file in found.files], found.complete
        (True, True)
        """
        kind = type(self).__name__
        raise RemoteFileError(f"{path}: {kind} has no list_tree, with which files are found there")

    def copy_files(
        self,
        place: str,
        store: str,
        listed: bytes = b"",
        contents: Sequence[tuple[str, int]] = (),
        packed: Content = b"",
        *,
        progress: Progress | None = None,
    ) -> Mapping[str, Any]:
        """Make sure of a frozen copy of files in the directory `place`, which is named by what is in them.

        `listed` says what they are, `contents` and `packed` bring some of them into the directory `store`, where they are
        named by their SHA-256; see ``slurm.agent.copy_requests``. Answers whether the copy is ``ready``, or which files are
        ``missing``. `progress` hears how far what is large is on its way. Raises `RemoteFileError` where the backend can do nothing of the kind.

        >>> backend.copy_files(f"{job.job_dir}/copy", f"{job.job_dir}/contents")["ready"]
        False
        """
        kind = type(self).__name__
        raise RemoteFileError(f"{place}: {kind} has no copy_files, with which code is copied there")

    def sum_parts(self, parts: Sequence[tuple[str, int, int]]) -> Iterator[PartSum]:
        """The SHA-256 of parts of files on the cluster, in order: each is a path, where the part begins, and its length.

        Many come in one round trip, and a large file does not keep others waiting. A file that cannot be read has its
        error in its place.

        >>> [found] = backend.sum_parts([(f"{job.job_dir}/job.sh", 0, 2)])
        >>> found.sha256[:8], found.file.size > 2
        ('3612ddaf', True)
        """
        import hashlib  # late: hardly any backend takes this one

        for path, offset, length in parts:
            try:
                content = self.read_file(path)
            except RemoteFileError as error:
                yield PartSum(error=error)
            else:
                part = hashlib.sha256(content[offset : offset + length])
                yield PartSum(part.hexdigest(), TreeFile(path, len(content)))

    def read_pieces(self, path: str, version: TreeFile, start: int = 0) -> Iterator[bytes]:
        """A file's content from `start` on, one bounded piece after the other, as long as it is the given version.

        So what was begun can be continued later. Raises ``slurm.api.transfers.FileChanged``, a `RemoteFileError`, where the
        file is another one by now, and `RemoteFileMissing` where there is none.

        >>> path = f"{job.job_dir}/job.sh"
        >>> [found] = [file for file in backend.list_tree(job.job_dir, 1000).files if file.path == "job.sh"]
        >>> b"".join(backend.read_pieces(path, found, start=2))[:9]
        b'/bin/bash'
        """
        content = self.read_file(path)
        if len(content) != version.size:
            raise RemoteFileError(f"{path} was replaced while it was read")
        yield content[start:]

    @abc.abstractmethod
    def collect_metadata(self, path: str, most: int) -> MetadataFiles:
        """The metadata files of all jobs in and under a directory, in one round trip.

        At most `most` directories are looked into.

        >>> list(backend.collect_metadata(job.job_dir, most=10).files)
        ['metadata.json']
        """

    def list_packages(self, base: str) -> StoredPackages:
        """What lies below the directory for jobs `base` that jobs run with: copies of code, environments, images, the SDK.

        Raises `RemoteFileError` where the backend cannot do this.

        >>> backend.list_packages("/home/me/slurm_jobs").packages
        ()
        """
        raise RemoteFileError(f"{base}: {type(self).__name__} has no list_packages")

    def remove_packages(
        self, base: str, *, older_than: float, dry_run: bool = False
    ) -> RemovedPackages:
        """Remove those that no job uses which has not ended, and that nobody has used for `older_than` seconds.

        With `dry_run` nothing is removed. Raises `SchedulerUnreachable` where nobody can tell which jobs have not ended,
        `RemoteFileError` where the backend cannot do this.

        >>> backend.remove_packages("/home/me/slurm_jobs", older_than=30 * 86400).freed
        0
        """
        raise RemoteFileError(f"{base}: {type(self).__name__} has no remove_packages")

    def clean_up(
        self,
        base: str,
        *,
        older_than: float,
        dry_run: bool = True,
        progress: Callable[[CleanedUp, int], object] | None = None,
    ) -> CleanedUp:
        """Remove what no job needs that has not ended and nothing was done to for `older_than` seconds, see `Cluster.clean_up`.

        `progress` is told again and again what was done so far, and at how many jobs it has looked. Raises
        `SchedulerUnreachable` where nobody can tell which jobs have not ended, `RemoteFileError` where the backend cannot do this.

        >>> backend.clean_up("/home/me/slurm_jobs", older_than=30 * 86400).freed
        0
        """
        raise RemoteFileError(f"{base}: {type(self).__name__} has no clean_up")

    @abc.abstractmethod
    def note_ends(self, ends: Sequence[Mapping[str, str]]) -> None:
        """Note in metadata files how jobs ended whose runners could not, as a courtesy to who reads them.

        Each end has the `path` of a ``metadata.json``, `status` and `ended_at`; or that of an
        ``array_metadata.json`` and the `items` besides, for a line of the ``ended.jsonl`` beside that file. Takes no longer
        than a courtesy should.
        """

    @abc.abstractmethod
    def make_directory(self, path: str) -> str:
        """Make sure of a directory that can be written, and return its absolute path.

        >>> backend.make_directory(job.job_dir) == job.job_dir
        True
        """

    @abc.abstractmethod
    def file_exists(self, path: str) -> bool:
        """Whether there is a file or directory at `path`.

        >>> backend.file_exists(job.job_dir), backend.file_exists("notes/none.txt")
        (True, False)
        """

    @abc.abstractmethod
    def remove(self, path: str) -> None:
        """Remove a file or a directory with all in it; nothing to remove is no error.

        >>> backend.write_file("notes/plan.txt", b"begin")
        True
        >>> backend.remove("notes")
        >>> backend.file_exists("notes")
        False
        """

    def discard(self, path: str) -> None:
        """`remove`, as a courtesy: only if that is possible now, and without an error if it is not.

        >>> backend.discard("notes/none.txt")
        """
        with contextlib.suppress(SlurmError):
            self.remove(path)

    @abc.abstractmethod
    def close(self) -> None:
        """Let go of connections. Jobs go on.

        >>> backend.close()
        """
