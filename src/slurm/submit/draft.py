"""From a call to its requests: what has to be done first, and then the draft that they are made of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from slurm.errors import ConfigError, DependencyFailed, SubmissionError
from slurm.job_dir.metadata import rfc3339
from slurm.job_dir.paths import JobDirectory
from slurm.job_dir.runs import SubmissionClock
from slurm.packaging.sdk_archive import archive_for
from slurm.sbatch.dependency import merged
from slurm.submit.calls import ArrayCall, Call, is_of_key
from slurm.submit.packing import NodeFacts, PackedCall, PickledCall, pack, pickle_call
from slurm.submit.prepare import Draft, prepare, prepare_array
from slurm.tracking.listener import CallFacts, RequestFacts
from slurm.tracking.upstream import Dependency, Upstream, behind_empty

if TYPE_CHECKING:
    from slurm.api.requests import Archive, JobRequest
    from slurm.api.site import Site
    from slurm.rendering import Environment
    from slurm.sbatch.array_layout import ArrayLayout
    from slurm.submit.calls import TaskCall
    from slurm.submit.effects import ClusterFunctions, Effects, TaskPackaging
    from slurm.tracking.listener import Listener


clock: SubmissionClock = SubmissionClock()


class Placement(NamedTuple):
    """Where a job belongs: under `base`, as a child of the workflow job `parent` if there is one."""

    base: str
    parent: str | None = None


@dataclass(frozen=True)
class PreparedCall:
    """A call that has become requests: one for a job; for an array as many as Slurm takes to hold it.

    `facts`, `token` and `key` are the call's; `is_array` says which it is; `dependencies` are what its jobs depend on,
    `archive` the SDK's code that they run with, and `packaging` what has brought the user's there.
    """

    facts: CallFacts
    token: str
    requests: tuple[JobRequest, ...]
    dependencies: tuple[Dependency, ...]
    archive: Archive
    packaging: TaskPackaging
    array_size: int | None = None
    key: str | None = None

    @property
    def name(self) -> str:
        """The task's name."""
        return self.facts.task_name

    @property
    def about(self) -> RequestFacts:
        """What callbacks are told of it."""
        request = self.requests[0]
        return RequestFacts(
            request.job_dir,
            {**request.options, **request.submit_options},
            tuple(job_id for one in self.dependencies for job_id in one.ids),
            self.array_size,
            self.token,
            tuple(request.lookup for request in self.requests),
            is_of_key(self.token),
        )


class Drafter:
    """Drafts the requests of calls to one site, with or without the `effects` that a submission has."""

    def __init__(
        self,
        site: Site,
        listener: Listener,
        functions: ClusterFunctions,
        placement: Placement | None,
        effects: Effects,
    ) -> None:
        self._site = site
        self._listener = listener
        self._functions = functions
        self._placement = placement
        self._effects = effects

    def call(self, call: TaskCall) -> PreparedCall:
        """A call of a task. Raises where it cannot travel."""
        if any(dependency.type == "aftercorr" for dependency in call.after):
            raise ConfigError(
                f"{call.task.name}.aftercorr() pairs the elements of two arrays: call .map(items) on it"
            )
        packaging = self._functions.packaging_of(call.task)
        draft, dependencies, archive = self._drafted(call, packaging)
        return PreparedCall(
            self._facts(call),
            call.token,
            (prepare(draft),),
            dependencies,
            archive,
            packaging,
            key=call.key,
        )

    def array(self, call: ArrayCall, pickled: PickledCall, layout: ArrayLayout) -> PreparedCall:
        """A call of a mapped task, as it was `pickled` when it was made. Raises where it cannot travel."""
        packaging = self._functions.packaging_of(call.task)
        draft, dependencies, archive = self._drafted(call, packaging, pickled)
        for dependency in dependencies:
            if dependency.type == "aftercorr" and dependency.on.layout != layout:
                raise ConfigError(
                    f"{call.task.name}.aftercorr() pairs the elements of two arrays with the same number of "
                    f"items and the same pack: {dependency.on!r} is not such an array"
                )
        requests = prepare_array(draft, layout)
        return PreparedCall(
            self._facts(call),
            call.token,
            requests,
            dependencies,
            archive,
            packaging,
            layout.count,
        )

    def _facts(self, call: Call) -> CallFacts:
        parent = self._placement.parent if self._placement else None
        return CallFacts(call.task.name, call.task.is_workflow, parent)

    def _drafted(
        self, call: Call, packaging: TaskPackaging, pickled: PickledCall | None = None
    ) -> tuple[Draft, tuple[Dependency, ...], Archive]:
        task, effects, base = call.task, self._effects, self._effects.base()
        archive = archive_for(base)
        environment = effects.environment(self._facts(call), packaging)
        to = self._destination(call, environment, base, packaging.name)
        pickled = pickled or pickle_call(call, to.large_from, effects.placeholder)
        packed = pack(call, pickled, to, effects.placeholder)
        each_once = {(id(one.on), one.type): one for one in (*_found(packed, call), *call.after)}
        found = tuple(each_once.values())
        effects.submit_waiting(found)
        empty, others = _without_empty(task.name, found)
        self._require_same_place(task.name, others)
        effects.confirm(task.name, others)
        needed = merged((one, effects.clause(one)) for one in others)
        dependencies = (*empty, *(dependency for dependency, _ in needed))
        moment = clock.now()
        draft = Draft(
            name=task.name,
            token=call.token,
            options=call.options,
            site_options=self._site.submit_defaults,
            directory=JobDirectory.fresh(
                self._placement.base if self._placement else base, task.name, moment
            ),
            environment=to.environment,
            files=packed.files,
            sdk_directory=archive.directory,
            event_dir=self._site.event_dir_under(base),
            at=rfc3339(moment),
            is_workflow=task.is_workflow,
            parent=self._facts(call).parent_workflow,
            large=packed.large,
            clauses=tuple(clause for _, clause in needed),
            result_grace=self._site.result_grace,
            max_concurrent=call.max_concurrent if isinstance(call, ArrayCall) else None,
            item_dirs=isinstance(call, ArrayCall) and call.item_dirs,
            packaging=packaging.name,
        )
        return draft, dependencies, archive

    def _destination(
        self, call: Call, environment: Environment, base: str, packaging: str
    ) -> NodeFacts:
        is_workflow, backend = call.task.is_workflow, self._site.backend
        callbacks, copied = self._listener.pack(is_workflow)
        return NodeFacts(
            environment,
            callbacks,
            copied,
            children=(
                self._functions.children_of(environment.inherited, base) if is_workflow else {}
            ),
            shares_filesystem=backend.shares_filesystem,
            large_from=backend.large_from,
            python=lambda: self._effects.python(environment),
            packaging=packaging,
        )

    def _require_same_place(self, name: str, dependencies: Sequence[Dependency]) -> None:
        for dependency in dependencies:
            if not dependency.on.is_submitted:
                continue  # of a dry run
            job = dependency.on.records[0]
            if job.site.place != self._site.place:
                raise SubmissionError(
                    f"{name} cannot depend on job {','.join(dependency.ids)} ({job.task_name}): that one is on "
                    f"{job.site}, and this would be on {self._site}"
                )


def _without_empty(
    name: str, found: Sequence[Dependency]
) -> tuple[Sequence[Dependency], Sequence[Dependency]]:
    """Those on arrays without items, and the others, with what is waited for by way of the first.

    Raises `DependencyFailed` for what waits until such an array fails.
    """
    empty = [one for one in found if one.on.is_empty]
    for one in empty:
        if one.type == "afternotok":
            raise DependencyFailed(
                f"{name} was not submitted: it waits for afternotok of {one.on!r}, and an array without items "
                "cannot fail"
            )
    behind = [*found, *behind_empty(empty)]
    return empty, [one for one in behind if not one.on.is_empty]


def _found(packed: PackedCall, call: Call) -> Iterator[Dependency]:
    """The dependencies that stand in the arguments."""
    array = _counterpart(packed, call)
    if array is not None:
        yield Dependency(array, "aftercorr", argument=True)
        return
    for jobs in packed.found:
        yield from map(Dependency, jobs)


def _counterpart(packed: PackedCall, call: Call) -> Upstream | None:
    """The array of which each item of this one takes the element with its own index, if that is so."""
    if not isinstance(call, ArrayCall):
        return None
    elements = [jobs[0].element for jobs in packed.found if len(jobs) == 1]
    arrays = {element.group if element is not None else None for element in elements}
    array = arrays.pop() if len(arrays) == 1 else None
    layout = array.layout if array is not None else None
    if layout is None or (layout.pack, layout.count) != (call.pack, len(packed.found)):
        return None
    indices = [element.index for element in elements if element is not None]
    return array if indices == list(range(layout.count)) else None
