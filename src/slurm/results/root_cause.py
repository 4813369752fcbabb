"""At which jobs chains of jobs that never started began: asked of the scheduler and of the jobs' files."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from slurm.agent.record_frames import frames_of
from slurm.api.requests import Submitted
from slurm.errors import RemoteFileError, SchedulerUnreachable
from slurm.job_dir.item_records import Records
from slurm.job_dir.paths import ArrayDirectory
from slurm.results.known_jobs import Known, known_above
from slurm.results.written_jobs import WrittenJob, WrittenJobs, number_of
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

if TYPE_CHECKING:
    from slurm.api.site import Site
    from slurm.tracking.record import JobOperations

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


class Link(NamedTuple):
    """One thing a job waits for, as ``metadata.json`` has it: a job or an array, and the `type`."""

    job_id: str
    type: str


class Member(NamedTuple):
    """A job that a link is about, and its metadata file."""

    job_id: str
    file: str


def root_of(job: JobRecord) -> Root | None:
    """The job because of which `job` never started; None where nobody can tell. See `roots_of`."""
    return roots_of([job])[0]


def roots_of(
    jobs: Sequence[JobRecord], known: MutableMapping[str, Root] | None = None
) -> list[Root | None]:
    """For each of these jobs of one cluster the one because of which it never started; None where nobody can tell.

    `known` has roots that were found before, by the token of the job that never started: the search ends at such a job, and
    what it finds is added. So the jobs of a chain may be asked for one after the other.

    Asks the scheduler once for every step up the chains, however many jobs there are, reads their files, and waits for
    nothing, so it may run in any thread. Raises `TransportError`.
    """
    known = {} if known is None else known
    search = _Search(jobs)
    deadline = time.monotonic() + LONGEST_SEARCH
    above: dict[str, Root | None] = {}
    next_ones = {job.id for job in jobs}
    try:
        while next_ones and time.monotonic() < deadline:
            above.update(search.broken_links_of(next_ones))
            links = [root for root in map(above.get, next_ones) if root is not None]
            above.update(_found_before(links, known))
            next_ones = {root.job_id for root in links} - set(above)
    except SchedulerUnreachable:
        return [_last(job.id, above) for job in jobs]  # what was found so far is true
    found = [_last(job.id, above) for job in jobs]
    known.update((job.token, root) for job, root in zip(jobs, found) if root is not None)
    return found


def _found_before(links: Iterable[Root], known: Mapping[str, Root]) -> Iterator[tuple[str, Root]]:
    """Those of the jobs before others of which it is known already why they never started themselves."""
    for link in links:
        tokens = [record.token for record in link.records[:1]]
        if tokens and tokens[0] in known:
            yield link.job_id, known[tokens[0]]


def _last(job_id: str, above: Mapping[str, Root | None]) -> Root | None:
    """The end of the chain that begins at a job."""
    root, seen = None, {job_id}
    while (link := above.get(job_id)) is not None and link.job_id not in seen:
        root, job_id = link, link.job_id
        seen.add(job_id)
    return root


class _Search:
    """One search: what it has read and been told so far."""

    def __init__(self, jobs: Sequence[JobRecord]) -> None:
        self.site: Site = jobs[0].site
        self.operations: JobOperations = jobs[0].operations
        self.known = known_above(jobs)
        self.written = WrittenJobs(self.site, {n: one.job_dir for n, one in self.known.items()})
        self.seen: dict[str, Observation] = {}
        self.states: dict[str, JobState | None] = {}
        self._members: dict[tuple[Link, str], Sequence[Member]] = {}
        self._judged: dict[tuple[Link, str], Root | None] = {}
        self._of_array: dict[int, dict[str, list[JobRecord]]] = {}

    def _ours(self, job_id: str) -> Known | None:
        return self.known.get(job_id) or self.known.get(number_of(job_id))

    def broken_links_of(self, job_ids: Collection[str]) -> dict[str, Root | None]:
        """For each of these jobs the first of those before it that did not end as it had to."""
        self.written.read(job_ids)
        links = {one: self._links(one) for one in job_ids}
        self.written.read({link.job_id for some in links.values() for link in some})
        about = {one: [(link, self._which(one, link)) for link in links[one]] for one in job_ids}
        new = {pair for pairs in about.values() for pair in pairs} - set(self._members)
        self._members.update((pair, self._members_of(*pair)) for pair in new)
        self._learn_states([one for pair in new for one in self._members[pair]])
        self._judged.update((pair, self._judge(*pair)) for pair in new)
        return {
            one: next((root for pair in about[one] if (root := self._judged[pair])), None)
            for one in job_ids
        }

    def _judge(self, link: Link, which: str) -> Root | None:
        ended = {one.job_id: self.states.get(one.job_id) for one in self._members[link, which]}
        if link.type in ("afterok", "aftercorr"):
            for job_id, state in ended.items():
                if state not in (None, JobState.COMPLETED):
                    return self._root(job_id, state, link)
        elif link.type == "afternotok" and set(ended.values()) == {JobState.COMPLETED}:
            return self._root(link.job_id, JobState.COMPLETED, link)
        return None

    def _root(self, job_id: str, state: JobState | None, link: Link) -> Root:
        known = self._ours(job_id)
        name = self.written.of(job_id).metadata.get("task_name", "")
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
        ours = self._by_id(known).get(job_id, []) if known else []
        if ours:
            yield from ((one.token, one.job_dir, one.element) for one in ours)
            return
        other = self.written.of(job_id)
        if other.layout is None:
            if other.path:
                yield str(other.metadata.get("token", "")), other.path, None
            return
        array, packed = ArrayDirectory(other.path), other.layout.pack > 1
        for index in other.items(number_of(job_id)).get(job_id, ()):
            yield "", other.directory_of(index), ArrayElement(index, array, packed)

    def _by_id(self, known: Known) -> Mapping[str, Sequence[JobRecord]]:
        """The records of an array by the ids of its jobs: each item that failed by itself asks for its own."""
        found = self._of_array.get(id(known.records))
        if found is None:
            found = self._of_array[id(known.records)] = {}
            for record in known.records:
                found.setdefault(record.id, []).append(record)
        return found

    def _links(self, job_id: str) -> list[Link]:
        known, own = self._ours(job_id), self.written.of(job_id)
        clauses = [DependencyClause(one.type, one.ids) for one in known.waits_for] if known else []
        written = own.metadata.get("dependencies") or as_metadata(clauses)
        return [Link(str(one["job_id"]), one["type"]) for one in written]

    def _which(self, job_id: str, link: Link) -> str:
        """The one job of an array that this job waits for; empty where it waits for all of it, as most do."""
        other, own = self.written.of(link.job_id), self.written.of(job_id)
        if link.type != "aftercorr" or other.layout is None or number_of(job_id) not in own.ids:
            return ""
        number = other.ids[own.ids.index(number_of(job_id))]
        return f"{number}_{job_id.partition('_')[2]}"

    def _members_of(self, link: Link, which: str) -> Sequence[Member]:
        """The jobs a link is about; if it is one of an array's, that."""
        other = self.written.of(link.job_id)
        if which:
            return _members_in(other, which, number_of(which))
        items = other.items(number_of(link.job_id))
        if link.job_id in items:
            return _members_in(other, link.job_id, number_of(link.job_id))
        if items:
            return [Member(one, other.file_of(some[-1])) for one, some in items.items()]
        known = self.known.get(link.job_id)
        of = self._by_id(known) if known is not None and known.is_array else {}
        members = [Member(one, some[-1].directory.metadata) for one, some in of.items()]
        return members or [Member(link.job_id, other.file)]

    def _learn_states(self, members: Sequence[Member]) -> None:
        """How each of these jobs ended, None for one that did not; by its own word if need be."""
        files = {one.job_id: one.file for one in members if one.job_id not in self.states}
        if not files:
            return
        seen = [self._own(one) for one in self.site.backend.query_jobs(list(files))]
        self.seen.update((one.job_id, one) for one in seen)
        self.states.update((one.job_id, _end_of(one)) for one in seen)
        unknown = [job_id for job_id in files if self.states.get(job_id) is JobState.UNKNOWN]
        contents = self.written.objects([files[job_id] for job_id in unknown])
        for job_id, content in zip(unknown, contents):
            written = STATE_OF_STATUS.get(str(content.get("status")))
            self.states[job_id] = written or self._state_by_records(job_id)

    def _state_by_records(self, job_id: str) -> JobState | None:
        """How a job ended that ran several items of an array, by what these have left; None where some left nothing."""
        other = self.written.of(job_id)
        if other.layout is None or other.layout.pack == 1:
            return None
        items = other.items(number_of(job_id)).get(job_id, ())
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


def _members_in(other: WrittenJob, job_id: str, number: str) -> Sequence[Member]:
    return [Member(job_id, other.file_of(index)) for index in other.items(number)[job_id][-1:]]


def _end_of(seen: Observation) -> JobState | None:
    if seen.reason in NEVER_STARTS:
        return JobState.CANCELLED  # as it is about to be
    if seen.state in ENDED | ENDED_IF_IT_STAYS or seen.state is JobState.UNKNOWN:
        return seen.state
    return None
