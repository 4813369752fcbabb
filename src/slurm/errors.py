"""Every error of the SDK, one tree.

::

    SlurmError
    +-- ConfigError (ValueError)          a Slurmfile, an argument or an option is wrong
    +-- NoActiveContext (RuntimeError)    a task was called outside ``with cluster:``
    +-- TransportError                    the connection, never the job
    |   +-- HostKeyError                  the host's key is unknown or has changed
    |   +-- AuthenticationFailed
    +-- SchedulerUnreachable              Slurm's commands gave no answer
    +-- SubmissionError                   this job was not submitted
    |   +-- SerializationError            an argument or the function cannot travel
    |   +-- PackagingError                the user's code could not be built or installed
    |   +-- SubmissionRefused             sbatch said no, and why
    |   +-- SubmissionUnknown             sbatch may have said yes; nobody can tell
    |   +-- NoMainGuard                   the script submits whenever it is loaded
    +-- RemoteFileError                   a file on the cluster could not be read or written
    |   +-- RemoteFileMissing (FileNotFoundError)
    |   +-- FileTooLarge (MemoryError)  there is not enough memory, or disk, here to read it
    +-- JobError                          a job was submitted and has no result
        +-- JobFailed                     it ended in a state other than COMPLETED
        |   +-- JobCancelled
        |   +-- JobTimeout
        |   +-- JobOutOfMemory
        |   +-- JobNodeFailed
        |   +-- JobPreempted
        |   +-- JobLost                   the scheduler no longer knows it, and it left no result
        |   +-- DependencyFailed          it never started: a job it depends on failed
        +-- ResultError
        |   +-- ResultMissing
        |   +-- ResultCorrupted
        |   +-- ResultNotSerializable     the value could not be pickled on the node
        |   +-- ResultNotLoadable         the value cannot be unpickled here
        |   +-- ResultTooLarge            there is not enough memory, or disk, for it
        +-- RemoteError                   the task raised something that cannot be rebuilt here

The harness has its own below `SlurmError`: ``slurm.testing.errors.ClusterError``, `ClusterStartError`.

An exception raised by the task itself arrives as that very exception, with a `RemoteTraceback`
as its ``__cause__``. Timeouts of a wait are the built-in ``TimeoutError``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from slurm.usage import Usage


class SlurmError(Exception):
    """Base of every error the SDK raises.

    >>> from slurm import errors
    >>> try:
    ...     double.with_options(tme="5")
    ... except errors.SlurmError as error:
    ...     print(error)
    option tme: sbatch has no --tme; did you mean time?
    """


class ConfigError(SlurmError, ValueError):
    """A configuration file, an argument or an option is wrong; nothing was submitted.

    >>> from slurm import Cluster
    >>> Cluster("lokal")
    Traceback (most recent call last):
    slurm.errors.ConfigError: backend 'lokal' does not exist (did you mean 'local'?); choose from ...
    """


class NoActiveContext(SlurmError, RuntimeError):
    """A task was called where no cluster is active.

    >>> try:
    ...     double(21)
    ... except NoActiveContext as error:
    ...     print(str(error).partition(".")[0])
    double() was called outside a cluster's context
    """


class TransportError(SlurmError):
    """The connection to the cluster failed. Says nothing about any job."""


class HostKeyError(TransportError):
    """The host's key is not known, or is not the one that was known."""


class AuthenticationFailed(TransportError):
    """The host accepts none of the user's keys without asking."""


class SchedulerUnreachable(SlurmError):
    """Slurm's commands failed or did not answer in time."""


class SubmissionError(SlurmError):
    """The job was not submitted.

    >>> import threading
    >>> try:
    ...     double.submit(cluster)(threading.Lock())
    ... except SubmissionError as error:
    ...     print(type(error).__name__)
    SerializationError
    """


class SerializationError(SubmissionError):
    """The function or one of its arguments cannot be sent to the cluster."""


class PackagingError(SubmissionError):
    """The user's code, or its environment, could not be built, sent or installed.

    The message's first line says what; the end of what the program printed follows it. Attribute: `gone`, the paths on the
    cluster that the job needs and that somebody has removed.

    >>> PackagingError("the copy of the project is not there any more", gone=["/jobs/.packages/source/p-1"]).gone
    ('/jobs/.packages/source/p-1',)
    """

    def __init__(self, message: str, *, gone: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.gone: tuple[str, ...] = tuple(gone)


class SubmissionRefused(SubmissionError):
    """The scheduler refused the job; the message is its own."""


class SubmissionUnknown(SubmissionError):
    """Whether the scheduler has accepted the job cannot be found out now. Never submitted again blindly.

    Attributes: `token`, which the job carries if there is one; `job_dir`, where its files would be.
    `Job.from_dir(error.job_dir, cluster)` looks for it, and so does a submission with the same key.

    >>> error = SubmissionUnknown("nobody can tell", token="c0ffee", job_dir="/home/me/slurm_jobs/train/12")
    >>> error.token, error.job_dir
    ('c0ffee', '/home/me/slurm_jobs/train/12')
    """

    def __init__(self, message: str, *, token: str = "", job_dir: str = "") -> None:
        super().__init__(message)
        self.token = token
        self.job_dir = job_dir


class NoMainGuard(SubmissionError):
    """A node that loads a script would run its main part: it has no ``if __name__ == "__main__":``.

    >>> issubclass(NoMainGuard, SubmissionError)
    True
    """


class RemoteFileError(SlurmError):
    """A file on the cluster could not be read or written.

    >>> try:
    ...     backend.read_file("notes/none.txt")
    ... except RemoteFileError as error:
    ...     print(type(error).__name__, error)
    RemoteFileMissing No such file or directory: notes/none.txt
    """


class RemoteFileMissing(RemoteFileError, FileNotFoundError):
    """A file on the cluster is not there."""


class FileTooLarge(RemoteFileError, MemoryError):
    """A file on the cluster is larger than the memory of this process, or the disk it would go to.

    Attributes: `size`, its bytes; `limit`, what they are more than, in words.

    >>> error = FileTooLarge("result.pkl: 1099511627776 bytes are too many", size=1 << 40)
    >>> error.size, error.limit
    (1099511627776, 'this process has memory for')
    """

    def __init__(
        self, message: str, *, size: int = 0, limit: str = "this process has memory for"
    ) -> None:
        super().__init__(message)
        self.size = size
        self.limit = limit


class JobError(SlurmError):
    """A job was submitted and yields no result.

    Attributes: `job_id`, the scheduler's id; `job_dir`, its directory on the cluster.

    >>> error = JobError("job 12 has no result", job_id="12", job_dir="/home/me/slurm_jobs/train/12")
    >>> error.job_id, error.job_dir
    ('12', '/home/me/slurm_jobs/train/12')
    """

    def __init__(self, message: str, *, job_id: str = "", job_dir: str = "") -> None:
        super().__init__(message)
        self.job_id = job_id
        self.job_dir = job_dir


class JobFailed(JobError):
    """The job ended in a state other than COMPLETED.

    Attributes beside those of `JobError`: `state`, Slurm's word for how it ended; `exit_code` as
    ``sacct`` prints it (``code:signal``); `stderr`, the last lines the job wrote there; `requested`,
    what the job asked for, as options of a task; `used`, a `slurm.usage.Usage`: its ``elapsed``
    seconds, the most memory that was seen (``max_rss``, bytes) and the ``nodes``, each as far as
    the scheduler has it on record.

    >>> error = JobOutOfMemory(
    ...     "job 12 ended as OUT_OF_MEMORY", state="OUT_OF_MEMORY", exit_code="0:125", requested={"mem": "1G"}
    ... )
    >>> error.state, error.exit_code, error.requested["mem"], error.used.max_rss
    ('OUT_OF_MEMORY', '0:125', '1G', None)
    """

    def __init__(
        self,
        message: str,
        *,
        job_id: str = "",
        job_dir: str = "",
        state: str = "",
        exit_code: str = "",
        stderr: str = "",
        requested: Mapping[str, str] | None = None,
        used: Usage | None = None,
    ) -> None:
        from slurm.usage import Usage

        super().__init__(message, job_id=job_id, job_dir=job_dir)
        self.state = state
        self.exit_code = exit_code
        self.stderr = stderr
        self.requested: Mapping[str, str] = dict(requested or {})
        self.used: Usage = used or Usage()


class JobCancelled(JobFailed):
    """Somebody cancelled the job."""


class JobTimeout(JobFailed):
    """The job reached its time limit (TIMEOUT) or its deadline (DEADLINE)."""


class JobOutOfMemory(JobFailed):
    """The job used more memory than it asked for."""


class JobNodeFailed(JobFailed):
    """The node died under the job, or did not boot."""


class JobPreempted(JobFailed):
    """The job had to make room for another and was not requeued."""


class JobLost(JobFailed):
    """The scheduler does not know the job any more, and the job left no result.

    Either nobody knows it; or the controller has forgotten it, because it was killed before it had saved
    the job, and for ten minutes neither accounts nor the job said that it ended. The message tells which,
    and whether its id is another job's by now. Submit it again. Should it leave a result yet, on a node
    that the controller did not reach, ``Job.from_dir(error.job_dir, cluster)`` finds that.
    """


class DependencyFailed(JobFailed):
    """The job never started because a job it depends on did not end as required.

    What that job, the root, failed with is the ``__cause__``: the exception that its task raised, with the
    traceback there, or how it ended. Attributes beside those of `JobFailed`, whose `stderr` is the root's:
    `root_job_id`, the job at which that began, however many lie in between; `root_job_dir`, its directory;
    `root_type_name` and `root_message`, what its task raised. Each is empty where it is not known.

    >>> error = DependencyFailed("job 14 never started: job 12 failed", job_id="14", root_job_id="12")
    >>> error.job_id, error.root_job_id
    ('14', '12')
    """

    def __init__(  # noqa: PLR0913 - they are its attributes
        self,
        message: str,
        *,
        job_id: str = "",
        job_dir: str = "",
        state: str = "",
        stderr: str = "",
        root_job_id: str = "",
        root_job_dir: str = "",
        root_type_name: str = "",
        root_message: str = "",
    ) -> None:
        super().__init__(message, job_id=job_id, job_dir=job_dir, state=state, stderr=stderr)
        self.root_job_id = root_job_id
        self.root_job_dir = root_job_dir
        self.root_type_name = root_type_name
        self.root_message = root_message


class ResultError(JobError):
    """The job ended well, its result is not usable.

    >>> error = ResultMissing("job 12 left no result", job_id="12")
    >>> isinstance(error, ResultError), error.job_id
    (True, '12')
    """


class ResultMissing(ResultError):
    """The job is COMPLETED but there is no result file."""


class ResultCorrupted(ResultError):
    """The result file is truncated or was altered."""


class ResultNotSerializable(ResultError):
    """The task returned a value that cannot be pickled."""


class ResultNotLoadable(ResultError):
    """The value cannot be unpickled on this side, for instance because its class is not there."""


class ResultTooLarge(ResultError):
    """There is not the memory for the result where it is read or written, or not the disk where it goes.

    On this side the result stays where it is: a process with more memory can still get it.
    """


class RemoteError(JobError):
    """The task raised an exception that cannot be rebuilt here.

    Attributes beside those of `JobError`: `type_name`, the exception's type on the node.

    >>> error = RemoteError("job 12 raised Diverged: at step 3", type_name="train.Diverged", job_id="12")
    >>> error.type_name
    'train.Diverged'
    """

    def __init__(
        self, message: str, *, type_name: str = "", job_id: str = "", job_dir: str = ""
    ) -> None:
        super().__init__(message, job_id=job_id, job_dir=job_dir)
        self.type_name = type_name


class RemoteTraceback(Exception):
    """The traceback on the node, as text; stands as ``__cause__`` of the exception it belongs to.

    Attributes: `text`, all of it; `frames`, without the lines that the exception says itself, is what is printed.

    >>> error = ValueError("no data")
    >>> error.__cause__ = RemoteTraceback('File "train.py", line 3, in load')
    >>> error.__cause__.text
    'File "train.py", line 3, in load'
    """

    def __init__(self, text: str, frames: str | None = None) -> None:
        super().__init__(text)
        self.text = text
        self.frames: str = text if frames is None else frames

    def __str__(self) -> str:
        return "\n" + self.frames.rstrip()
