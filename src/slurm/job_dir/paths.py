"""The one place that knows which file of a job is called what, and where it is.

::

    {job_base_dir}/{task_name}/{YYYYMMDD_HHMMSS}_{8 hex}/
        job.sh  payload.pkl  <the user's script>  module.py  slurm_<jobid>.out  slurm_<jobid>.err  result.pkl  metadata.json
        arguments.pkl                            where they are large
        .slurm_environment.json  shared/  tasks/<task>/<ts>_<id>/        of a workflow
    {job_base_dir}/{task_name}/{YYYYMMDD_HHMMSS}_{8 hex}/               of an array
        job.sh  job_<piece>.sh  payload.pkl  items.pkl  <the user's script>  module.py  array_metadata.json
        tasks/<item>/{metadata.json,result.pkl,slurm_<jobid>.out,slurm_<jobid>.err}  results/aggregated.pkl
        records/<jobid>.<attempt>                of one that is packed: what the items of an array task have come to
    {job_base_dir}/.sdk/<content address>/      the SDK's own code, unpacked once
    {job_base_dir}/.packages/<content address>/ a container image
    {job_base_dir}/.packages/source/, contents/ frozen copies of the user's code, and the files that they are made of
    {job_base_dir}/.packages/wheels/, env/      wheels of it and of what it depends on, and environments they are installed in
    {job_base_dir}/.staged/<sha256>             large files on their way into job directories
    {job_base_dir}/.events/<client>/            finished runners leave a file here, with their result if it is small
    {job_base_dir}/.receipts/<token>.json       which submission became which job
    {job_base_dir}/.receipts/job-<id>.json      and which directory is that job's

Pure: paths are text, since they are the cluster's and may not exist on this machine.
"""

from __future__ import annotations

import os
import posixpath
import re
import time
from typing import NamedTuple

from slurm.agent.directory_names import ENDS, EVENTS, GROUP, RECEIPTS, RECORDS

UNWRITTEN = os.EX_IOERR  # how a runner exits that could write neither its result nor why not
OLD_PYTHON = os.EX_CONFIG  # and one that was started by a Python that is too old for it
SETUP_FAILED = (
    os.EX_UNAVAILABLE
)  # how a job script exits when a line of its packaging's setup has failed

# Seconds for which the result of a job that has ended may not be visible yet to who reads it: NFS caches what a
# directory holds for up to a minute by default, most sites' for far less. And what tells a job of another number.
RESULT_GRACE = 10.0
RESULT_GRACE_VARIABLE = "SLURM_SDK_RESULT_GRACE"

JOB_SCRIPT = "job.sh"
PAYLOAD = "payload.pkl"
USER_SCRIPT = "script.py"
USER_MODULE = "module.py"
RESULT = "result.pkl"
METADATA = "metadata.json"
ARGUMENTS = "arguments.pkl"
ITEMS = "items.pkl"
ARRAY_METADATA = "array_metadata.json"
AGGREGATED = "aggregated.pkl"
ENVIRONMENT = ".slurm_environment.json"
SHARED = "shared"
TASKS = "tasks"
RESULTS = "results"
SDK = ".sdk"
PACKAGES = ".packages"

STAMP = "%Y%m%d_%H%M%S"

_FILES = (JOB_SCRIPT, PAYLOAD, ARGUMENTS, USER_SCRIPT, USER_MODULE, RESULT, METADATA)
_FILES_OF_ARRAYS = (ITEMS, ARRAY_METADATA)
OWN_NAMES = frozenset((*_FILES, *_FILES_OF_ARRAYS, ENVIRONMENT, SHARED, TASKS, RESULTS, RECORDS))


LONGEST_NAME = 100


def directory_name(task_name: str) -> str:
    """A task name as one path component, another one for every name, also where case does not count.

    A name of ``[a-z0-9_]`` is its own. Of any other, the component is what `sanitised` makes of it, and behind a
    hyphen, which no name of the first kind has, the beginning of the name's hash.

    >>> directory_name("train_model")
    'train_model'
    >>> directory_name("Train Model!")
    'train_model_-9e71c133'
    """
    clean = sanitised(task_name)
    if clean == task_name:
        return clean
    import hashlib  # late: a job makes no directory

    digest = hashlib.sha256(task_name.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{clean[: LONGEST_NAME - len(digest) - 1]}-{digest}"


def sanitised(name: str) -> str:
    """A name in lowercase, every character outside ``[a-z0-9_]`` an underscore: several names may become one.

    >>> sanitised("../../etc")
    '______etc'
    """
    return re.sub(r"[^a-z0-9_]", "_", name.lower())[:LONGEST_NAME] or "_"


class JobDirectory(NamedTuple):
    """The paths inside one job's directory."""

    path: str

    @classmethod
    def fresh(cls, base: str, task_name: str, at: float) -> JobDirectory:
        """A directory nobody has used, under that of the task in `base`; nothing is created.

        Its name begins with the moment `at`, in UTC: local time would sort wrongly at the end of summer time, and
        where the nodes that submit have different zones.
        """
        stamp = time.strftime(STAMP, time.gmtime(at))
        name = f"{stamp}_{os.urandom(4).hex()}"
        return cls(posixpath.join(base, directory_name(task_name), name))

    @property
    def script(self) -> str:
        return posixpath.join(self.path, JOB_SCRIPT)

    @property
    def payload(self) -> str:
        return posixpath.join(self.path, PAYLOAD)

    @property
    def arguments(self) -> str:
        return posixpath.join(self.path, ARGUMENTS)

    @property
    def result(self) -> str:
        return posixpath.join(self.path, RESULT)

    @property
    def metadata(self) -> str:
        return posixpath.join(self.path, METADATA)

    @property
    def environment(self) -> str:
        return posixpath.join(self.path, ENVIRONMENT)

    @property
    def shared(self) -> str:
        return posixpath.join(self.path, SHARED)

    @property
    def tasks(self) -> str:
        return posixpath.join(self.path, TASKS)

    def stdout(self, job_id: str = "%j") -> str:
        """Where the job's stdout goes; the default is Slurm's pattern for the job id."""
        return posixpath.join(self.path, f"slurm_{job_id}.out")

    def stderr(self, job_id: str = "%j") -> str:
        """Where the job's stderr goes; the default is Slurm's pattern for the job id."""
        return posixpath.join(self.path, f"slurm_{job_id}.err")


class ArrayDirectory(NamedTuple):
    """The paths inside the directory of an array."""

    path: str

    @property
    def metadata(self) -> str:
        return posixpath.join(self.path, ARRAY_METADATA)

    @property
    def items(self) -> str:
        return posixpath.join(self.path, ITEMS)

    @property
    def results(self) -> str:
        return posixpath.join(self.path, RESULTS)

    @property
    def aggregated(self) -> str:
        return posixpath.join(self.results, AGGREGATED)

    @property
    def records(self) -> str:
        return posixpath.join(self.path, RECORDS)

    @property
    def ends(self) -> str:
        """Where clients note how items ended that could not say so themselves."""
        return posixpath.join(self.path, ENDS)

    def notes(self, job_id: str) -> str:
        """Where an array task that runs several items notes what is of none of them."""
        return posixpath.join(self.records, f"{job_id}.json")

    def element(self, name: str) -> JobDirectory:
        """The directory of one item, by its name in `ArrayLayout`."""
        return JobDirectory(posixpath.join(self.path, TASKS, name))


def array_of(path: str) -> ArrayDirectory | None:
    """The directory of the array in which `path` would be an item's; None if its place tells that it is none."""
    tasks, name = posixpath.split(path.rstrip("/"))
    return ArrayDirectory(posixpath.dirname(tasks)) if name.isdigit() else None


def script_of_piece(piece: int) -> str:
    """The name of the job script of one of an array's submissions."""
    return f"job_{piece}.sh" if piece else JOB_SCRIPT


def token_of_piece(token: str, piece: int) -> str:
    """The token of one of an array's submissions."""
    if not piece:
        return token
    import hashlib

    return hashlib.sha256(f"{token} {piece}".encode()).hexdigest()[:32]


def event_directory(base: str, client: str) -> str:
    """Where runners tell `client` that they have finished."""
    return posixpath.join(base, EVENTS, client)


def receipt_of(base: str, token: str) -> str:
    """The file that says which job a submission became."""
    return posixpath.join(base, RECEIPTS, f"{token}.json")


def receipt_of_job(base: str, job_id: str) -> str:
    """The file that says which directory is the job's."""
    return posixpath.join(base, RECEIPTS, f"job-{job_id}.json")


def event_name(token: str, attempt: int, success: bool) -> str:
    """The name of the file by which a finished runner tells its client."""
    return f"{token}.{attempt}.{'ok' if success else 'error'}"


def parse_event(name: str) -> tuple[str, bool] | None:
    """``(token, success)`` of an event file's name; None for a file that is no event of a job by itself."""
    parts = name.split(".")
    if len(parts) != 3 or parts[2] not in ("ok", "error"):
        return None
    return parts[0], parts[2] == "ok"


def group_event_name(token: str, attempt: int, job_id: str, number: int) -> str:
    """The name of the file by which an array task says which of its items have ended; `token` is the array's."""
    return f"{token}.{attempt}{GROUP}{job_id}-{number}"


def parse_group_event(name: str) -> str | None:
    """The array's token in the name of such a file; None for another."""
    return name.partition(".")[0] if GROUP in name else None
