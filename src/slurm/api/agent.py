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
import errno
import fcntl
import io
import json
import os
import pwd
import re
import stat
import struct
import sys
import threading
import time
from typing import Any, Dict, Iterator, List, Optional, Set, Tuple

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
# What sbatch prints when the controller may have taken the job without saying so.
LOST_ANSWERS = (
    "timed out",
    "unable to contact",
    "zero bytes were transmitted",
    "communication",
    "connection re",
    "transport endpoint",
    "unexpected message",
)
MOST_EXIT_CODES = 10  # a command each
ENDED_BADLY = ("FAILED", "TIMEOUT", "OUT_OF_MEMORY", "CANCELLED", "NODE_FAIL", "DEADLINE")
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
MOST_READ_AT_ONCE = 64 << 20  # bytes
UNSENT = -1  # in the place of a length
OUTPUT_KEPT = 64 << 10  # bytes
COPY_CHUNK = 1 << 20


class AgentError(Exception):
    """A request the agent could not fulfil; `kind` says which error the client raises."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


# --- files ---------------------------------------------------------------------------------------


def unique_name() -> str:
    """A file name that no other process on any node chooses."""
    return binascii.hexlify(os.urandom(8)).decode("ascii")


def write_atomic(path: str, data: bytes, mode: int = 0o600) -> None:
    """Write `data` to `path` so that a reader sees the old file or the whole new one, never a part."""
    folder, name = os.path.split(path)
    temporary = os.path.join(folder, ".{}.{}".format(name[:60], unique_name()))
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        with os.fdopen(handle, "wb") as file:
            os.fchmod(handle, mode)  # whatever the umask
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


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
    found = os.lstat(path)
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o022:
        raise AgentError(
            "file",
            "{} is not a directory that only you can write to: remove it, or choose another "
            "job_base_dir".format(path),
        )


def read_json(path: str) -> Optional[Dict[str, Any]]:
    """The JSON object in `path`, or None where there is no such file."""
    try:
        with open(path, "rb") as file:
            loaded = json.loads(file.read().decode("utf-8"))
    except FileNotFoundError:
        return None
    return loaded if isinstance(loaded, dict) else None


def update_json(path: str, changes: Dict[str, Any]) -> None:
    """Merge `changes` into the JSON object in `path`, serialised with every other updater.

    A key already present is kept when its new value is None.
    """
    folder, name = os.path.split(path)
    with Locked(os.path.join(folder, "." + name + ".lock")):
        content = read_json(path) or {}
        for key, value in changes.items():
            if value is not None or key not in content:
                content[key] = value
        _write_json(path, content)


def _write_json(path: str, content: Dict[str, Any]) -> None:
    write_atomic(path, (json.dumps(content, indent=2) + "\n").encode("utf-8"))


class Locked:
    """``with Locked(path):`` holds an exclusive lock on `path`, released when the process dies."""

    # What this thread holds, so that a command may hold it as well.
    held: threading.local = threading.local()

    def __init__(self, path: str) -> None:
        self.path = path
        self.handle: int = -1

    @classmethod
    def handles(cls) -> List[int]:
        """The locks of this thread. A process that inherits them holds them until it ends."""
        return list(getattr(cls.held, "handles", ()))

    def __enter__(self) -> "Locked":
        self.handle = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(self.handle, fcntl.LOCK_EX)
        self.held.handles = [*self.handles(), self.handle]
        return self

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


class SlurmCommands:
    """Slurm through its own commands. Nothing passes a shell: every command is an argument list."""

    def __init__(self) -> None:
        self.accounting: bool = True

    def run(
        self,
        argv: List[str],
        cwd: Optional[str] = None,
        locks: Tuple[int, ...] = (),
        timeout: Optional[float] = None,
    ) -> Tuple[int, str, str]:
        import subprocess

        timeout = COMMAND_TIMEOUT if timeout is None else timeout
        environment = scrubbed_environment()
        environment["SLURM_TIME_FORMAT"] = "%s"
        environment["SLURM_BITSTR_LEN"] = "0"  # name every task of an array
        try:
            done = subprocess.run(
                argv,
                cwd=cwd,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                timeout=timeout,
                check=False,
                pass_fds=locks,
            )
        except FileNotFoundError:
            raise AgentError(
                "scheduler",
                "{} is not on the PATH here: is this a Slurm login node?".format(argv[0]),
            ) from None
        except subprocess.TimeoutExpired:
            raise AgentError(
                "unreachable", "{} gave no answer in {:.0f} s".format(argv[0], timeout)
            ) from None
        return (
            done.returncode,
            done.stdout.decode("utf-8", "replace"),
            done.stderr.decode("utf-8", "replace"),
        )

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
        if code == 0:
            # --parsable prints "id" or "id;cluster", after whatever a site's wrapper prints first.
            job_id = (out.split() or [""])[-1].split(";")[0]
            if job_id.isdigit():
                return job_id
        message = err.strip() or out.strip() or "sbatch exited with {}".format(code)
        lost = code <= 0 or any(words in message.lower() for words in LOST_ANSWERS)
        raise AgentError("unanswered" if lost else "refused", message)

    def find_by_token(self, token: str) -> Optional[str]:
        for row in self._squeue():
            if row["comment"].split(" ")[0] == token:
                return str(row["job_id"]).split("_")[0]
        code, out, err = self._sacct(["-n", "-P", "-X", "-S", "now-2days", "-o", "JobID,Comment"])
        if code != 0:
            if self._accounting_is_off(err):
                return None
            raise AgentError("unreachable", err.strip() or "sacct exited with {}".format(code))
        for line in out.splitlines():
            job_id, _, comment = line.partition("|")
            if comment.split(" ")[0].strip() == token:
                return job_id.split("_")[0]
        return None

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


# --- the agent -----------------------------------------------------------------------------------


class Agent:
    """Answers requests: `call("read", {"path": ...})` runs `op_read`. Paths may start with ``~``."""

    def __init__(self, scheduler: Any = None) -> None:
        self.scheduler: Any = SlurmCommands() if scheduler is None else scheduler

    def call(self, op: str, params: Dict[str, Any], blob: bytes = b"") -> Tuple[Any, bytes]:
        handler = getattr(self, "op_" + op, None)
        if handler is None:
            raise AgentError("protocol", "this agent knows no request " + repr(op))
        try:
            result, out = handler(blob=blob, **params)
        except OSError as error:
            kind = "missing" if error.errno == errno.ENOENT else "file"
            raise AgentError(kind, "{}: {}".format(error.strerror, error.filename)) from None
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
        ``{"needs": path}`` and does nothing when the directory `needs` is not there.
        """
        receipts = os.path.join(base, ".receipts")
        for directory in (events, receipts):
            make_private_directory(directory)
        if needs and not os.path.isdir(needs):
            make_private_directory(os.path.dirname(needs))
            return {"needs": needs}, b""
        trusted = [receipts, events, os.path.dirname(events)]
        for directory in trusted + ([needs, os.path.dirname(needs)] if needs else []):
            require_own_directory(directory)
        answers = []  # type: List[Dict[str, Any]]
        for request in requests:
            if request["continues"]:
                answers.append(self._continue(base, request, blob, answers[-1]))
            else:
                answers.append(self._submit_one(base, request, blob))
        return {"jobs": answers}, b""

    def _continue(
        self, base: str, request: Dict[str, Any], blob: bytes, before: Dict[str, Any]
    ) -> Dict[str, Any]:
        """Submit a request that shares its directory with the one before, which must have worked."""
        if "error" in before:
            return before
        if request["after_previous"]:
            options = request["submit_options"]
            wanted = [options.get("dependency", ""), "afterany:" + before["job_id"]]
            options["dependency"] = ",".join(part for part in wanted if part)
        return self._submit_one(base, dict(request, job_dir=before["job_dir"]), blob)

    def _submit_one(self, base: str, request: Dict[str, Any], blob: bytes) -> Dict[str, Any]:
        token = request["token"]
        receipt = os.path.join(base, ".receipts", token + ".json")
        try:
            with Locked(os.path.join(base, ".receipts", ".lock-" + token[-3:])):
                known = read_json(receipt)
                reattached = known is not None
                if known is None:
                    self._prepare(request, blob)
                    known = {"job_dir": request["job_dir"], "job_id": None}
                    _write_json(receipt, known)
                if known["job_id"] is None:
                    # From here on the first request's directory is the job's, whoever asks again.
                    known["job_id"] = self._resolve(known["job_dir"], request, receipt, reattached)
                    self._note(base, request, known)
        except AgentError as error:
            return {"error": str(error), "kind": error.kind}
        except OSError as error:
            return {"error": "{}: {}".format(error.strerror, error.filename), "kind": "file"}
        return dict(known, reattached=reattached)

    def _note(self, base: str, request: Dict[str, Any], known: Dict[str, Any]) -> None:
        """Write down which job it became. There is one by now: a full disk must not hide its id."""
        receipts = os.path.join(base, ".receipts")
        place = {"job_dir": known["job_dir"], "token": request["token"]}
        try:
            _write_json(os.path.join(receipts, request["token"] + ".json"), known)
            metadata = os.path.join(known["job_dir"], request["metadata"])
            update_json(metadata, {request["id_key"]: known["job_id"]})
            _write_json(os.path.join(receipts, "job-{}.json".format(known["job_id"])), place)
        except OSError as error:
            sys.stderr.write("slurm-sdk: job {}: {}\n".format(known["job_id"], error))

    def _prepare(self, request: Dict[str, Any], blob: bytes) -> None:
        make_private_directory(request["job_dir"])
        for name in request["directories"]:
            make_private_directory(os.path.join(request["job_dir"], name))
        for name, (offset, length) in request["files"].items():
            path = os.path.join(request["job_dir"], name)
            write_atomic(path, blob[offset : offset + length])

    def _resolve(
        self, job_dir: str, request: Dict[str, Any], receipt: str, intended_before: bool
    ) -> str:
        """The id of the job in `job_dir`: an earlier submission's if it went through, else a new one."""
        if intended_before:
            metadata = read_json(os.path.join(job_dir, request["metadata"])) or {}
            known = metadata.get(request["id_key"]) or self.scheduler.find_by_token(
                request["token"]
            )
            if known:
                return str(known)
        return self._ask_scheduler(job_dir, request, receipt)

    def _ask_scheduler(self, job_dir: str, request: Dict[str, Any], receipt: str) -> str:
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
            if error.kind not in ("refused", "scheduler"):
                return self._reconcile(request["token"], error)
            self._withdraw(job_dir, request)
            os.unlink(receipt)
            raise

    def _withdraw(self, job_dir: str, request: Dict[str, Any]) -> None:
        """Leave nothing of a request that was refused; a directory it shares stays to the others."""
        if not request["continues"]:
            self.op_remove(b"", job_dir)
            return
        for name in request["files"]:
            self.op_remove(b"", os.path.join(job_dir, name))

    def _reconcile(self, token: str, error: AgentError) -> str:
        """After a lost answer: the job, if the scheduler knows it by its token."""
        try:
            job_id = self.scheduler.find_by_token(token)
        except AgentError:
            job_id = None
        if job_id is None:
            raise AgentError("unknown", str(error))
        return str(job_id)

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

        Looks `every` so many seconds. An event stays until the client says it has `seen` it: an answer that is lost loses nothing.
        """
        for name in seen:
            self.op_remove(b"", os.path.join(directory, os.path.basename(name)))
        deadline = time.monotonic() + timeout
        while True:
            names = sorted(os.listdir(directory))
            if names or time.monotonic() >= deadline:
                break
            time.sleep(every)
        return names, b""

    # Programs

    def op_run(self, blob: bytes, argv: List[str], timeout: float) -> Tuple[Any, bytes]:
        """Run a program here with `blob` as its input; its exit status, and the end of what it printed."""
        import subprocess

        try:
            done = subprocess.run(
                argv,
                cwd=os.sep,  # nothing of the user's is imported by chance
                env=scrubbed_environment(),
                input=blob,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=timeout,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise AgentError(
                "timeout", "{} was not done after {:.0f} s".format(argv[0], timeout)
            ) from None
        return done.returncode, done.stdout[-OUTPUT_KEPT:]

    # Files

    def op_read(self, blob: bytes, path: str, offset: int = 0, size: int = -1) -> Tuple[Any, bytes]:
        """`size` bytes of a file, or the rest; and how long the whole is, and which file it was."""
        with open(os.path.expanduser(path), "rb") as file:
            found = os.fstat(file.fileno())
            if offset:  # a pipe has none
                file.seek(offset)
            return {"size": found.st_size, "inode": found.st_ino}, file.read(size)

    def op_read_many(self, blob: bytes, paths: List[str]) -> Tuple[Any, bytes]:
        """The first of these files that fit into one answer; their lengths, None for one not there.

        One that would fill an answer by itself is `UNSENT`.
        """
        lengths = []  # type: List[Optional[int]]
        parts = []  # type: List[bytes]
        for path in paths:
            try:
                with open(os.path.expanduser(path), "rb") as file:
                    size = os.fstat(file.fileno()).st_size
                    if size > MOST_READ_AT_ONCE:
                        lengths.append(UNSENT)
                        continue
                    if sum(map(len, parts)) + size > MOST_READ_AT_ONCE:
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

    def op_write(self, blob: bytes, path: str, exclusive: bool) -> Tuple[Any, bytes]:
        """Write a file; with `exclusive` only where there is none. Answers whether it was written."""
        path = os.path.expanduser(path)
        make_private_directory(os.path.dirname(path))
        if not exclusive:
            write_atomic(path, blob)
            return True, b""
        staged = "{}.{}-{}".format(path, os.getpid(), threading.get_ident())
        write_atomic(staged, blob)
        try:
            os.link(staged, path)
        except FileExistsError:
            return False, b""
        finally:
            os.unlink(staged)
        return True, b""

    def op_assemble(self, blob: bytes, path: str, parts: List[Any]) -> Tuple[Any, bytes]:
        """Write a file out of pieces: ``[offset, length]`` of `blob`, ``[path, offset, length]`` of a file."""
        path = os.path.expanduser(path)
        make_private_directory(os.path.dirname(path))
        staged = os.path.join(os.path.dirname(path), "." + unique_name())
        handle = os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(handle, "wb") as target:
                for part in parts:
                    if len(part) == 2:
                        target.write(blob[part[0] : part[0] + part[1]])
                    else:
                        _copy_part(target, *part)
                target.flush()
                os.fsync(target.fileno())
            os.replace(staged, path)
        except BaseException:
            os.unlink(staged)
            raise
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
        """Remove a file or a whole directory; what is not there is removed already."""
        import shutil

        path = os.path.expanduser(path)
        try:
            if stat.S_ISDIR(os.lstat(path).st_mode):
                shutil.rmtree(path)
            else:
                os.unlink(path)
        except FileNotFoundError:
            pass
        return None, b""


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


def _beginning(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read(LARGEST_METADATA)


# --- framed requests over a pipe -----------------------------------------------------------------


def read_frame(stream: Any) -> Optional[Tuple[Any, bytes]]:
    """The next ``(header, blob)``, or None at the end of the stream.

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
    blob = _read_exactly(stream, blob_length)
    if header is None or blob is None:
        return None
    return json.loads(header.decode("utf-8")), blob


def write_frame(stream: Any, header: Any, blob: bytes) -> None:
    encoded = json.dumps(header).encode("utf-8")
    stream.write(FRAME_START.pack(FRAME_MARK, len(encoded), len(blob)) + encoded)
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
    """Serves an agent over two pipes; each request runs in a thread of its own, so none waits."""

    def __init__(self, agent: Agent, requests: Any, answers: Any) -> None:
        self.agent = agent
        self.requests = requests
        self.answers = answers
        self.writing: threading.Lock = threading.Lock()

    def serve(self) -> None:
        for header, blob in self._frames():
            # A submission is brought to its end also when nobody is there any more to hear of it.
            daemon = header["op"] != "submit"
            threading.Thread(target=self._answer, args=(header, blob), daemon=daemon).start()

    def _frames(self) -> Iterator[Tuple[Any, bytes]]:
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
                "kind": "agent",
                "message": "{}: {}".format(type(error).__name__, error),
            }
        with self.writing:
            write_frame(self.answers, reply, out)


def serve_over_stdio(nonce: str) -> None:
    """Entry point over SSH: stray prints of anything imported later go to stderr, not the channel."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    answers.write(b"\nslurm-sdk-agent " + nonce.encode("ascii") + b"\n")
    answers.flush()
    Server(Agent(), sys.stdin.buffer, answers).serve()
