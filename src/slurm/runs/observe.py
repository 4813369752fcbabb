"""Asks the scheduler about the jobs of many runs: one question for all of them."""

from __future__ import annotations

import datetime
import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from slurm.agent.json_files import parse_object
from slurm.errors import RemoteFileError
from slurm.local.arrays import MalformedArray, parse_array
from slurm.runs.launch_script import JOB_SCRIPT
from slurm.runs.manifest import Manifest
from slurm.runs.step import job_status
from slurm.states import ACTIVE, ENDED, JobState, Observation
from slurm.tracking.reused_ids import JobMark
from slurm.tracking.written_ends import end_in

if TYPE_CHECKING:
    from slurm.api.base import BackendBase
    from slurm.cluster import Cluster

MOST_NAMED = 3  # elements of an array whose end is said one by one


def observe(cluster: Cluster, manifests: Sequence[Manifest]) -> list[Observation]:
    """What is known of the run's job, for each of these runs, in order.

    Of runs that the SDK submitted, and that the scheduler has forgotten, the job's own record tells. Raises
    `TransportError` and `SchedulerUnreachable` where nobody answers.
    """
    backend = cluster.backend
    ids = [_ids_there(cluster, one) for one in manifests]
    wanted = dict.fromkeys(itertools.chain.from_iterable(ids))
    answers = {one.job_id: one for one in backend.query_jobs(list(wanted))} if wanted else {}
    seen = [as_one(one, own, answers) for one, own in zip(manifests, ids)]
    forgotten = [
        index
        for index, one in enumerate(seen)
        if one.source in ("absent", "reused") and _job_dir(manifests[index])
    ]
    for index, content in zip(forgotten, _records(backend, [manifests[i] for i in forgotten])):
        state = end_in(content)
        if state is not None:
            seen[index] = Observation(
                manifests[index].job_id, "metadata", state, ended_at=_ended_at(content)
            )
    return seen


def ids_of(manifest: Manifest) -> list[str]:
    """The ids by which the scheduler knows a run's job: those of its elements where it is an array.

    >>> ids_of(Manifest({"job_id": "12", "resource_request": {"array": "0-2%1"}}))
    ['12_0', '12_1', '12_2']
    """
    job_id, array = manifest.job_id, manifest.content.get("resource_request", {}).get("array")
    if array and "_" not in job_id:
        try:
            return [f"{job_id}_{index}" for index in parse_array(str(array)).indices]
        except MalformedArray:
            return [job_id]
    return [job_id] if job_id else []


def _ids_there(cluster: Cluster, manifest: Manifest) -> list[str]:
    if len(manifest.section("sdk").get("job_ids", ())) < 2:
        return ids_of(manifest)
    # An array that took several submissions: which element is in which, its directory tells.
    try:
        array = cluster.get_array(manifest.job_id)
    except RemoteFileError:
        return [manifest.job_id]
    return list(dict.fromkeys(record.id for record in array.records))


def as_one(
    manifest: Manifest, ids: Iterable[str], answers: Mapping[str, Observation]
) -> Observation:
    """What was said of a run's job, or of all elements of its array together."""
    status, mark = job_status(manifest), mark_of(manifest)
    seen = [
        answers[job_id] if mark is None else mark.own_or_reused(answers[job_id], status)
        for job_id in ids
        if job_id in answers
    ]
    if len(seen) == 1:
        return seen[0]._replace(job_id=manifest.job_id)
    return together(manifest.job_id, seen)


def together(job_id: str, seen: Iterable[Observation]) -> Observation:
    """What the elements of an array are, as one: ended when all have, and badly when one did.

    >>> from slurm.states import JobState
    >>> elements = [Observation("12_0", "sacct", JobState.COMPLETED), Observation("12_1", "sacct", JobState.TIMEOUT)]
    >>> one = together("12", elements)
    >>> print(one.state, "|", one.reason)
    TIMEOUT | 1 of 2 did not complete: 12_1 TIMEOUT
    """
    seen = list(seen)
    said = [one for one in seen if one.source not in ("absent", "reused")]
    if not said:
        return seen[0] if seen else Observation(job_id, "absent")
    source = said[0].source
    going = [one for one in said if one.state not in ENDED]
    if going:
        active = next((one for one in going if one.state in ACTIVE), None)
        begun = any(one.state in ENDED for one in said)
        spokesman = active or going[0]
        state = JobState.RUNNING if begun and active is None else spokesman.state
        return spokesman._replace(job_id=job_id, source=source, state=state)
    ends = [one.ended_at for one in said if one.ended_at is not None]
    bad = [one for one in said if one.state is not JobState.COMPLETED]
    lost = len(seen) - len(said)
    if lost and not bad:
        return Observation(job_id, "absent")
    named = ", ".join(f"{one.job_id} {one.state}" for one in bad[:MOST_NAMED])
    more = ", ..." if len(bad) > MOST_NAMED else ""
    reason = f"{len(bad)} of {len(seen)} did not complete: {named}{more}" if bad else ""
    first = bad[0] if bad else said[0]
    return first._replace(job_id=job_id, reason=reason, ended_at=max(ends, default=None))


def ended_at(seen: Observation) -> datetime.datetime | None:
    """When a job ended, by the scheduler's clock; None where that is not known."""
    if seen.ended_at is None:
        return None
    return datetime.datetime.fromtimestamp(int(seen.ended_at), datetime.timezone.utc)


def mark_of(manifest: Manifest) -> JobMark | None:
    """By what the run's job is told from another one of its id; None for a job that others submitted."""
    about = manifest.section("submission")
    if about.get("adopted") or not about.get("token") or not about.get("job_dir"):
        return None
    return JobMark(about["token"], about["job_dir"], about.get("script", JOB_SCRIPT))


def _job_dir(manifest: Manifest) -> str:
    about = manifest.section("sdk")
    return "" if about.get("kind") == "array" else str(about.get("job_dir", ""))


def _records(backend: BackendBase, manifests: Sequence[Manifest]) -> list[Mapping[str, Any]]:
    paths = [f"{_job_dir(one)}/metadata.json" for one in manifests]
    if not paths:
        return []
    try:
        return [_object(content) for content in backend.read_files(paths)]
    except RemoteFileError:  # they are somebody else's, say: nobody knows, then
        return [{} for _ in paths]


def _object(content: bytes | None) -> Mapping[str, Any]:
    try:
        return parse_object(content or b"{}")
    except ValueError:
        return {}


def _ended_at(content: Mapping[str, Any]) -> float | None:
    try:
        return datetime.datetime.fromisoformat(str(content["completed_at"])).timestamp()
    except (KeyError, ValueError):
        return None
