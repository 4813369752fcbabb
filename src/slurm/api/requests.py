"""What goes to a backend and what comes from it: plain data, the same for every one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Union

from slurm.agent.sbatch import sbatch_argv
from slurm.errors import SlurmError

if TYPE_CHECKING:
    from slurm.job_dir.large_files import SpooledFile

# Named tuples, and no data classes: to make those takes several times as long.

NOTHING: Mapping[str, Any] = {}


class JobRequest(NamedTuple):
    """One submission: all that a backend ever sees of a task.

    - `job_dir`: absolute path on the cluster; `script`: the name in it that is handed to the scheduler.
    - `files`: name in `job_dir` -> content, written before the job is submitted.
    - `large_files`: the same for what may not fit into memory; see `BackendBase.large_from`.
    - `options`: sbatch options that stand in the script; `submit_options`: those on the command line.
    - `token`: identifies the submission; the same token never makes a second job.
    - `orchestrator`: the job mostly waits for others (a workflow).
    - `directories`: those to make before the job is submitted: names in `job_dir`, and absolute ones for output.
    - `metadata`, `id_key`: the JSON file, and the key in it, that are told the job's id.
    - `needed`: absolute paths that must be there, which other jobs use as well: copies of code, environments. Where one is
      not, nothing is submitted.
    - `continues`: this request shares the directory of the one before it, and is submitted only if
      that one was; `after_previous`: its job starts when that one's has ended.

    >>> script = b"#!/bin/bash\\nhostname"
    >>> print(JobRequest("/home/me/7", {"job.sh": script}, {}, {"dependency": "afterok:6"}, token="7"))
    sbatch --parsable --dependency=afterok:6 /home/me/7/job.sh
    # files: job.sh (20 bytes)
    #!/bin/bash
    hostname
    """

    job_dir: str
    files: Mapping[str, bytes]
    options: Mapping[str, str]
    submit_options: Mapping[str, str]
    token: str
    script: str = "job.sh"
    orchestrator: bool = False
    directories: Sequence[str] = ()
    metadata: str = "metadata.json"
    id_key: str = "job_id"
    continues: bool = False
    after_previous: bool = False
    large_files: Mapping[str, SpooledFile] = NOTHING
    needed: Sequence[str] = ()

    @property
    def argv(self) -> list[str]:
        """The sbatch command line this request becomes.

        >>> JobRequest("/home/me/7", {"job.sh": b""}, {}, {"dependency": "afterok:6"}, token="7").argv
        ['sbatch', '--parsable', '--dependency=afterok:6', '/home/me/7/job.sh']
        """
        return sbatch_argv(f"{self.job_dir}/{self.script}", dict(self.submit_options))

    @property
    def lookup(self) -> dict[str, str]:
        """What `BackendBase.find_job` takes beside the directory, to find the job that this request became.

        >>> JobRequest("/home/me/7", {}, {}, {}, token="c0ffee").lookup["token"]
        'c0ffee'
        """
        return {
            "token": self.token,
            "script": self.script,
            "metadata": self.metadata,
            "id_key": self.id_key,
        }

    def __str__(self) -> str:
        script = self.files[self.script].decode("utf-8")
        sizes = {name: len(data) for name, data in self.files.items()}
        sizes.update({name: spool.size for name, spool in self.large_files.items()})
        names = ", ".join(f"{name} ({size} bytes)" for name, size in sizes.items())
        import shlex  # late: only a dry run shows one

        return f"{shlex.join(self.argv)}\n# files: {names}\n{script}"


class Submitted(NamedTuple):
    """The scheduler's answer to one request: a job, or why there is none.

    `job_dir` is the directory of the job that exists; when an earlier request with this token made
    it, in a directory of its own, `reattached` is True; then `options` are those of that request, where they were noted.

    >>> Submitted("12", "/home/me/slurm_jobs/train/7").error is None
    True
    >>> Submitted(error=SlurmError("Invalid partition name specified")).job_id
    ''
    """

    job_id: str = ""
    job_dir: str = ""
    reattached: bool = False
    error: SlurmError | None = None
    options: Mapping[str, str] | None = None


class Host(NamedTuple):
    """The machine a backend talks to.

    >>> Host("/home/me", "me", python=(3, 9, 18), executable="/usr/bin/python3").python >= (3, 9)
    True
    """

    home: str
    user: str
    python: tuple[int, int, int]
    executable: str


class Archive(NamedTuple):
    """The SDK's own code, addressed by its content: unpacked once to `directory` on the cluster.

    `build` makes the zip file; it is asked only where the directory is not there yet.

    >>> Archive("/home/me/slurm_jobs/.sdk/0a1b2c3d", build=lambda: b"PK").directory
    '/home/me/slurm_jobs/.sdk/0a1b2c3d'
    """

    directory: str
    build: Callable[[], bytes] = bytes

    @property
    def content(self) -> bytes:
        """The zip file.

        >>> Archive("/home/me/slurm_jobs/.sdk/0a1b2c3d", build=lambda: b"PK").content
        b'PK'
        """
        return self.build()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Archive) and self.directory == other.directory

    def __hash__(self) -> int:
        return hash(self.directory)


# Told of a large file on its way: its path on the cluster, the bytes that have arrived, and all of them.
Progress = Callable[[str, int, int], object]
# Bytes, or a part of a file on the cluster: its path, where the part begins, its length.
FilePart = Union[bytes, tuple[str, int, int]]


class MetadataFiles(NamedTuple):
    """What the jobs in and under a directory have noted of themselves.

    - `path`: the directory, absolute; `now`: the time there, in seconds since the epoch.
    - `files`: path below the directory -> content of a ``metadata.json``, ``array_metadata.json`` or ``ended.jsonl``, or the
      frames of a record file of a packed array, without results.
    - `complete`: False when there were more directories than were to be looked into.

    >>> found = backend.collect_metadata(job.job_dir, most=10)
    >>> list(found.files), found.complete
    (['metadata.json'], True)
    """

    path: str
    now: float
    files: Mapping[str, bytes]
    complete: bool = True


class FilePlace(NamedTuple):
    """Where reading a file that grows goes on: at `offset`, behind bytes that end as `mark` says.

    An `offset` below 0 is so many bytes before the end.

    >>> FilePlace(-1000).mark
    ''
    """

    offset: int = 0
    mark: str = ""


class Added(NamedTuple):
    """What was added to the file with this `number` among those asked about: `data`, from the offset `start` on.

    - `place`: where to go on. `anew`: the file was begun anew, and this is from its beginning.

    >>> Added(0, 0, FilePlace(5, "68656c6c6f"), b"hello").anew
    False
    """

    number: int
    start: int
    place: FilePlace
    data: bytes
    anew: bool = False


class RecordPart(NamedTuple):
    """Frames of a record file, in which items of a packed array have left what they have come to.

    - `name`: the file's, ``<job id>.<attempt>``; `frames`: their bytes, see ``slurm.agent.record_frames``.
    - `end`: from where on there may be more of them in that file.

    >>> RecordPart("12_3.1", b"", end=0).name
    '12_3.1'
    """

    name: str
    frames: bytes
    end: int


class TreeFile(NamedTuple):
    """One name in a directory tree: its `path` below the directory, and which version of the file was found there.

    - `size` in bytes, `mtime` in nanoseconds since the epoch, `inode`: together they tell one version from another.
    - `regular`: False for what is no file that can be read: a pipe, a link that leads out of the tree.

    A name that is no UTF-8 has in `path` what ``os.fsdecode`` makes of its bytes.

    >>> TreeFile("model/best.pt", size=3).regular
    True
    """

    path: str
    size: int = 0
    mtime: int = 0
    inode: int = 0
    regular: bool = True

    def is_same(self, other: TreeFile) -> bool:
        """Whether it is the same version of the file, by whatever name.

        >>> TreeFile("a", 3, 17, 5).is_same(TreeFile("link to a", 3, 17, 5))
        True
        """
        return (self.size, self.mtime, self.inode) == (other.size, other.mtime, other.inode)


class Tree(NamedTuple):
    """What is in and under a directory; `complete` is False when there was more than was asked for.

    >>> Tree((TreeFile("metrics.json", 17),)).complete
    True
    """

    files: Sequence[TreeFile]
    complete: bool = True


class PartSum(NamedTuple):
    """The SHA-256 of a part of a file, and which version of the file that was; or the `error` that there is.

    >>> PartSum(error=SlurmError("Permission denied: model.pt")).sha256
    ''
    """

    sha256: str = ""
    file: TreeFile = TreeFile("")
    error: SlurmError | None = None
