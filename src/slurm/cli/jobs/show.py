"""``slurm jobs show``: all that is known of a job."""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from collections.abc import Mapping
from typing import Any

import click

from slurm import ArrayJob, Cluster, Job
from slurm.agent.json_files import parse_object
from slurm.cli.commands import TEXT, Command, cluster_options
from slurm.cli.jobs.found import Found, found
from slurm.cli.jobs.report import Seen, as_json, lines
from slurm.cli.output import printed
from slurm.errors import JobError, RemoteFileError, RemoteFileMissing, ResultError
from slurm.job_dir.metadata import rfc3339
from slurm.job_dir.paths import ArrayDirectory, array_of
from slurm.job_dir.result import load_envelope
from slurm.job_list import jobs_in
from slurm.job_tree import JobTree
from slurm.rendering import options_in
from slurm.results.efficiency import efficiency_of
from slurm.states import JobState, JobStatus
from slurm.tracking.job_metadata import metadata_of
from slurm.tracking.record import is_packed
from slurm.usage import Usage, read_accounts

LAST_LINES, LAST_BYTES = 15, 8 << 10
TREE_LINES = 12


@click.command(
    "show",
    cls=Command,
    example="slurm jobs show 4711\nslurm jobs show 4711_3 --json\nslurm jobs show ~/slurm_jobs/train/20260218_160045_0a1b2c3d",
)
@click.argument("job", metavar="JOB", type=TEXT)
@click.option("--json", "printed_as_json", is_flag=True, help="print one JSON object")
@cluster_options
def command(job: str, printed_as_json: bool, cluster_args: argparse.Namespace) -> None:
    """Show what is known of a job: its state and times, why it waits, what it asked for and used, its code, why it failed.

    JOB is the id of a job, an array or an element (12_3) that was submitted under the job_base_dir, or a job's directory on the
    cluster. The code is told by its revision, and whether something had changed since.
    """
    cluster = Cluster.from_args(cluster_args)
    try:
        seen = see(cluster, found(cluster, job))
    finally:
        cluster.close()
    if printed_as_json:
        click.echo(json.dumps(as_json(seen), indent=2, ensure_ascii=False))
        return
    for name, value in lines(seen):
        click.echo(printed(f"{name + ':' if name else '':<12} {value}").rstrip())


def see(cluster: Cluster, job: Found) -> Seen:
    """What its files and the scheduler tell."""
    if isinstance(job, ArrayJob):
        return _array(cluster, job)
    array = array_of(job.job_dir) if job.element is not None else None
    folder = array.path if array is not None else job.job_dir
    metadata, script = _files(cluster, job.directory.metadata, f"{folder}/job.sh")
    metadata = _recorded(job) or metadata
    if array is not None and not metadata:  # an element that has not begun
        metadata, _ = _files(cluster, array.metadata, f"{folder}/job.sh")
    job.get_status()
    status = job.status
    failed = status.finished and not job.is_successful()
    account = read_accounts(cluster.backend.query_usage([job.id])).get(job.id)
    exit_code = status.exit_code or (account.exit_code if account else "")
    options = options_in(script)
    return Seen(
        job.id,
        job.job_dir,
        metadata,
        script,
        state=str(status.state),
        reason=status.pending_reason,
        exit_code=exit_code,
        node=status.node,
        usage=account.usage if account else Usage(),
        stderr=job.stderr_path,
        last=_last_lines(cluster, job) if failed else (),
        may_start=_may_start(cluster, job.id) if status.pending_reason else "",
        efficiency=(
            efficiency_of(job.id, status.state, account, options)
            if account and account.usage.nodes  # it has begun
            else None
        ),
        frames=_frames(cluster, job) if failed else (),
        tree=_tree(cluster, job.job_dir) if metadata.get("is_workflow") else (),
    )


def _recorded(job: Job[Any]) -> dict[str, Any]:
    """What an item of a packed array has noted, which has no metadata file of its own; nothing for any other job."""
    [record] = job.records
    try:
        return metadata_of(record) if is_packed(record) else {}
    except (RemoteFileMissing, ValueError):
        return {}


def _array(cluster: Cluster, array: ArrayJob[Any]) -> Seen:
    directory = ArrayDirectory(array.job_dir)
    metadata, script = _files(cluster, directory.metadata, f"{array.job_dir}/job.sh")
    statuses = _statuses(array)
    states = Counter(str(status.state) for status in statuses)
    reasons = [status.pending_reason for status in statuses]
    return Seen(
        array.id,
        array.job_dir,
        metadata,
        script,
        state=_overall(states),
        reason=next(filter(None, reasons), ""),
        count=len(array),
        states=states,
        may_start=_may_start(cluster, array.ids[0]) if any(reasons) else "",
    )


def _statuses(array: ArrayJob[Any]) -> list[JobStatus]:
    """Those of its elements, for which the scheduler is asked once: who asks for one hears of all that are watched."""
    for job in array.jobs:
        _ = job.status  # it is watched from now on
    for job in array.jobs:
        job.get_status()
    return [job.status for job in array.jobs]


def _overall(states: Mapping[str, int]) -> str:
    from slurm.job_tree.nodes import overall

    return str(overall(Counter({JobState(state): count for state, count in states.items()})))


def _files(cluster: Cluster, metadata: str, script: str) -> tuple[dict[str, Any], str]:
    """What the two hold; nothing of what is not there. Raises `JobError` for metadata that is damaged."""
    about, text = cluster.backend.read_files([metadata, script])
    try:
        content = parse_object(about or b"{}")
    except ValueError as error:
        raise JobError(f"{metadata} cannot be read: {error}") from error
    return content, (text or b"").decode("utf-8", "replace")


def _may_start(cluster: Cluster, job_id: str) -> str:
    """When the scheduler plans to start it, in the queue's words; nothing where it does not say."""
    now = time.time()
    listing = cluster.backend.list_jobs(cluster.job_base_dir, since=now)
    number, _, task = job_id.partition("_")
    jobs = [job for job in jobs_in(listing, elements=bool(task)) if job.number == number]
    times = [job.may_start for job in jobs if job.may_start and (not task or job.job_id == job_id)]
    return rfc3339(min(times)) if times else ""


def _frames(cluster: Cluster, job: Job[Any]) -> list[str]:
    """The traceback that the job has left, as text: nothing is unpickled for it."""
    try:
        with cluster.backend.open_file(job.directory.result) as file:
            envelope = load_envelope(file, path=job.directory.result)
    except (RemoteFileError, ResultError):
        return []
    return envelope.traceback.rstrip().splitlines()


def _tree(cluster: Cluster, path: str) -> list[str]:
    """The jobs of a workflow, the first of them."""
    lines = JobTree.from_dir(path, cluster).to_text().rstrip().splitlines()
    more = [f"and {len(lines) - TREE_LINES} more: slurm tree {path}"]
    return lines[:TREE_LINES] + (more if len(lines) > TREE_LINES else [])


def _last_lines(cluster: Cluster, job: Job[Any]) -> list[str]:
    try:
        tail = cluster.backend.read_tail(job.stderr_path, LAST_BYTES)
    except RemoteFileError:  # it is where only the node sees it, or was never written
        return []
    return tail.decode("utf-8", "replace").rstrip().splitlines()[-LAST_LINES:]
