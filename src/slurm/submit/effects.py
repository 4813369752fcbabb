"""What has to be done before the requests of a call can be made, and what a dry run shows in the place of that."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from slurm.errors import SlurmError
from slurm.job_dir.placeholder import JobResultPlaceholder
from slurm.packaging.python_version import python_of
from slurm.sbatch.dependency import DependencyClause

if TYPE_CHECKING:
    from slurm.api.site import Site
    from slurm.rendering import Environment
    from slurm.submit.calls import CalledTask
    from slurm.submit.packing import PythonVersion
    from slurm.tracking.listener import CallFacts, Listener
    from slurm.tracking.record import JobRecord
    from slurm.tracking.upstream import Dependency, Upstream


class TaskPackaging(Protocol):
    """How the code of one task gets to one cluster."""

    @property
    def name(self) -> str:
        """Under which configuration knows it."""

    def prepare(self) -> Environment:
        """Bring the code there. Raises `PackagingError`, `ConfigError`."""

    def prepare_again(self, gone: Sequence[str]) -> Environment:
        """`prepare`, after these paths were found not to be there any more. Raises the same."""

    def preview(self) -> Environment:
        """What `prepare` would return, with nothing done for it; what only doing it would tell stands in ``<>``."""


class ClusterFunctions(NamedTuple):
    """What only a `Cluster` can do for whoever submits to it.

    - `packaging_of`: how a task's code gets there; `children_of`: the configuration of a workflow's own cluster, by
      the packaging its jobs inherit and the directory for jobs.
    - `job_of`, `array_of`: the future of a job, by its record; of an array, by its task's name and what it is.
    - `is_closed`: whether nothing may be submitted any more.
    """

    packaging_of: Callable[[CalledTask], TaskPackaging]
    children_of: Callable[[Mapping[str, Any] | None, str], dict[str, Any]]
    job_of: Callable[[JobRecord], Any]
    array_of: Callable[[str, Any], Any]
    is_closed: Callable[[], bool]


class Effects:
    """Done for a call that is about to be submitted: code is packaged, and arrays it waits for are submitted."""

    def __init__(self, site: Site, listener: Listener) -> None:
        self._site = site
        self._listener = listener

    def base(self) -> str:
        """The directory for jobs, absolute."""
        return self._site.job_base_dir

    def python(self, environment: Environment) -> PythonVersion | None:
        """The version of the Python that a job runs with; None where nobody can tell."""
        return python_of(environment, self._site)

    def environment(self, call: CallFacts, packaging: TaskPackaging) -> Environment:
        """How user code gets to run there."""
        with self._listener.packaging(call, packaging.name):
            return packaging.prepare()

    def placeholder(self, upstream: Upstream) -> JobResultPlaceholder:
        """What stands for a job or an array among the arguments."""
        return upstream.placeholder()

    def submit_waiting(self, dependencies: Iterable[Dependency]) -> None:
        """Have the arrays submitted that are waited for."""
        for dependency in dependencies:
            _ = dependency.ids

    def confirm(self, name: str, dependencies: Sequence[Dependency]) -> None:
        """Have those looked at of which nothing was heard lately: their ids may be other jobs' by now.

        Raises `DependencyFailed` where `name` could never start and the scheduler may not be asked to see to that.
        """
        with contextlib.suppress(SlurmError):  # nobody answers: what is known has to do
            for dependency in dependencies:
                dependency.on.known.confirm()
        for dependency in dependencies:
            if dependency.hopeless:
                from slurm.submit.refusals import hopeless

                raise hopeless(name, dependency)

    def clause(self, dependency: Dependency) -> DependencyClause:
        """What has to come before, in sbatch's words."""
        return dependency.clause


class NoEffects(Effects):
    """For a dry run: nothing is packaged, sent or submitted, and what only that would tell is named in ``<>``.

    The cluster is asked who it is where that has to be known; it need not answer.
    """

    def __init__(self, site: Site, listener: Listener) -> None:
        super().__init__(site, listener)
        self._numbers: dict[
            str, dict[int, int]
        ] = {}  # of what is not submitted, by name and identity

    def base(self) -> str:
        return self._site.shown_base

    def python(self, environment: Environment) -> PythonVersion | None:
        try:
            return python_of(environment, self._site, dry=True)
        except SlurmError:
            return None

    def environment(self, call: CallFacts, packaging: TaskPackaging) -> Environment:
        return packaging.preview()

    def placeholder(self, upstream: Upstream) -> JobResultPlaceholder:
        if upstream.is_submitted or upstream.is_empty:
            return upstream.placeholder()
        return JobResultPlaceholder(self._shown(upstream))

    def submit_waiting(self, dependencies: Iterable[Dependency]) -> None:
        pass

    def confirm(self, name: str, dependencies: Sequence[Dependency]) -> None:
        pass

    def clause(self, dependency: Dependency) -> DependencyClause:
        if dependency.on.is_submitted:
            return dependency.clause
        return DependencyClause(dependency.type, (self._shown(dependency.on),))

    def _shown(self, upstream: Upstream) -> str:
        """In the place of an id: ``<scale>``, and ``<scale 2>`` for another one of that name."""
        same = self._numbers.setdefault(upstream.task_name, {})
        number = same.setdefault(id(upstream), len(same) + 1)
        return f"<{upstream.task_name} {number}>" if number > 1 else f"<{upstream.task_name}>"
