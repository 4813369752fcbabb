"""The agent: the one implementation of "talk to Slurm and to files".

This file travels. On a login node it is imported; over SSH its text is sent through the channel and
executed by whatever ``python3`` the cluster has. It therefore imports the standard library only,
nothing from ``slurm``, and runs on Python 3.6.

Two rooms: the file operations and `Agent`, which answers named requests (`Agent.call`), and
`SlurmCommands`, the dialect of ``sbatch``, ``squeue``, ``sacct`` and ``scancel``. A scheduler that
is not Slurm (the local one) takes the place of `SlurmCommands` and nothing else changes. Every job
imports this file, so what only some requests need is imported there.
"""

import binascii
import contextlib
import errno
import fcntl
import functools
import io
import itertools
import json
import os
import pwd
import re
import stat
import struct
import sys
import threading
import time
from typing import Any, Callable, Dict, Iterator, List, Optional, Set, Tuple

PROTOCOL = 1
COMMAND_TIMEOUT = 60.0
SACCT_TIMEOUT = 20.0  # what the queue says must not wait longer for what accounting says
USAGE_TIMEOUT = 15.0  # for a detail of an error that somebody waits for
MOST_IDS_IN_ARGUMENT = 8000  # one argument of a program is 128 KB at most
SCRUBBED_PREFIXES = ("SLURM_", "SBATCH_", "SRUN_", "SQUEUE_", "SACCT_", "PMI")
KEPT_VARIABLES = ("SLURM_CONF", "SLURM_ENV")
NOISE_LIMIT = 1 << 20
FRAME_MARK = b"slf\0"
FRAME_START = struct.Struct(">4sIQ")  # the mark, and the lengths of header and blob
LARGEST_FRAME = 1 << 30  # bytes
SKIPPED_AT_ONCE = 1 << 16  # bytes
NO_MEMORY = {"kind": "file", "message": "there is not the memory on the login node"}
# What sbatch prints when the controller may have taken the job without saying so.
LOST_ANSWERS = (
    "timed out",
    "unable to contact",
    "zero bytes were transmitted",
    "communication",
    "connection re",
    "transport endpoint",
    "unexpected message",
    "message send failure",
    "message receive failure",
    "message length",
    "header lengths",
    "broken pipe",
    "input/output error",
    "unspecified error",
    "authentication",
    "submitted batch job",
)
SBATCH_SAYS = re.compile(r"^sbatch\S*: ", re.MULTILINE)
# And when it cannot have taken it: there was no connection on which to ask.
NEVER_SENT = ("unable to contact slurm controller (connect failure)",)
# An sbatch that was cut off may have left its request with a controller that is busy, or stopped for a
# while. It can become a job as long as the signature on it is valid (munge: 300 s), by clocks that may
# differ by as much; sbatch itself may take two minutes to ask.
LATEST_JOB = 900.0
LOOK_AGAIN = (1.0, 2.0, 4.0, 8.0, 15.0)  # pauses between looks for a job whose answer was lost
MOST_SBATCH = 4  # at once
LOOK_TIMEOUT = 60.0  # seconds for all looks, if the scheduler is slow to answer
SUBMISSION_TURN = 200.0  # seconds to wait for another submission of the same job
MOST_EXIT_CODES = 10  # a command each
ENDED_BADLY = ("FAILED", "TIMEOUT", "OUT_OF_MEMORY", "CANCELLED", "NODE_FAIL", "DEADLINE")
RECEIPTS = ".receipts"
EVENTS = ".events"
STAGED = ".staged"  # large files on their way into a job's directory
EVENTS_KEPT = 60 * 86400.0  # seconds without news after which nobody listens any more
STAGED_KEPT = 86400.0  # seconds after which nobody will ask for one of them any more
NO_LINKS = (errno.EPERM, errno.EXDEV, errno.EMLINK, errno.ENOSYS, errno.EOPNOTSUPP)
METADATA_FILES = ("metadata.json", "array_metadata.json")
LARGEST_METADATA = 1 << 20  # bytes; what is longer is none
UNDER_WAY = ("submitted", "running", "requeued")  # what a killed runner leaves in `status`
SQUEUE_FIELDS = "%i|%T|%r|%N|%k"
SACCT_FIELDS = "JobID,State,ExitCode,Partition,NodeList,Start,End"  # 22.05 has no Restarts
USAGE_FIELDS = (
    "JobID,State,ExitCode,Partition,ReqMem,ReqCPUS,TimelimitRaw,ElapsedRaw,MaxRSS,NodeList"
)
# The same as far as the controller knows it, and in what order.
SQUEUE_USAGE = (
    ("JobID", "%i"),
    ("State", "%T"),
    ("Partition", "%P"),
    ("Elapsed", "%M"),
    ("NodeList", "%N"),
)
DEFAULT_ARRAY_SIZE = 1001
UNSENT = -1  # in the place of a length
BEAT = 60.0  # seconds
OUTPUT_KEPT = 64 << 10  # bytes
COPY_CHUNK = 1 << 20
FIRST_WAITS = (0.00005,) * 10 + (0.0001,) * 10  # seconds
LARGEST_NEWS = 32 << 10  # bytes of a result that go with the news that it is there
MOST_NEWS = 4 << 20  # bytes in one answer


class AgentError(Exception):
    """A request the agent could not fulfil; `kind` says which error the client raises."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


def as_agent_error(error: OSError) -> AgentError:
    """What a client is told of a file that cannot be used."""
    kind = "missing" if error.errno == errno.ENOENT else "file"
    return AgentError(kind, "{}: {}".format(error.strerror, error.filename))


# --- files ---------------------------------------------------------------------------------------


def unique_name() -> str:
    """A file name that no other process on any node chooses."""
    return binascii.hexlify(os.urandom(8)).decode("ascii")


@contextlib.contextmanager
def replacing(path: str, mode: int = 0o600, sync: bool = True) -> Iterator[Any]:
    """``with replacing(path) as file:`` write a file. Readers see the old one or the whole new one, never a part.

    Without `sync` that holds until the machine crashes: for what can be found out in another way.
    """
    folder, name = os.path.split(path)
    temporary = os.path.join(folder, ".{}.{}".format(name[:60], unique_name()))
    handle = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        with os.fdopen(handle, "w+b") as file:
            os.fchmod(handle, mode)  # whatever the umask
            yield file
            file.flush()
            if sync:
                os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException as error:
        if isinstance(error, OSError):
            error.filename = path  # there is none where the disk is full
        os.unlink(temporary)
        raise


def write_atomic(path: str, data: bytes, mode: int = 0o600, sync: bool = True) -> None:
    """Write `data` to `path` as `replacing` does."""
    with replacing(path, mode, sync) as file:
        file.write(data)


def write_news(path: str, content: bytes) -> None:
    """Have a file appear whole, for the one who listens; nobody needs it after a crash of the machine."""
    folder, name = os.path.split(path)
    with open(os.path.join(folder, "." + name), "wb") as file:
        file.write(content)
    os.rename(file.name, path)


def make_private_directory(path: str) -> None:
    """Create `path` and what is missing above it, every new folder with mode 0700."""
    parent = os.path.dirname(path)
    if parent and not os.path.isdir(parent):
        make_private_directory(parent)
    try:
        os.mkdir(path, 0o700)
    except FileExistsError:
        if not os.path.isdir(path):
            raise AgentError("file", path + " exists and is not a directory") from None


def require_own_directory(path: str) -> None:
    """Refuse a directory in which another user could have put, or could put, something to be run or believed."""
    if not _is_own(os.lstat(path)):
        raise AgentError(
            "file",
            "{} is not a directory that only you can write to: remove it, or choose another "
            "job_base_dir".format(path),
        )


def require_own_base(base: str) -> None:
    """The same for the directory that holds all others, which may be a link to where there is room."""
    if not _is_own(os.stat(base)):
        raise AgentError(
            "file",
            "other users can write to {0}, and so change what your jobs run: choose a job_base_dir "
            "of your own, such as {0}/{1}".format(base, pwd.getpwuid(os.getuid()).pw_name),
        )


def _is_own(found: os.stat_result) -> bool:
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o002:
        return False
    return not found.st_mode & 0o020 or _is_private_group(found.st_gid)


def _is_private_group(gid: int) -> bool:
    """Whether this user alone is in the group, as is so with the own group that many systems give users."""
    import grp

    user = pwd.getpwuid(os.getuid())
    try:
        group = grp.getgrgid(gid)
    except KeyError:
        return False
    return (
        user.pw_gid == gid and group.gr_name == user.pw_name and set(group.gr_mem) <= {user.pw_name}
    )


def read_json(path: str) -> Optional[Dict[str, Any]]:
    """The JSON object in `path`, or None where there is no such file."""
    try:
        with open(path, "rb") as file:
            loaded = json.loads(file.read().decode("utf-8"))
    except FileNotFoundError:
        return None
    return loaded if isinstance(loaded, dict) else None


def update_json(path: str, changes: Dict[str, Any], sync: bool = True) -> None:
    """Merge `changes` into the JSON object in `path`, serialised with every other updater.

    A key already present is kept when its new value is None.
    """
    folder, name = os.path.split(path)
    with Locked(os.path.join(folder, "." + name + ".lock")):
        content = read_json(path) or {}
        for key, value in changes.items():
            if value is not None or key not in content:
                content[key] = value
        _write_json(path, content, sync)


def _write_json(path: str, content: Dict[str, Any], sync: bool = True) -> None:
    write_atomic(path, (json.dumps(content, indent=2) + "\n").encode("utf-8"), sync=sync)


def create_json(path: str, content: Dict[str, Any]) -> bool:
    """Write a JSON file where there is none; False where there is one, also on file systems without locks."""
    return create_exclusive(path, (json.dumps(content, indent=2) + "\n").encode("utf-8"))


def create_exclusive(path: str, data: bytes) -> bool:
    """Write `data` to `path`, whole, unless there is such a file; returns whether it was written."""
    staged = os.path.join(os.path.dirname(path), "." + unique_name())
    handle = os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.link(staged, path)
            os.fsync(handle)  # after the name was given: that is to survive as well
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno not in NO_LINKS:
            error.filename = path
            raise
        return _create_in_place(path, data)
    finally:
        os.unlink(staged)
    return True


def _create_in_place(path: str, data: bytes) -> bool:
    """The same where the file system has no links: whoever reads it at the wrong moment sees a part."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        return False
    with os.fdopen(handle, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(handle)
    return True


def remove(path: str) -> None:
    """Remove a file or a whole directory; what is not there is removed already."""
    import shutil

    try:
        if stat.S_ISDIR(os.lstat(path).st_mode):
            shutil.rmtree(path)
        else:
            os.unlink(path)
    except FileNotFoundError:
        pass


class Locked:
    """``with Locked(path):`` holds an exclusive lock on `path`, released when the process dies.

    Waits `timeout` seconds at most, if that is given, and raises ``TimeoutError`` then.
    """

    # What this thread holds, so that a command may hold it as well.
    held: threading.local = threading.local()

    def __init__(self, path: str, timeout: Optional[float] = None) -> None:
        self.path = path
        self.timeout = timeout
        self.handle: int = -1

    @classmethod
    def handles(cls) -> List[int]:
        """The locks of this thread. A process that inherits them holds them until it ends."""
        return list(getattr(cls.held, "handles", ()))

    def __enter__(self) -> "Locked":
        self.handle = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            self._acquire()
        except BaseException:
            os.close(self.handle)
            raise
        self.held.handles = [*self.handles(), self.handle]
        return self

    def _acquire(self) -> None:
        if self.timeout is None:
            fcntl.flock(self.handle, fcntl.LOCK_EX)
            return
        deadline = time.monotonic() + self.timeout
        pause = 0.01
        while True:
            try:
                fcntl.flock(self.handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    raise TimeoutError(
                        errno.ETIMEDOUT, "held by another process", self.path
                    ) from None
            time.sleep(pause)
            pause = min(2 * pause, 0.25)

    def __exit__(self, *exc_info: Any) -> None:
        self.held.handles.remove(self.handle)
        os.close(self.handle)


# --- Slurm's commands ----------------------------------------------------------------------------


def scrubbed_environment() -> Dict[str, str]:
    """This process's environment without what a surrounding job would leak into a new one."""
    return {
        name: value
        for name, value in os.environ.items()
        if name in KEPT_VARIABLES or not name.startswith(SCRUBBED_PREFIXES)
    }


def outcome_of_sbatch(code: int, message: str) -> str:
    """What is certain of an sbatch that printed no job id: "refused", "unsent", or "unanswered" for nothing."""
    said = rest = message.lower()
    for words in NEVER_SENT:
        rest = rest.replace(words, "")
    if code <= 0 or any(words in rest for words in LOST_ANSWERS):
        return "unanswered"
    if rest != said:
        return "unsent"
    # What sbatch itself does not say may be a site's wrapper's, about a job that exists.
    return "refused" if SBATCH_SAYS.search(said) else "unanswered"


def find_mark(table: str, token: str, script: str) -> Optional[str]:
    """The job in the first row, ``id|...``, that names a submission by its token or by its script."""
    word = r"(?<![0-9A-Za-z]){}(?![0-9A-Za-z])".format(re.escape(token))
    path = r"(?:^|[ |]){}(?:\||$)".format(re.escape(script))
    mark = re.compile("{}|{}".format(word, path))
    for line in table.splitlines():
        job_id, _, rest = line.partition("|")
        if mark.search(rest):
            return job_id.strip().split("_")[0]
    return None


def sbatch_argv(script: str, submit_options: Dict[str, str]) -> List[str]:
    """The ``sbatch`` command line; resources stand in the script, these options beside it."""
    options = ["--{}={}".format(name, value) for name, value in sorted(submit_options.items())]
    return ["sbatch", "--parsable", *options, script]


def expand_job_id(text: str) -> Iterator[str]:
    """The job ids behind one of Slurm's: of ``12_[3-5,7%2]`` those of the array's pending tasks."""
    array, bracket, tasks = text.partition("_[")
    if not bracket:
        yield text
        return
    for part in tasks.split("]")[0].split("%")[0].split(","):
        numbers, _, step = part.partition(":")
        first, _, last = numbers.partition("-")
        for task in range(int(first), int(last or first) + 1, int(step or 1)):
            yield "{}_{}".format(array, task)


def collapse_job_ids(job_ids: List[str]) -> List[str]:
    """The same jobs in fewer words: the tasks of an array as ``12_[0-2,5]``."""
    plain = []  # type: List[str]
    tasks = {}  # type: Dict[str, List[int]]
    for job_id in job_ids:
        array, _, task = job_id.partition("_")
        if task.isdigit():
            tasks.setdefault(array, []).append(int(task))
        else:
            plain.append(job_id)
    return plain + ["{}_[{}]".format(array, ranges(of)) for array, of in tasks.items()]


def ranges(numbers: List[int]) -> str:
    """Numbers as Slurm writes them: ``0-2,5``."""
    parts = []  # type: List[List[int]]
    for number in sorted(set(numbers)):
        if parts and parts[-1][1] == number - 1:
            parts[-1][1] = number
        else:
            parts.append([number, number])
    return ",".join(
        "{}-{}".format(first, last) if last > first else str(first) for first, last in parts
    )


def parse_squeue(text: str) -> List[Dict[str, Any]]:
    """Rows of ``squeue -h -o SQUEUE_FIELDS`` as observations; an array's pending tasks share one."""
    rows = []
    for line in text.splitlines():
        fields = line.split("|", 4)
        if len(fields) == 5:
            job_id, state, reason, node, comment = fields
            rows.append(
                {
                    "job_id": job_id.strip(),
                    "state": state,
                    "reason": reason,
                    "node": node,
                    "comment": comment.strip(),
                    "source": "squeue",
                }
            )
    return rows


def parse_sacct(text: str) -> List[Dict[str, Any]]:
    """Rows of ``sacct -n -P -X -o SACCT_FIELDS`` as observations."""
    rows = []
    for line in text.splitlines():
        fields = line.split("|")
        if len(fields) == 7:
            job_id, state, exit_code, partition, node, start, end = fields
            rows.append(
                {
                    "job_id": job_id,
                    "state": state.split(" ")[0].rstrip("+"),
                    "exit_code": exit_code,
                    "partition": partition,
                    "node": node,
                    "start": start,
                    "end": end,
                    "source": "sacct",
                }
            )
    return rows


def parse_table(text: str) -> List[Dict[str, str]]:
    """Rows of ``sacct -P`` by the names in its header, whatever a site prints before that."""
    lines = [line.split("|") for line in text.splitlines()]
    start = next((n for n, line in enumerate(lines) if line[0] == "JobID"), len(lines))
    rows = lines[start + 1 :]
    return [dict(zip(lines[start], row)) for row in rows if len(row) == len(lines[start])]


@functools.lru_cache(maxsize=1)
def child_class() -> Any:
    """`subprocess.Popen` that is there when its child ends: with a timeout it sleeps a millisecond first."""
    import subprocess

    class Child(subprocess.Popen):  # type: ignore[type-arg]  # Python 3.6 has none
        def wait(self, timeout: Optional[float] = None) -> int:
            for pause in () if timeout is None else FIRST_WAITS:
                if self.poll() is not None:
                    break
                time.sleep(pause)
            return super().wait(timeout)

    return Child


class Program:
    """A program in a session of its own: it ends with all that it started, in the time it was given.

    With `detached`, one that is left early (by Ctrl-C) goes on by itself.
    """

    def __init__(self, argv: List[str], timeout: float, detached: bool = False) -> None:
        self.argv = argv
        self.timeout = timeout
        self.detached = detached

    def run(self, data: Optional[bytes] = None, **options: Any) -> Tuple[int, bytes, bytes]:
        """Its exit status and output. Raises `AgentError` "timeout", and OSError where it cannot start."""
        import subprocess

        options.setdefault("stderr", subprocess.PIPE)
        source = subprocess.DEVNULL if data is None else subprocess.PIPE
        self.process: Any = child_class()(
            self.argv, stdin=source, stdout=subprocess.PIPE, start_new_session=True, **options
        )
        try:
            out, err = self.process.communicate(data, timeout=self.timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            what = "{} was not done after {:.0f} s".format(self.argv[0], self.timeout)
            raise AgentError("timeout", what) from None
        except BaseException:
            if self.detached:
                self._wait(5)
            else:
                self.kill()
            raise
        return self.process.returncode, out, err or b""

    def kill(self) -> None:
        """End it and what it started; what took itself out of the session is not waited for."""
        import signal

        with contextlib.suppress(ProcessLookupError, PermissionError):  # it has ended
            os.killpg(self.process.pid, signal.SIGKILL)
        self._wait(5)

    def _wait(self, seconds: float) -> None:
        import subprocess

        with contextlib.suppress(subprocess.TimeoutExpired):  # a file server hangs: when it is back
            self.process.wait(seconds)
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            if pipe is not None:
                pipe.close()


class SlurmCommands:
    """Slurm through its own commands. Nothing passes a shell: every command is an argument list.

    `latest_job` and `look_again` say how long an sbatch without an answer may still make a job, and
    when to look for it: a scheduler that knows its tokens by heart needs neither.
    """

    latest_job: float = LATEST_JOB

    def __init__(self) -> None:
        self.accounting: bool = True
        self.look_again: Tuple[float, ...] = LOOK_AGAIN

    def run(
        self,
        argv: List[str],
        cwd: Optional[str] = None,
        locks: Tuple[int, ...] = (),
        timeout: Optional[float] = None,
    ) -> Tuple[int, str, str]:
        timeout = COMMAND_TIMEOUT if timeout is None else timeout
        environment = scrubbed_environment()
        environment["SLURM_TIME_FORMAT"] = "%s"
        environment["SLURM_BITSTR_LEN"] = "0"  # name every task of an array
        program = Program(argv, timeout, detached=bool(locks))
        try:
            code, out, err = program.run(cwd=cwd, env=environment, pass_fds=locks)
        except FileNotFoundError:
            if cwd is not None and not os.path.isdir(cwd):
                raise AgentError("scheduler", cwd + " was removed") from None
            raise AgentError(
                "scheduler",
                "{} is not on the PATH here: is this a Slurm login node?".format(argv[0]),
            ) from None
        except AgentError:
            what = "{} gave no answer in {:.0f} s".format(argv[0], timeout)
            raise AgentError("unreachable", what) from None
        except OSError as error:
            raise AgentError(
                "scheduler", "cannot run {}: {}".format(argv[0], error.strerror)
            ) from None
        return code, out.decode("utf-8", "replace"), err.decode("utf-8", "replace")

    def submit(
        self,
        script: str,
        cwd: str,
        options: Dict[str, str],
        submit_options: Dict[str, str],
        token: str,
        orchestrator: bool,
    ) -> str:
        # Should this process be killed now, sbatch goes on: whoever asks for the same token next must
        # wait for it, and so it holds the lock too.
        locks = tuple(Locked.handles())
        code, out, err = self.run(sbatch_argv(script, submit_options), cwd, locks)
        # --parsable prints "id" or "id;cluster", after whatever a site's wrapper prints first.
        job_id = (out.split() or [""])[-1].split(";")[0]
        if code == 0 and job_id.isdigit():
            return job_id
        message = err.strip() or out.strip() or "sbatch exited with {}".format(code)
        outcome = "unanswered" if job_id.isdigit() else outcome_of_sbatch(code, message)
        raise AgentError(outcome, message)

    def find_submission(self, token: str, script: str, asked_at: float) -> Optional[str]:
        """The job that an earlier sbatch made, or None where Slurm knows none; `AgentError` if it does not say.

        It is known by the token in its comment, and by its script, which no other job has: sites may
        write comments of their own, and accounting may keep none.
        """
        user = pwd.getpwuid(os.getuid()).pw_name
        fields = SQUEUE_FIELDS + "|%o"
        code, out, err = self.run(["squeue", "-h", "-u", user, "-t", "all", "-o", fields])
        if code != 0:
            raise AgentError("unreachable", err.strip() or "squeue exited with {}".format(code))
        found = find_mark(out, token, script)
        if found is not None or not self.accounting:
            return found
        days = int(max(0.0, time.time() - asked_at) // 86400) + 2  # clocks differ
        return self._find_in_accounts(token, script, "now-{}days".format(days))

    def _find_in_accounts(self, token: str, script: str, since: str) -> Optional[str]:
        # Comments are kept only with AccountingStoreFlags=job_comment. 20.11 has no SubmitLine.
        arguments = ["-n", "-P", "-X", "-S", since, "-o"]
        code, out, err = self._sacct([*arguments, "JobID,SubmitLine,Comment"])
        if code != 0 and "invalid field" in err.lower():
            code, out, err = self._sacct([*arguments, "JobID,Comment"])
        if code == 0:
            return find_mark(out, token, script)
        if self._accounting_is_off(err):
            return None
        raise AgentError("unreachable", err.strip() or "sacct exited with {}".format(code))

    def query(self, job_ids: List[str]) -> List[Dict[str, Any]]:
        wanted = set(job_ids)
        rows = _of(wanted, self._squeue())
        self._add_exit_codes(rows)
        left = sorted(wanted - {row["job_id"] for row in rows})
        if left and self.accounting:
            rows += self._accounts_of(left)
        return rows

    def _accounts_of(self, job_ids: List[str]) -> List[Dict[str, Any]]:
        """What accounting says of jobs that are not in the queue; UNKNOWN while it says nothing."""
        jobs = sorted({job_id.split("_")[0] for job_id in job_ids})
        rows = []  # type: List[Dict[str, Any]]
        for start in range(0, len(jobs), MOST_IDS_IN_ARGUMENT):
            some = ",".join(jobs[start : start + MOST_IDS_IN_ARGUMENT])
            code, out, err = self._sacct(["-n", "-P", "-X", "-j", some, "-o", SACCT_FIELDS])
            if code != 0:
                off = self._accounting_is_off(err)
                # If it is only away now, it will know them when it is back.
                unknown = {"state": "UNKNOWN", "source": "sacct"}
                return [] if off else [dict(unknown, job_id=job_id) for job_id in job_ids]
            rows += _of(set(job_ids), parse_sacct(out))
        return rows

    def _sacct(self, arguments: List[str]) -> Tuple[int, str, str]:
        """What ``sacct`` answers; a site without the program is one without accounting."""
        try:
            return self.run(["sacct", *arguments], timeout=SACCT_TIMEOUT)
        except AgentError as error:
            self.accounting = self.accounting and error.kind == "unreachable"
            return 1, "", str(error)

    def _add_exit_codes(self, rows: List[Dict[str, Any]]) -> None:
        """squeue does not say with which exit code a job failed, and accounting may say it late."""
        failed = [row for row in rows if row["state"] in ENDED_BADLY]
        for row in failed[:MOST_EXIT_CODES]:
            try:
                code, out, _ = self.run(["scontrol", "-o", "show", "job", row["job_id"]])
            except AgentError:  # a detail, which must not hide what squeue said
                return
            found = re.search(r"\bExitCode=(\d+:\d+)", out)
            if code == 0 and found:
                row["exit_code"] = found.group(1)

    def usage(self, job_ids: List[str]) -> List[Dict[str, str]]:
        """What is on record of these jobs, by ``sacct``'s field names, their steps included.

        Where there are no accounts, or they do not answer, what the controller still knows: a row
        for each job, be it an empty one.
        """
        if self.accounting:
            argv = ["sacct", "-P", "-j", ",".join(job_ids), "-o", USAGE_FIELDS]
            code, out, err = self._detail(argv)
            if code == 0:
                return _rows_of(job_ids, parse_table(out), "sacct")
            self._accounting_is_off(err)
        user = pwd.getpwuid(os.getuid()).pw_name
        fields = "|".join(field for _, field in SQUEUE_USAGE)
        argv = ["squeue", "-h", "-u", user, "-t", "all", "-o", fields]
        code, out, err = self._detail(argv)
        names = "|".join(name for name, _ in SQUEUE_USAGE)
        rows = _rows_of(job_ids, parse_table(names + "\n" + out), "squeue") if code == 0 else []
        known = {row["JobID"] for row in rows}
        return rows + [{"JobID": job_id} for job_id in job_ids if job_id not in known]

    def _detail(self, argv: List[str]) -> Tuple[int, str, str]:
        """What a command says that may as well say nothing."""
        try:
            return self.run(argv, timeout=USAGE_TIMEOUT)
        except (AgentError, OSError) as error:
            return 1, "", str(error)

    def queue(self) -> List[Dict[str, Any]]:
        return self._squeue("PD,R,CG,CF,S,RQ")

    def cancel(self, job_ids: List[str]) -> None:
        code, _, err = self.run(["scancel", "--", *collapse_job_ids(job_ids)])
        if code != 0 and "Invalid job id" not in err:
            raise AgentError("scheduler", err.strip() or "scancel exited with {}".format(code))

    def requeue(self, job_id: str) -> None:
        """Put a job that has started back into the queue; it is ended where it runs."""
        code, out, err = self.run(["scontrol", "requeue", job_id])
        if code != 0:
            message = err.strip() or out.strip() or "scontrol exited with {}".format(code)
            lost = any(words in message.lower() for words in LOST_ANSWERS)
            raise AgentError("unreachable" if lost else "refused", message)

    def limits(self) -> Dict[str, int]:
        """What bounds a submission: ``max_array_size``, above any index of an array's task."""
        code, out, err = self.run(["scontrol", "show", "config"])
        if code != 0:
            raise AgentError("unreachable", err.strip() or "scontrol exited with {}".format(code))
        found = re.search(r"^MaxArraySize\s*=\s*(\d+)", out, re.MULTILINE)
        return {"max_array_size": int(found.group(1)) if found else DEFAULT_ARRAY_SIZE}

    def info(self) -> Dict[str, Any]:
        code, out, err = self.run(["sinfo", "-h", "-o", "%P|%a|%l|%D|%T|%G"])
        if code != 0:
            raise AgentError("unreachable", err.strip())
        partitions = []
        for line in out.splitlines():
            fields = line.split("|", 5)
            if len(fields) != 6 or not fields[3].isdigit():
                continue  # what a site prints before
            name, available, limit, nodes, state, gres = fields
            partitions.append(
                {
                    "partition": name.rstrip("*"),
                    "default": name.endswith("*"),
                    "available": available,
                    "time_limit": limit,
                    "nodes": int(nodes),
                    "state": state,
                    "gres": gres,
                }
            )
        return {"partitions": partitions}

    def _squeue(self, states: str = "all") -> List[Dict[str, Any]]:
        user = pwd.getpwuid(os.getuid()).pw_name
        code, out, err = self.run(["squeue", "-h", "-u", user, "-t", states, "-o", SQUEUE_FIELDS])
        if code != 0:
            raise AgentError("unreachable", err.strip() or "squeue exited with {}".format(code))
        return parse_squeue(out)

    def _accounting_is_off(self, stderr: str) -> bool:
        """Whether this site has no accounting; remembered, so that nobody asks again."""
        if "accounting storage is disabled" in stderr.lower():
            self.accounting = False
        return not self.accounting


def _of(wanted: Set[str], rows: List[Dict[str, Any]]) -> List[Dict[str, Any]]:
    """The rows of the jobs that are wanted, one each."""
    return [
        dict(row, job_id=job_id)
        for row in rows
        for job_id in expand_job_id(row["job_id"])
        if job_id in wanted
    ]


def _rows_of(job_ids: List[str], rows: List[Dict[str, str]], source: str) -> List[Dict[str, str]]:
    """The rows of these jobs and of their steps, with where they are from."""
    wanted = set(job_ids)
    found = []
    for row in rows:
        job_id, dot, step = row["JobID"].partition(".")
        found += [
            dict(row, JobID=one + dot + step, Source=source)
            for one in expand_job_id(job_id)
            if one in wanted
        ]
    return found


# --- one submission, at most once ----------------------------------------------------------------


class Submission:
    """What turns one request into one job, however often it is asked for, and whatever died meanwhile.

    The receipt is written before the scheduler is asked and completed after all else has been noted:
    a complete one is the answer. With an incomplete one somebody was cut off in between; then the
    job is looked for, and the scheduler asked again only when it can not have made one.
    """

    def __init__(self, scheduler: Any, receipts: str, request: Dict[str, Any]) -> None:
        self.scheduler = scheduler
        self.receipts = receipts
        self.request = request
        self.token: str = request["token"]
        self.receipt: str = os.path.join(receipts, self.token + ".json")

    def make(self, prepare: Callable[[], None], silent: str = "") -> Dict[str, Any]:
        """The receipt of the job, which is submitted if that has not been done.

        `prepare` writes its files. `silent` says that the scheduler does not answer, and why: then it
        is not asked. Raises `AgentError`, "unknown" where there may be a job; OSError where there is none.
        """
        with self._turn():
            known = self._known()
            if known is None:
                known = self._intend(prepare, silent)
            elif known["job_id"] is None:
                found = self._look(known, silent)
                known = dict(known, job_id=found) if found else self._again(known, prepare)
            if known["job_id"] is None:
                known["job_id"] = self._ask_scheduler(known)
                self._note(known)
            return known

    def locate(self) -> Optional[str]:
        """The id of the job if it was submitted, None if it was not. Raises `AgentError` "unknown"."""
        with self._turn():
            known = self._known()
            if known is not None and known["job_id"] is None:
                known["job_id"] = self._look(known, "")
            return None if known is None else known["job_id"]

    def _turn(self) -> Any:
        """The right to ask for this job; whoever waits for it in vain does not know what the other did."""
        lock = os.path.join(self.receipts, ".lock-" + self.token[-3:])
        return Turn(lock, SUBMISSION_TURN)

    def _known(self) -> Optional[Dict[str, Any]]:
        try:
            return read_json(self.receipt)
        except ValueError:
            message = "{} cannot be read: remove it if there is no such job".format(self.receipt)
            raise AgentError("unknown", message) from None
        except OSError as error:
            message = "{} cannot be read: {}".format(self.receipt, error.strerror)
            raise AgentError("unknown", message) from None

    def _intend(self, prepare: Callable[[], None], silent: str) -> Dict[str, Any]:
        """The receipt of a submission that nobody has begun; from here on its directory is the job's."""
        if silent:
            message = "it was not submitted, after the scheduler gave no answer: " + silent
            raise AgentError("unreachable", message)
        known = self._receipt(self.request["job_dir"])
        try:
            prepare()
            created = create_json(self.receipt, known)
        except OSError:  # the disk is full, say: nobody has been asked, and nothing is to be left
            with contextlib.suppress(OSError):
                self._withdraw(known["job_dir"])
            raise
        if not created:  # the lock does not hold between two login nodes
            raise AgentError("unknown", "it is being submitted on another machine right now")
        return known

    def _receipt(self, job_dir: str) -> Dict[str, Any]:
        return {"job_dir": job_dir, "job_id": None, "asked_at": time.time()}

    def _look(self, known: Dict[str, Any], silent: str = "") -> Optional[str]:
        """The job of an earlier attempt, noted; None if there is none and can be none any more."""
        try:
            job_id = self._trace(known["job_dir"]) or self._found(known, silent)
        except OSError as error:
            message = "an earlier attempt may have submitted it: {}: {}"
            raise AgentError("unknown", message.format(error.strerror, error.filename)) from None
        if job_id is not None:
            self._note(dict(known, job_id=job_id))
        return job_id

    def _trace(self, job_dir: str) -> Optional[str]:
        """The id that the job itself has left in its directory, or the agent that was cut off."""
        try:
            metadata = read_json(os.path.join(job_dir, self.request["metadata"])) or {}
            if metadata.get(self.request["id_key"]):
                return str(metadata[self.request["id_key"]])
            names = os.listdir(job_dir)
        except (FileNotFoundError, ValueError):
            return None
        started = [re.match(r"slurm_(\d+)\.(?:out|err)$", name) for name in names]
        return next((match.group(1) for match in started if match), None)

    def _found(self, known: Dict[str, Any], silent: str) -> Optional[str]:
        asked_at = float(known.get("asked_at") or os.stat(self.receipt).st_mtime)
        job_id = None
        if not silent:
            try:
                job_id = self._find(known["job_dir"], asked_at)
            except AgentError as error:
                silent = str(error)
        if silent:
            message = "an earlier attempt may have submitted it, and the scheduler does not tell: "
            raise AgentError("unknown", message + silent)
        left = asked_at + self.scheduler.latest_job - time.time()
        if job_id is None and left > 0:
            message = (
                "an earlier attempt was cut off while it asked the scheduler, which knows no job of "
                "it yet; it may for {:.0f} s more".format(left)
            )
            raise AgentError("unknown", message)
        return job_id

    def _find(self, job_dir: str, asked_at: float) -> Optional[str]:
        script = os.path.join(job_dir, self.request["script"])
        found = self.scheduler.find_submission(self.token, script, asked_at)
        return None if found is None else str(found)

    def _again(self, known: Dict[str, Any], prepare: Callable[[], None]) -> Dict[str, Any]:
        """The receipt for a new attempt: in the directory that is there, if it still is."""
        job_dir = known["job_dir"]
        if not os.path.exists(os.path.join(job_dir, self.request["script"])):
            prepare()
            job_dir = self.request["job_dir"]
        known = self._receipt(job_dir)
        _write_json(self.receipt, known)
        return known

    def _ask_scheduler(self, known: Dict[str, Any]) -> str:
        pauses = iter(self.scheduler.look_again)
        while True:
            try:
                return self._ask(known["job_dir"])
            except AgentError as error:
                pause = next(pauses, None) if error.kind == "unsent" else None
                if error.kind == "unanswered":
                    return self._reconcile(known, error)
                if pause is None:
                    with contextlib.suppress(
                        OSError
                    ):  # what is left makes the next one look for it
                        os.unlink(
                            self.receipt
                        )  # first: without its directory it would lead nowhere
                        self._withdraw(known["job_dir"])
                    kind = "unreachable" if error.kind == "unsent" else error.kind
                    raise AgentError(kind, str(error)) from None
                time.sleep(pause)  # the controller is being restarted, perhaps

    def _ask(self, job_dir: str) -> str:
        request = self.request
        try:
            return str(
                self.scheduler.submit(
                    script=os.path.join(job_dir, request["script"]),
                    cwd=job_dir,
                    options=request["options"],
                    submit_options=request["submit_options"],
                    token=request["token"],
                    orchestrator=request["orchestrator"],
                )
            )
        except AgentError as error:
            sure = error.kind in ("refused", "scheduler", "unsent")
            raise AgentError(error.kind if sure else "unanswered", str(error)) from None

    def _reconcile(self, known: Dict[str, Any], error: AgentError) -> str:
        """After a lost answer: the job, as soon as the scheduler knows it by its token."""
        deadline = time.monotonic() + LOOK_TIMEOUT
        for pause in (0.0, *self.scheduler.look_again):
            if time.monotonic() + pause > deadline:
                break
            time.sleep(pause)
            try:
                job_id = self._trace(known["job_dir"]) or self._find(
                    known["job_dir"], known["asked_at"]
                )
            except (AgentError, OSError):
                continue
            if job_id is not None:
                return job_id
        raise AgentError("unknown", str(error))

    def _withdraw(self, job_dir: str) -> None:
        """Leave nothing of a request that was refused; a directory it shares stays to the others."""
        if not self.request["continues"]:
            remove(job_dir)
            return
        for name in [*self.request["files"], *self.request["staged"]]:
            remove(os.path.join(job_dir, name))

    def _note(self, known: Dict[str, Any]) -> None:
        """Write down which job it became. There is one by now: a full disk must not hide its id.

        The receipt comes last: as long as it is incomplete, whoever asks again notes the rest. A crash
        of the machine may take all three; then the intent, which was forced to the disk, has the job
        looked for, and a receipt of which nothing can be read has nobody submit again.
        """
        place = {"job_dir": known["job_dir"], "token": self.token}
        metadata = os.path.join(known["job_dir"], self.request["metadata"])
        of_job = os.path.join(self.receipts, "job-{}.json".format(known["job_id"]))
        try:
            update_json(metadata, {self.request["id_key"]: known["job_id"]}, sync=False)
            _write_json(of_job, place, sync=False)
            _write_json(self.receipt, known, sync=False)
        except (OSError, ValueError) as error:
            sys.stderr.write("slurm-sdk: job {}: {}\n".format(known["job_id"], error))


class Turn(Locked):
    """A lock on a submission. Raises `AgentError` "unknown" when another holds it for too long."""

    def __enter__(self) -> "Turn":
        try:
            super().__enter__()
        except TimeoutError:
            message = "another submission of this job has not ended after {:.0f} s"
            raise AgentError("unknown", message.format(SUBMISSION_TURN)) from None
        return self


def chains_of(requests: List[Any]) -> List[List[Any]]:
    """Requests, each with those that continue it."""
    chains = []  # type: List[List[Any]]
    for request in requests:
        if request["continues"]:
            chains[-1].append(request)
        else:
            chains.append([request])
    return chains


class Order:
    """Several submissions at once: most of the time of one is that of its ``sbatch``, not the controller's.

    `silent` becomes the words of a scheduler that does not answer; nothing more is asked of it then.
    """

    def __init__(self, submit: Callable[["Order", List[Any]], List[Dict[str, Any]]]) -> None:
        self.submit = submit
        self.silent: str = ""
        self.taking: threading.Lock = threading.Lock()

    def fill(self, chains: List[List[Any]]) -> List[Dict[str, Any]]:
        """The answers to all requests, in their order."""
        answers = [[] for _ in chains]  # type: List[List[Dict[str, Any]]]
        left = iter(range(len(chains)))
        self._work(
            itertools.islice(left, 1), chains, answers
        )  # it tells whether the scheduler answers
        # Whoever asked is not there to hear of it, but each submission is brought to its end.
        clerks = [
            threading.Thread(target=self._work, args=(left, chains, answers))
            for _ in range(min(MOST_SBATCH, len(chains) - 1) - 1)
        ]
        for clerk in clerks:
            clerk.start()
        self._work(left, chains, answers)
        for clerk in clerks:
            clerk.join()
        return [answer for chain in answers for answer in chain]

    def _work(
        self, left: Iterator[int], chains: List[List[Any]], answers: List[List[Dict[str, Any]]]
    ) -> None:
        while True:
            with self.taking:
                number = next(left, None)
            if number is None:
                return
            try:
                answers[number] = self.submit(self, chains[number])
            except Exception as error:  # noqa: BLE001 - a dead thread would leave no answer
                said = "{}: {}".format(type(error).__name__, error)
                answers[number] = [{"error": said, "kind": "unknown"} for _ in chains[number]]


# --- the agent -----------------------------------------------------------------------------------


class Agent:
    """Answers requests: `call("read", {"path": ...})` runs `op_read`. Paths may start with ``~``."""

    def __init__(self, scheduler: Any = None) -> None:
        self.scheduler: Any = SlurmCommands() if scheduler is None else scheduler
        self.programs: Set[Program] = set()  # that run for a client

    def call(self, op: str, params: Dict[str, Any], blob: bytes = b"") -> Tuple[Any, bytes]:
        handler = getattr(self, "op_" + op, None)
        if handler is None:
            raise AgentError("protocol", "this agent knows no request " + repr(op))
        try:
            result, out = handler(blob=blob, **params)
        except OSError as error:
            raise as_agent_error(error) from None
        return result, out

    # Who am I talking to

    def op_hello(self, blob: bytes) -> Tuple[Any, bytes]:
        home = os.path.expanduser("~")
        return {
            "protocol": PROTOCOL,
            "python": list(sys.version_info[:3]),
            "executable": sys.executable,
            "home": home,
            "user": pwd.getpwuid(os.getuid()).pw_name,
        }, b""

    def op_ping(self, blob: bytes) -> Tuple[Any, bytes]:
        return None, b""

    # Submission

    def op_install(self, blob: bytes, directory: str) -> Tuple[Any, bytes]:
        """Unpack the zip archive in `blob` to `directory`, which appears whole or not at all."""
        import compileall
        import shutil
        import zipfile

        directory = os.path.expanduser(directory)
        parent = os.path.dirname(directory)
        make_private_directory(parent)
        require_own_directory(parent)
        staging = os.path.join(parent, ".new-" + unique_name())
        os.mkdir(staging, 0o700)
        with zipfile.ZipFile(io.BytesIO(blob)) as archive:
            archive.extractall(staging)
        # Jobs of this Python start twice as fast; those of another compile for themselves.
        compileall.compile_dir(staging, quiet=2)
        try:
            os.rename(staging, directory)
        except OSError:  # somebody else was quicker, with the same content
            shutil.rmtree(staging)
            if not os.path.isdir(directory):
                raise
        return None, b""

    def op_submit(
        self, blob: bytes, base: str, needs: str, events: str, requests: List[Any]
    ) -> Tuple[Any, bytes]:
        """Write each request's files and submit it, at most once per token.

        Makes the directory `events`, in which the runners tell that they have finished. Answers
        ``{"needs": path}`` and does nothing when the directory `needs` is not there, and
        ``{"unstaged": [path]}`` when large files are not (see `op_stage`). When the scheduler does
        not answer for one, it is not asked for those after it.
        """
        receipts = os.path.join(base, RECEIPTS)
        if not os.path.isdir(base):
            make_private_directory(base)
        require_own_base(base)
        if not os.path.isdir(events):
            _remove_abandoned(os.path.join(base, EVENTS))
        for directory in (events, receipts):
            make_private_directory(directory)
        if needs and not os.path.isdir(needs):
            make_private_directory(os.path.dirname(needs))
            return {"needs": needs}, b""
        trusted = [receipts, events, os.path.dirname(events)]
        for directory in trusted + ([needs, os.path.dirname(needs)] if needs else []):
            require_own_directory(directory)
        unstaged = _unstaged(receipts, requests)
        if unstaged:
            return {"unstaged": unstaged}, b""
        order = Order(functools.partial(self._submit_chain, receipts, blob))
        return {"jobs": order.fill(chains_of(requests))}, b""

    def _submit_chain(
        self, receipts: str, blob: bytes, order: "Order", chain: List[Any]
    ) -> List[Dict[str, Any]]:
        """Submit a request and those that continue it, one after the other."""
        answers = []  # type: List[Dict[str, Any]]
        for request in chain:
            if answers:
                answer = self._continue(receipts, request, blob, answers[-1], order.silent)
            else:
                answer = self._submit_one(receipts, request, blob, order.silent)
            if answer.get("kind") in ("unknown", "unreachable"):
                order.silent = order.silent or answer["error"]
            answers.append(answer)
        return answers

    def _continue(
        self,
        receipts: str,
        request: Dict[str, Any],
        blob: bytes,
        before: Dict[str, Any],
        silent: str,
    ) -> Dict[str, Any]:
        """Submit a request that shares its directory with the one before, which must have worked."""
        if "error" in before:
            return before
        if request["after_previous"]:
            options = request["submit_options"]
            wanted = [options.get("dependency", ""), "afterany:" + before["job_id"]]
            options["dependency"] = ",".join(part for part in wanted if part)
        request = dict(request, job_dir=before["job_dir"])
        return self._submit_one(receipts, request, blob, silent)

    def _submit_one(
        self, receipts: str, request: Dict[str, Any], blob: bytes, silent: str
    ) -> Dict[str, Any]:
        submission = Submission(self.scheduler, receipts, request)
        try:
            known = submission.make(functools.partial(self._prepare, request, blob), silent)
        except AgentError as error:
            return {"error": str(error), "kind": error.kind}
        except OSError as error:
            reason = "nothing was submitted: {}: {}".format(error.strerror, error.filename)
            return {"error": reason, "kind": "file"}
        own = known["job_dir"] == request["job_dir"]
        return dict(known, reattached=not own)

    def _prepare(self, request: Dict[str, Any], blob: bytes) -> None:
        make_private_directory(request["job_dir"])
        require_own_directory(os.path.dirname(request["job_dir"]))
        for name in request["directories"]:
            make_private_directory(os.path.join(request["job_dir"], name))
        for name, (offset, length) in request["files"].items():
            path = os.path.join(request["job_dir"], name)
            # The scheduler keeps the script, and the job writes the metadata anew.
            sync = name not in (request["script"], request["metadata"])
            write_atomic(path, blob[offset : offset + length], sync=sync)
        for name, staged in request["staged"].items():
            _adopt(staged, os.path.join(request["job_dir"], name))

    def op_locate(self, blob: bytes, request: Dict[str, Any]) -> Tuple[Any, bytes]:
        """The id of the job that a submission became whose answer was lost; None if there is none.

        Raises `AgentError` "unknown" where nobody can tell yet.
        """
        folder = request["job_dir"]
        while not os.path.isdir(os.path.join(folder, RECEIPTS)):
            if folder == os.path.dirname(folder):
                return None, b""
            folder = os.path.dirname(folder)
        receipts = os.path.join(folder, RECEIPTS)
        return Submission(self.scheduler, receipts, request).locate(), b""

    def op_limits(self, blob: bytes) -> Tuple[Any, bytes]:
        return self.scheduler.limits(), b""

    # Observation

    def op_query(self, blob: bytes, job_ids: List[str]) -> Tuple[Any, bytes]:
        return self.scheduler.query(job_ids), b""

    def op_usage(self, blob: bytes, job_ids: List[str]) -> Tuple[Any, bytes]:
        return self.scheduler.usage(job_ids), b""

    def op_queue(self, blob: bytes) -> Tuple[Any, bytes]:
        return self.scheduler.queue(), b""

    def op_info(self, blob: bytes) -> Tuple[Any, bytes]:
        return self.scheduler.info(), b""

    def op_cancel(self, blob: bytes, job_ids: List[str]) -> Tuple[Any, bytes]:
        self.scheduler.cancel(job_ids)
        return None, b""

    def op_events(
        self, blob: bytes, directory: str, seen: List[str], timeout: float, every: float
    ) -> Tuple[Any, bytes]:
        """The names in the event directory, as soon as there is one, else none after `timeout` s.

        And what these files hold, as far as it fits into an answer. Looks `every` so many seconds.
        An event stays until the client says it has `seen` it: an answer that is lost loses nothing.
        """
        for name in seen:
            self.op_remove(b"", os.path.join(directory, os.path.basename(name)))
        deadline = time.monotonic() + timeout
        while True:
            names = sorted(name for name in os.listdir(directory) if name[0] != ".")
            if names or time.monotonic() >= deadline:
                break
            time.sleep(every)
        room = MOST_NEWS
        news = []  # type: List[bytes]
        for name in names:
            content = _beginning(os.path.join(directory, name), LARGEST_NEWS + 1)
            room -= len(content)
            news.append(content if len(content) <= min(LARGEST_NEWS, room) else b"")
        return [names, [len(content) for content in news]], b"".join(news)

    # Programs

    def op_run(self, blob: bytes, argv: List[str], timeout: float) -> Tuple[Any, bytes]:
        """Run a program here with `blob` as its input; its exit status, and the end of what it printed."""
        import subprocess

        program = Program(argv, timeout)
        self.programs.add(program)
        try:
            # In a directory from which nothing of the user's is imported by chance.
            options = {"cwd": os.sep, "env": scrubbed_environment(), "stderr": subprocess.STDOUT}
            code, output, _ = program.run(blob, **options)
        finally:
            self.programs.discard(program)
        return code, output[-OUTPUT_KEPT:]

    # Files

    def op_read(self, blob: bytes, path: str, offset: int = 0, size: int = -1) -> Tuple[Any, bytes]:
        """`size` bytes of a file, or the rest; and how long the whole is, and which file it was."""
        with open(os.path.expanduser(path), "rb") as file:
            found = os.fstat(file.fileno())
            if offset:  # a pipe has none
                file.seek(offset)
            about = {"size": found.st_size, "inode": found.st_ino, "mtime": found.st_mtime_ns}
            return about, file.read(size)

    def op_read_many(
        self, blob: bytes, paths: List[str], most: int, largest: int
    ) -> Tuple[Any, bytes]:
        """The first of these files that fit into `most` bytes, at least one; their lengths, None for one not there.

        One of more than `largest` bytes is `UNSENT`.
        """
        lengths = []  # type: List[Optional[int]]
        parts = []  # type: List[bytes]
        for path in paths:
            try:
                with open(os.path.expanduser(path), "rb") as file:
                    size = os.fstat(file.fileno()).st_size
                    if size > largest:
                        lengths.append(UNSENT)
                        continue
                    if parts and sum(map(len, parts)) + size > most:
                        break
                    parts.append(file.read())
                    lengths.append(len(parts[-1]))
            except FileNotFoundError:
                lengths.append(None)
        return lengths, b"".join(parts)

    def op_tail(self, blob: bytes, path: str, size: int) -> Tuple[Any, bytes]:
        with open(os.path.expanduser(path), "rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - size))
            return None, file.read(size)

    def op_write(
        self, blob: bytes, path: str, exclusive: bool, claim: str = ""
    ) -> Tuple[Any, bytes]:
        """Write a file; with `exclusive` only where there is none. Answers whether it was written.

        A `claim` lets the request be repeated: it is a name beside `path` that stays as proof that the
        file is this request's, until who asked removes it.
        """
        path = os.path.expanduser(path)
        make_private_directory(os.path.dirname(path))
        if not exclusive:
            write_atomic(path, blob)
            return True, b""
        if not claim:
            return create_exclusive(path, blob), b""
        proof = os.path.join(os.path.dirname(path), claim)
        create_exclusive(proof, blob)
        try:
            os.link(proof, path)
        except FileExistsError:
            if not os.path.samefile(proof, path):
                os.unlink(proof)
                return False, b""
        except OSError as error:
            if error.errno not in NO_LINKS:
                raise
            return _create_in_place(path, blob), b""
        return True, b""

    def op_stage(self, blob: bytes, path: str, size: int) -> Tuple[Any, bytes]:
        """Make ready for a large file that a job will need, by a name of no other content.

        Answers whether it is there, and if not, where to put it in pieces, and how long what is there
        already is. `op_staged` names it; from then on it stays until nobody has used it for a day.
        """
        folder = os.path.dirname(path)
        make_private_directory(folder)
        require_own_directory(folder)
        _remove_old(folder)
        if _is_there(path):
            return {"whole": True}, b""
        part = path + ".part"
        handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, "wb") as file:
            there = os.fstat(file.fileno()).st_size
        return {"whole": False, "part": part, "there": min(there, size)}, b""

    def op_put(self, blob: bytes, path: str, offset: int) -> Tuple[Any, bytes]:
        """Write the blob into a file that is there; again is no harm."""
        with open(path, "r+b") as file:
            file.seek(offset)
            file.write(blob)
        return None, b""

    def op_staged(self, blob: bytes, path: str, sha256: str, timeout: float) -> Tuple[Any, bytes]:
        """Whether the file has arrived as it was sent; one that has not is removed.

        It is read once for that, which may take the client's `timeout`.
        """
        import hashlib

        if _is_there(path):  # another client was quicker
            return True, b""
        part = path + ".part"
        checksum = hashlib.sha256()
        with open(part, "rb") as file:
            os.fsync(file.fileno())
            for piece in iter(lambda: file.read(COPY_CHUNK), b""):
                checksum.update(piece)
            right = checksum.hexdigest() == sha256
        if right:
            os.rename(part, path)
        else:
            os.unlink(part)
        return right, b""

    def op_assemble(self, blob: bytes, path: str, parts: List[Any]) -> Tuple[Any, bytes]:
        """Write a file out of pieces: ``[offset, length]`` of `blob`, ``[path, offset, length]`` of a file."""
        path = os.path.expanduser(path)
        make_private_directory(os.path.dirname(path))
        with replacing(path) as target:
            for part in parts:
                if len(part) == 2:
                    target.write(blob[part[0] : part[0] + part[1]])
                else:
                    _copy_part(target, *part)
        return None, b""

    def op_listdir(self, blob: bytes, path: str) -> Tuple[Any, bytes]:
        return sorted(os.listdir(os.path.expanduser(path))), b""

    def op_collect(self, blob: bytes, path: str, most: int) -> Tuple[Any, bytes]:
        """The metadata files of the jobs in and under `path`, having looked into `most` directories at most.

        Answers where each is below `path`, and its place in the blob; and the time here.
        """
        path = os.path.expanduser(path)
        os.listdir(
            path
        )  # what is not there, or is a file, is an error; further down it is passed over
        files = []  # type: List[Any]
        parts = []  # type: List[bytes]
        offset = looked = 0
        for looked, (name, contents) in enumerate(_job_directories(path), 1):
            for kind, content in contents.items():
                files.append([os.path.join(name, kind), offset, len(content)])
                parts.append(content)
                offset += len(content)
            if looked == most:
                break
        answer = {"path": os.path.abspath(path), "files": files, "now": time.time()}
        return dict(answer, complete=looked < most), b"".join(parts)

    def op_note_ends(self, blob: bytes, ends: List[Dict[str, Any]]) -> Tuple[Any, bytes]:
        """Note in the metadata files at `path` how jobs ended that could not say so themselves.

        What a job has said of itself stays. For an array's file, whose items have files of their own,
        the note is added to a list. A file that is gone, or is no JSON, is passed over.
        """
        for end in ends:
            path = end.pop("path")
            folder, name = os.path.split(path)
            try:
                with Locked(os.path.join(folder, "." + name + ".lock")):
                    content = read_json(path) or {}
                    if _add_end(content, end):
                        _write_json(path, content)
            except (FileNotFoundError, ValueError):
                pass
        return None, b""

    def op_exists(self, blob: bytes, path: str) -> Tuple[Any, bytes]:
        return os.path.exists(os.path.expanduser(path)), b""

    def op_mkdir(self, blob: bytes, path: str) -> Tuple[Any, bytes]:
        path = os.path.expanduser(path)
        make_private_directory(path)
        if not os.access(path, os.W_OK | os.X_OK):
            raise AgentError("file", "Permission denied: {!r}".format(path))
        return path, b""

    def op_remove(self, blob: bytes, path: str) -> Tuple[Any, bytes]:
        remove(os.path.expanduser(path))
        return None, b""


def _unstaged(receipts: str, requests: List[Any]) -> List[str]:
    """The large files that new jobs need and that are not there."""
    wanted = set()  # type: Set[str]
    for request in requests:
        known = os.path.join(receipts, request["token"] + ".json")
        if request["staged"] and not os.path.exists(known):
            wanted.update(request["staged"].values())
    return sorted(path for path in wanted if not _is_there(path))


def _is_there(path: str) -> bool:
    """Whether there is such a file, which from now on is not old."""
    try:
        os.utime(path)
    except FileNotFoundError:
        return False
    return True


def _remove_abandoned(events: str) -> None:
    """Remove the event directories of clients that died long ago; one that lives can do without its own."""
    if os.path.isdir(events):
        require_own_directory(events)
        for entry in os.scandir(events):
            with contextlib.suppress(FileNotFoundError):
                if time.time() - entry.stat(follow_symlinks=False).st_mtime > EVENTS_KEPT:
                    remove(entry.path)


def _remove_old(folder: str) -> None:
    """Remove what dead clients have left, and what nobody has used for a day."""
    for entry in os.scandir(folder):
        with contextlib.suppress(FileNotFoundError):  # somebody else is doing the same
            if time.time() - entry.stat(follow_symlinks=False).st_mtime > STAGED_KEPT:
                os.unlink(entry.path)


def _adopt(staged: str, path: str) -> None:
    """Give a job its large file: another name for it, a copy where the file system has no such thing."""
    try:
        os.link(staged, path)
    except FileExistsError:  # of an earlier attempt at this submission
        pass
    except OSError as error:
        if error.errno not in NO_LINKS:
            raise
        with replacing(path) as target:
            _copy_part(target, staged, 0, os.path.getsize(staged))


def _copy_part(target: Any, path: str, offset: int, length: int) -> None:
    with open(os.path.expanduser(path), "rb") as source:
        source.seek(offset)
        while length:
            chunk = source.read(min(length, COPY_CHUNK))
            if not chunk:
                raise AgentError("file", "{} is shorter than it was".format(path))
            target.write(chunk)
            length -= len(chunk)


def _add_end(content: Dict[str, Any], end: Dict[str, Any]) -> bool:
    """Add to metadata how the job, or some items of the array, ended; returns whether that is news."""
    if "items" not in end:
        if content.get("status") not in UNDER_WAY:
            return False
        content.update(end)
        return True
    known = content.get("ended", [])
    if not content or any(dict(one, ended_at="") == dict(end, ended_at="") for one in known):
        return False
    content["ended"] = [*known, end]
    return True


def _job_directories(root: str) -> Iterator[Tuple[str, Dict[str, bytes]]]:
    """Every directory that is looked into, by its path below `root`, with the metadata files in it.

    Below a job that is its ``tasks`` alone, since the rest may be anybody's data; elsewhere two
    levels: the tasks in a `job_base_dir`, and the runs of each.
    """
    left = [("", 2)]
    while left:
        name, levels = left.pop()
        try:
            with os.scandir(os.path.join(root, name)) as entries:
                found = {entry.name: entry for entry in entries}
            contents = {
                kind: _beginning(found[kind].path)
                for kind in METADATA_FILES
                if kind in found and found[kind].is_file()
            }
        except OSError:  # removed meanwhile, or not ours to read
            contents, found = {}, {}
        yield name, contents
        below = [one for one in found if one == "tasks" or not (contents or one.startswith("."))]
        if contents:
            levels = 3
        for child in sorted(below, reverse=True) if levels else ():
            if found[child].is_dir(follow_symlinks=False):
                left.append((os.path.join(name, child), levels - 1))


def _beginning(path: str, size: int = LARGEST_METADATA) -> bytes:
    with open(path, "rb") as file:
        return file.read(size)


# --- framed requests over a pipe -----------------------------------------------------------------


def read_frame(stream: Any) -> Optional[Tuple[Any, Optional[bytes]]]:
    """The next ``(header, blob)``, or None at the end of the stream; no blob where there is no memory for it.

    Skips what a background job of a login's start-up file printed in between; raises ``ValueError``
    for more of that than anybody would print.
    """
    start = _read_exactly(stream, FRAME_START.size)
    skipped = 0
    while start is not None and not start.startswith(FRAME_MARK):
        more = _read_exactly(stream, 1)
        start = None if more is None else start[1:] + more
        skipped += 1
        if skipped > NOISE_LIMIT:
            raise ValueError("no frame in {} bytes".format(skipped))
    if start is None:
        return None
    _, header_length, blob_length = FRAME_START.unpack(start)
    header = _read_exactly(stream, header_length)
    if header is None:
        return None
    try:
        blob = _read_exactly(stream, blob_length)
    except MemoryError:
        if blob_length > LARGEST_FRAME:  # this is no frame
            raise
        for done in range(0, blob_length, SKIPPED_AT_ONCE):
            _read_exactly(stream, min(SKIPPED_AT_ONCE, blob_length - done))
        return json.loads(header.decode("utf-8")), None
    if blob is None:
        return None
    return json.loads(header.decode("utf-8")), blob


def write_frame(stream: Any, header: Any, blob: bytes) -> None:
    encoded = json.dumps(header).encode("utf-8")
    start = FRAME_START.pack(FRAME_MARK, len(encoded), len(blob)) + encoded
    if (
        len(blob) <= COPY_CHUNK
    ):  # in one piece: a second one may wait until the first is acknowledged
        stream.write(start + blob)
    else:
        stream.write(start)
        stream.write(blob)
    stream.flush()


def _read_exactly(stream: Any, count: int) -> Optional[bytes]:
    parts = []
    while count:
        part = stream.read(count)
        if not part:
            return None
        parts.append(part)
        count -= len(part)
    return b"".join(parts)


class Server:
    """Serves an agent over two pipes; each request runs in a thread of its own, so none waits.

    Ends when the client has closed its side or is gone. Nobody may be told of that: a laptop that
    was shut keeps its connection open for ever, unless something is sent on it. Hence the beats.
    """

    def __init__(self, agent: Agent, requests: Any, answers: Any) -> None:
        self.agent = agent
        self.requests = requests
        self.answers = answers
        self.writing: threading.Lock = threading.Lock()
        self.over: threading.Event = threading.Event()

    def serve(self) -> None:
        threading.Thread(target=self._beat, daemon=True).start()
        try:
            for header, blob in self._frames():
                if blob is None:
                    self._reply({"id": header["id"], "error": NO_MEMORY}, b"")
                    continue
                # A submission is brought to its end also when nobody is there any more to hear of it.
                daemon = header["op"] != "submit"
                threading.Thread(target=self._answer, args=(header, blob), daemon=daemon).start()
        finally:
            self.over.set()
            for program in list(self.agent.programs):
                program.kill()

    def _beat(self) -> None:
        while not self.over.wait(BEAT):
            try:
                with self.writing:
                    write_frame(self.answers, {"id": -1, "result": None}, b"")
            except (OSError, ValueError):
                return

    def _frames(self) -> Iterator[Tuple[Any, Optional[bytes]]]:
        while True:
            frame = read_frame(self.requests)
            if frame is None:
                return
            yield frame

    def _answer(self, header: Any, blob: bytes) -> None:
        reply = {"id": header["id"]}  # type: Dict[str, Any]
        out = b""
        try:
            reply["result"], out = self.agent.call(header["op"], header["params"], blob)
        except AgentError as error:
            reply["error"] = {"kind": error.kind, "message": str(error)}
        except Exception as error:  # noqa: BLE001 - a dead thread leaves the client waiting
            reply["error"] = {
                "kind": "unknown" if header["op"] == "submit" else "agent",
                "message": "{}: {}".format(type(error).__name__, error),
            }
        self._reply(reply, out)

    def _reply(self, reply: Dict[str, Any], out: bytes) -> None:
        with self.writing:
            write_frame(self.answers, reply, out)


def serve_over_stdio(nonce: str) -> None:
    """Entry point over SSH: stray prints of anything imported later go to stderr, not the channel."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    answers.write(b"\nslurm-sdk-agent " + nonce.encode("ascii") + b"\n")
    answers.flush()
    Server(Agent(), sys.stdin.buffer, answers).serve()
