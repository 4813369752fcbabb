"""At which job a chain of jobs that never started began: asked of the scheduler and of the jobs' files."""

from __future__ import annotations

import posixpath
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from slurm.agent.json_files import parse_object
from slurm.agent.record_frames import frames_of
from slurm.api.requests import Submitted
from slurm.errors import RemoteFileError, SchedulerUnreachable
from slurm.job_dir.item_records import Records
from slurm.job_dir.metadata import piece_key
from slurm.job_dir.paths import ArrayDirectory, JobDirectory, receipt_of_job
from slurm.sbatch.array_layout import ArrayLayout
from slurm.sbatch.dependency import DependencyClause, as_metadata
from slurm.states import (
    ENDED,
    ENDED_IF_IT_STAYS,
    NEVER_STARTS,
    JobState,
    JobStatus,
    Observation,
)
from slurm.tracking.lone_record import LoneRecord
from slurm.tracking.record import ArrayElement, JobRecord
from slurm.tracking.reused_ids import mark_of
from slurm.tracking.upstream import Dependency, Upstream

if TYPE_CHECKING:
    from slurm.api.site import Site

LAYOUT = ("count", "pack", "max_array_size")
LONGEST_SEARCH = 10.0  # seconds after which the search goes no further up
STATE_OF_STATUS = {"completed": JobState.COMPLETED, "failed": JobState.FAILED}


@dataclass(frozen=True)
class Root:
    """The job at which it began, how it ended, and the `type` of dependency that this broke.

    `records` are of that job, more than one where it ran several items of an array.
    """

    job_id: str
    task_name: str
    state: JobState
    type: str
    records: tuple[JobRecord, ...] = field(default=(), compare=False)


@dataclass(frozen=True)
class Link:
    """One thing a job waits for, as ``metadata.json`` has it: a job or an array, and the `type`."""

    job_id: str
    type: str


@dataclass(frozen=True)
class WrittenJob:
    """What the files say of a job or an array: its `metadata`, and where an array's items are."""

    path: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    layout: ArrayLayout | None = None

    @property
    def ids(self) -> list[str]:
        """The scheduler's ids of an array's submissions."""
        pieces = range(len(self.layout.pieces)) if self.layout else ()
        return [str(self.metadata.get(piece_key(number), "")) for number in pieces]

    def elements(self, number: str) -> Iterator[tuple[str, str]]:
        """The job id and the directory of every item in the array's submission `number`."""
        if self.layout is not None and number in self.ids:
            piece = self.ids.index(number)
            for item in range(self.layout.count):
                of, task = self.layout.place_of(item)
                if of == piece:
                    directory = ArrayDirectory(self.path).element(self.layout.name(item))
                    yield f"{number}_{task}", directory.metadata


def root_of(job: JobRecord) -> Root | None:
    """The job because of which `job` never started; None where nobody can tell.

    Asks the scheduler once for every job up the chain, reads their files, and waits for nothing, so
    it may run in any thread. Raises `TransportError`.
    """
    search = _Search(job, _known_above(job))
    deadline = time.monotonic() + LONGEST_SEARCH
    job_id, root, seen = job.id, None, {job.id}
    try:
        while time.monotonic() < deadline:
            broken = search.broken_link_of(job_id)
            if broken is None or broken.job_id in seen:
                break
            job_id, root = broken.job_id, broken
            seen.add(job_id)
    except SchedulerUnreachable:
        pass  # what was found so far is true
    return root


class Known(NamedTuple):
    """A job or an array up the chain that was submitted by this process: its directory, and a record for each job."""

    job_dir: str
    records: Sequence[JobRecord]
    is_array: bool = False

    @property
    def task_name(self) -> str:
        return self.records[0].task_name

    @property
    def waits_for(self) -> tuple[Dependency, ...]:
        return self.records[0].waits_for


def _known(upstream: Upstream) -> Known:
    record = upstream.records[0]
    is_array = upstream.layout is not None and record.element is not None
    path = record.element.array.path if is_array and record.element else record.job_dir
    return Known(path, upstream.records, is_array)


def _known_above(record: JobRecord) -> dict[str, Known]:
    """The jobs and arrays of this process up the chain, by each of their ids."""
    own = Known(record.job_dir, [record])
    found: dict[str, Known] = {record.id: own}
    group = record.element.group if record.element is not None else None
    if group is not None:
        found.update(dict.fromkeys(group.ids, _known(group)))
    left = [own]
    while left:
        for dependency in left.pop().waits_for:
            for job_id in dependency.ids:
                if job_id not in found:
                    found[job_id] = _known(dependency.on)
                    left.append(found[job_id])
    return found


class _Search:
    """One search: what it has read and been told so far."""

    def __init__(self, job: JobRecord, known: Mapping[str, Known]) -> None:
        self.site: Site = job.site
        self.operations = job.operations
        self.known = known
        self.written: dict[str, WrittenJob] = {}
        self.seen: dict[str, Observation] = {}

    def _ours(self, job_id: str) -> Known | None:
        return self.known.get(job_id) or self.known.get(_number(job_id))

    def broken_link_of(self, job_id: str) -> Root | None:
        """The first of the jobs before this one that did not end as it had to."""
        own = self._written(job_id)
        links = self._links(job_id, own)
        self._read(link.job_id for link in links)
        members = [self._members(job_id, own, link) for link in links]
        files = {one: path for group in members for one, path in group.items()}
        states = self._states(files)
        for link, group in zip(links, members):
            root = self._judged(link, group, states)
            if root is not None:
                return root
        return None

    def _judged(
        self, link: Link, members: Iterable[str], states: Mapping[str, JobState | None]
    ) -> Root | None:
        ended = {one: states.get(one) for one in members}
        if link.type in ("afterok", "aftercorr"):
            for job_id, state in ended.items():
                if state not in (None, JobState.COMPLETED):
                    return self._root(job_id, state, link)
        elif link.type == "afternotok" and set(ended.values()) == {JobState.COMPLETED}:
            return self._root(link.job_id, JobState.COMPLETED, link)
        return None

    def _root(self, job_id: str, state: JobState | None, link: Link) -> Root:
        known = self._ours(job_id)
        name = self._written(job_id).metadata.get("task_name", "")
        name = name or (known.task_name if known else "")
        ended = state or JobState.UNKNOWN
        records = tuple(self._records(job_id, name, ended))
        return Root(job_id, name, ended, link.type, records)

    def _records(self, job_id: str, name: str, state: JobState) -> Iterator[JobRecord]:
        """The job that has ended so: of this process, or one that its files tell of; nothing for a stranger."""
        seen = self.seen.get(job_id) or Observation(job_id, "absent")
        status = JobStatus(state, finished=True, exit_code=seen.exit_code, node=seen.node)
        for token, path, element in self._places(job_id):
            record = LoneRecord(
                self.site,
                self.operations,
                task_name=name,
                token=token,
                submission=Submitted(job_id, path),
                element=element,
            )
            record.observe(status)
            yield record

    def _places(self, job_id: str) -> Iterator[tuple[str, str, ArrayElement | None]]:
        known = self._ours(job_id)
        ours = [one for one in (known.records if known else ()) if one.id == job_id]
        if ours:
            yield from ((one.token, one.job_dir, one.element) for one in ours)
            return
        other, token = self._written(job_id), ""
        if other.layout is None:
            if other.path:
                yield str(other.metadata.get("token", token)), other.path, None
            return
        array, packed = ArrayDirectory(other.path), other.layout.pack > 1
        items = [path for one, path in other.elements(_number(job_id)) if one == job_id]
        for path in map(posixpath.dirname, items):
            index = int(posixpath.basename(path))
            yield token, path, ArrayElement(index, array, packed)

    def _links(self, job_id: str, own: WrittenJob) -> list[Link]:
        known = self._ours(job_id)
        clauses = [DependencyClause(one.type, one.ids) for one in known.waits_for] if known else []
        written = own.metadata.get("dependencies") or as_metadata(clauses)
        return [Link(str(one["job_id"]), one["type"]) for one in written]

    def _members(self, job_id: str, own: WrittenJob, link: Link) -> dict[str, str]:
        """The jobs a link is about, and the metadata file of each."""
        other = self._written(link.job_id)
        number = _number(link.job_id)
        if link.type == "aftercorr" and other.layout is not None and _number(job_id) in own.ids:
            number = other.ids[own.ids.index(_number(job_id))]
            task = job_id.partition("_")[2]
            return {one: path for one, path in other.elements(number) if one == f"{number}_{task}"}
        elements = dict(other.elements(number))
        if link.job_id in elements:
            return {link.job_id: elements[link.job_id]}
        known = self.known.get(link.job_id)
        of = known.records if known is not None and known.is_array else ()
        path = JobDirectory(other.path).metadata if other.path else ""
        members = {record.id: record.directory.metadata for record in of}
        return elements or members or {link.job_id: path}

    def _states(self, files: Mapping[str, str]) -> dict[str, JobState | None]:
        """How each of these jobs ended, None for one that did not; by its own word if need be."""
        if not files:
            return {}
        seen = [self._own(one) for one in self.site.backend.query_jobs(list(files))]
        self.seen.update((one.job_id, one) for one in seen)
        states = {one.job_id: _end_of(one) for one in seen}
        unknown = [job_id for job_id, state in states.items() if state is JobState.UNKNOWN]
        for job_id, content in zip(unknown, self._json([files[job_id] for job_id in unknown])):
            states[job_id] = STATE_OF_STATUS.get(str(content.get("status")))
            if states[job_id] is None:
                states[job_id] = self._state_by_records(job_id)
        return states

    def _state_by_records(self, job_id: str) -> JobState | None:
        """How a job ended that ran several items of an array, by what these have left; None where some left nothing."""
        other = self.written.get(_number(job_id))
        if other is None or other.layout is None or other.layout.pack == 1:
            return None
        items = {path for one, path in other.elements(_number(job_id)) if one == job_id}
        known, ended = Records(), {}
        try:
            for part in self.site.backend.read_records(
                ArrayDirectory(other.path).records, jobs=[job_id], bodies=False
            ):
                for one in known.of(part.name, frames_of(part.frames)):
                    ended[one.item] = one.successful
        except RemoteFileError:
            return None
        if not all(ended.values()):
            return JobState.FAILED
        return JobState.COMPLETED if len(ended) == len(items) else None

    def _own(self, seen: Observation) -> Observation:
        """What was seen of a job of this process, and not of another that has got its id."""
        known = self.known.get(seen.job_id)
        if known is None or known.is_array:
            return seen
        [record] = known.records
        return mark_of(record).own_or_reused(seen, record.status)

    def _written(self, job_id: str) -> WrittenJob:
        self._read([job_id])
        return self.written[_number(job_id)]

    def _read(self, job_ids: Iterable[str]) -> None:
        """Read what was submitted under these ids, in two round trips."""
        new = [n for n in dict.fromkeys(map(_number, job_ids)) if n not in self.written]
        base = self.site.job_base_dir
        receipts = self._json([receipt_of_job(base, number) for number in new])
        places = [self._place(number, receipt) for number, receipt in zip(new, receipts)]
        plain = [path and JobDirectory(path).metadata for path in places]
        arrays = [path and ArrayDirectory(path).metadata for path in places]
        contents = self._json([*plain, *arrays])
        for number, path, one, array in zip(new, places, contents, contents[len(new) :]):
            layout = (
                ArrayLayout(array["count"], array["pack"], array["max_array_size"])
                if all(isinstance(array.get(key), int) for key in LAYOUT)
                else None
            )
            self.written[number] = WrittenJob(path, array or one, layout)

    def _place(self, number: str, receipt: Mapping[str, Any]) -> str:
        known = self.known.get(number)
        return str(receipt.get("job_dir") or (known.job_dir if known else ""))

    def _json(self, paths: Sequence[str]) -> list[dict[str, Any]]:
        """These files' contents; nothing for one that cannot be read, or is no JSON object."""
        named = [path for path in paths if path]
        try:
            found = dict(zip(named, self.site.backend.read_files(named))) if named else {}
        except RemoteFileError:
            found = {}
        return [_object(found.get(path)) for path in paths]


def _number(job_id: str) -> str:
    return job_id.partition("_")[0]


def _object(data: bytes | None) -> dict[str, Any]:
    try:
        return parse_object(data or b"{}")
    except ValueError:
        return {}


def _end_of(seen: Observation) -> JobState | None:
    if seen.reason in NEVER_STARTS:
        return JobState.CANCELLED  # as it is about to be
    if seen.state in ENDED | ENDED_IF_IT_STAYS or seen.state is JobState.UNKNOWN:
        return seen.state
    return None
