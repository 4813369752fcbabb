"""Why a job ended before its runner began: its setup failed, the interpreter is not there, or nodes do not see its directory."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from slurm import errors
from slurm.agent.json_files import parse_object
from slurm.job_dir.paths import OLD_PYTHON, SETUP_FAILED, JobDirectory
from slurm.rendering import interpreter_in
from slurm.results.logs import STDERR, STDOUT, path_of, tail
from slurm.sbatch.filename_pattern import NOWHERE
from slurm.tracking.job_metadata import metadata_of
from slurm.tracking.record import is_packed

if TYPE_CHECKING:
    from slurm.tracking.record import JobRecord

SDK_SAYS = "slurm-tasks: "  # what a job script has to say itself
STDERR_TAIL = 2000
# How bash exits for a command that it does not find, and for one that it may not run.
NOT_FOUND = {"127": "is not there", "126": "cannot be run"}
# slurmstepd's exit codes when it cannot open the files of --output and --error: that of Slurm 20.11 means anything.
OUTPUT_UNOPENED, OUTPUT_UNOPENED_IN_20_11 = "0:53", "1:0"
UNOPENED = "its output file could not be opened"
HAS_TO_EXIST = "the directory has to exist on its node, and a file in it to be yours to write"
UNOPENED_IN_WORDS = {
    OUTPUT_UNOPENED: HAS_TO_EXIST,
    OUTPUT_UNOPENED_IN_20_11: f"{UNOPENED}; {HAS_TO_EXIST}",
}


def read_script_and_metadata(job: JobRecord) -> tuple[str, Mapping[str, Any] | None]:
    """The job's script, and its metadata; nothing for what cannot be read, and no keys for what is damaged."""
    directory = job.directory if job.element is None else JobDirectory(job.element.array.path)
    packed = is_packed(job)
    try:
        paths = [directory.script, *(() if packed else (job.directory.metadata,))]
        script, *metadata = job.site.backend.read_files(paths)
    except errors.RemoteFileError:
        return "", None
    noted = _noted_by_item(job) if packed else _parsed(metadata[0])
    return (script or b"").decode("utf-8", "replace"), noted


def _noted_by_item(job: JobRecord) -> Mapping[str, Any] | None:
    try:
        return metadata_of(job)
    except errors.RemoteFileError:
        return None
    except ValueError:
        return {}


def _parsed(metadata: bytes | None) -> Mapping[str, Any] | None:
    try:
        return None if metadata is None else parse_object(metadata)
    except ValueError:
        return {}


def why_it_never_began(
    job: JobRecord, script: str, metadata: Mapping[str, Any] | None, exit_code: str, node: str
) -> str:
    """What to mend where the runner of a FAILED job never began; empty where it did, or nobody can tell."""
    if not script or _has_begun(job, metadata):
        return ""
    where = f"on {node}" if node else "on its node"
    code = exit_code.partition(":")[0]
    python = (interpreter_in(script) or [job.site.python])[0]
    if code in NOT_FOUND:
        return f"{python} {NOT_FOUND[code]} {where}: name an interpreter that is, with python="
    if code == str(OLD_PYTHON):
        return f"{python} {where} is older than Python 3.9: name a newer one with python="
    if code == str(SETUP_FAILED):
        return _said_by_script(job) or f"the packaging's setup failed {where}"
    if not _has_output(job):
        if exit_code in UNOPENED_IN_WORDS and _has_output_elsewhere(job):
            return UNOPENED_IN_WORDS[exit_code]
        return (
            f"nothing was written to its directory {where}: nodes do not see job_base_dir "
            f"{job.site.job_base_dir}; name one with job_base_dir= that login and compute nodes share"
        )
    return ""


def or_no_python(job: JobRecord) -> str:
    """What else there is to mend where a job that ended well left nothing: its runner never began."""
    script, metadata = read_script_and_metadata(job)
    if not script or _has_begun(job, metadata):
        return ""
    python = (interpreter_in(script) or [job.site.python])[0]
    return f"; or {python} is no Python there: name one with python="


def _said_by_script(job: JobRecord) -> str:
    """The last line of its stderr that the job's script has written."""
    stderr, _ = tail(job, STDERR_TAIL)
    said = [line for line in stderr.splitlines() if line.startswith(SDK_SAYS)]
    return said[-1][len(SDK_SAYS) :] if said else ""


def _has_begun(job: JobRecord, metadata: Mapping[str, Any] | None) -> bool:
    """Whether the runner has noted its start; an item of an array has no notes before that."""
    if metadata is None:
        return job.element is None
    return not metadata or bool(metadata.get("started_at"))


def _has_output(job: JobRecord) -> bool:
    """Whether Slurm could make a file of output in the job's directory; True where none was to be there."""
    home = job.log_directory.path
    own = {posixpath.basename(path) for path in _output_of(job) if posixpath.dirname(path) == home}
    try:
        return not own or bool(own & set(job.site.backend.list_directory(home)))
    except errors.RemoteFileError:
        return True


def _has_output_elsewhere(job: JobRecord) -> bool:
    home = job.log_directory.path
    return any(posixpath.dirname(p) != home for p in _output_of(job) if p != NOWHERE)


def _output_of(job: JobRecord) -> list[str]:
    return [path_of(job, stream) for stream in (STDOUT, STDERR)]
