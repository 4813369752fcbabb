"""A cluster: where tasks are submitted to, and how."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeVar, cast

from slurm import context, forks
from slurm.config.checks import check_flag, own_copy
from slurm.errors import ConfigError, SlurmError
from slurm.job_dir.paths import RESULT_GRACE
from slurm.job_dir.tracebacks import UsersFrames
from slurm.sbatch.options import normalise

if TYPE_CHECKING:
    import argparse
    import datetime

    from slurm.api.base import BackendBase
    from slurm.api.cleaned_up import CleanedUp
    from slurm.api.requests import JobRequest
    from slurm.api.site import Site
    from slurm.array_job import ArrayJob
    from slurm.callbacks.base import BaseCallback
    from slurm.config.slurmfile import ClusterSettings
    from slurm.executor import JobExecutor
    from slurm.job import Job
    from slurm.packaging.by_name import PackagingConfig
    from slurm.results.job_operations import ClusterOperations
    from slurm.submit.arrays import WaitingArray
    from slurm.submit.batch import Batch
    from slurm.submit.calls import CalledTask
    from slurm.submit.effects import TaskPackaging
    from slurm.submit.submitter import Submitter
    from slurm.task import SlurmTask
    from slurm.tracking.listener import Listener
    from slurm.tracking.record import JobRecord
    from slurm.tracking.submitted_array import SubmittedArray

R = TypeVar("R")


class Cluster:
    """A place to run jobs: ``local`` (this machine), ``slurm`` (a login node), ``ssh``, or a `BackendBase`.

    - `job_base_dir`: where job directories go, on the cluster; ``~`` is the home there. Default ``~/slurm_jobs``.
    - `packaging`: how user code gets there: a name, a mapping with ``type``, or a `PackagingStrategy`.
    - `submit`: sbatch options for every job that does not say otherwise.
    - `python`: the interpreter on the cluster (default: this one where files are shared, else ``python3``).
    - `poll_interval_min`, `poll_interval_max`: seconds between two questions to the scheduler.
    - `result_grace`: seconds for which a result may appear later than its job has ended, on a slow file system.
    - `callbacks`: who is told what happens, see `slurm.callbacks`; a tuple of them afterwards.
    - `cancel_on_interrupt`: whether Ctrl-C in a wait cancels the jobs that are waited for.
    - `backend_options`: what the backend takes; for ssh ``hostname``, ``username``, ``port``,
      ``identity_file``, ``known_hosts_file``, ``config_file``, ``connect_timeout``, ``reconnect_timeout``; for local
      ``max_cpus``, ``max_mem``, ``max_array_size``, ``state_dir``, ``idle_timeout``.

    Raises `ConfigError` for what it does not understand. Connects on first use. Leaving
    ``with cluster:`` ends the context, not the connection: futures go on resolving until `close`.
    A forked child goes on with a connection of its own.

    >>> from slurm import Cluster, task
    >>> @task(mem="500M")
    ... def double(number: int) -> int:
    ...     return 2 * number
    >>> with Cluster("local") as cluster:
    ...     job = double(21)
    >>> job.get_result()
    42
    """

    @UsersFrames()
    def __init__(  # noqa: PLR0913 - they are keys of a Slurmfile
        self,
        backend_type: str | BackendBase = "local",
        *,
        job_base_dir: str | os.PathLike[str] | None = None,
        packaging: PackagingConfig = None,
        submit: Mapping[str, Any] | None = None,
        python: str | None = None,
        poll_interval_min: float | None = None,
        poll_interval_max: float | None = None,
        result_grace: float = RESULT_GRACE,
        callbacks: Iterable[BaseCallback] = (),
        cancel_on_interrupt: bool = False,
        **backend_options: Any,
    ) -> None:
        # Late: most of the SDK, futures included, and many a process that imports this class makes none. All of it here:
        # a child that is forked while a thread imports a module waits for that thread for ever.
        from slurm.api import by_name
        from slurm.job import Job
        from slurm.packaging.by_name import strategy_of
        from slurm.results.job_operations import ClusterOperations
        from slurm.submit.arrays import ArrayBlocks
        from slurm.submit.effects import ClusterFunctions
        from slurm.submit.submitter import Submitter
        from slurm.tracking.listener import Listener

        by_name.name_of(backend_type)  # before anything else is looked at
        strategy_of(packaging)
        self.packaging: PackagingConfig = own_copy(packaging)
        check_flag("cancel_on_interrupt", cancel_on_interrupt)
        self.cancel_on_interrupt: bool = cancel_on_interrupt
        self.site: Site = by_name.make_site(
            backend_type,
            backend_options,
            job_base_dir=job_base_dir,
            python=python,
            submit_defaults=normalise(submit or {}),
            poll_interval_min=poll_interval_min,
            poll_interval_max=poll_interval_max,
            result_grace=result_grace,
        )
        self.backend_type: str = self.site.name
        self.python: str = self.site.python
        self.callbacks: tuple[BaseCallback, ...] = ()
        self._listener: Listener = Listener()
        if not isinstance(callbacks, (tuple, list)) or callbacks:
            from slurm.callbacks.client import heard_by  # late: without any, none of it is loaded

            self.callbacks, self._listener = heard_by(callbacks, self._held_job_of, self)
        self.operations: ClusterOperations = ClusterOperations(
            self.site,
            self._listener,
            cancel_on_interrupt=lambda: self.cancel_on_interrupt,
            begun=lambda: forks.at_exit(self.close),
        )
        self.submitter: Submitter = Submitter(
            self.site,
            self.operations,
            self._listener,
            ClusterFunctions(
                packaging_of=self._packaging_of,
                children_of=lambda inherited, base: self.site.of_children(
                    inherited or strategy_of(self.packaging).inherited(), base
                ),
                job_of=self._job_of,
                array_of=self._array_of,
                is_closed=lambda: self._closed,
            ),
        )
        self._new_job: Callable[[JobRecord], Job[Any]] = functools.partial(Job, self)
        self._closed = False
        self._blocks = ArrayBlocks()

    @property
    def backend(self) -> BackendBase:
        """How the cluster is reached, chosen when it was made.

        >>> cluster.backend.file_exists(job.directory.result)
        True
        """
        return self.site.backend

    @property
    def submit_defaults(self) -> Mapping[str, str | None]:
        """The sbatch options of every job that does not say otherwise.

        >>> Cluster("local", submit={"mem": "2G"}).submit_defaults
        {'mem': '2G'}
        """
        return self.site.submit_defaults

    @classmethod
    @UsersFrames()
    def from_env(
        cls,
        name_or_path: str | os.PathLike[str] | None = None,
        *,
        env: str | None = None,
        overrides: Mapping[str, Any] | None = None,
        callbacks: Iterable[BaseCallback] | None = None,
    ) -> Cluster:
        r"""The cluster that ``Slurmfile.toml`` describes.

        `name_or_path` is a Slurmfile, a folder that holds one, or the name of an environment in the
        one found from the working directory upwards (or named by ``SLURMFILE``). `env` picks the
        environment in it (default: ``SLURM_ENV``, else ``default``); `overrides` are arguments of
        `Cluster` that win over the file, as `callbacks` do over those it names. Raises `ConfigError`.

        >>> from pathlib import Path
        >>> content = '[default.cluster]\nbackend = "local"\n[test.cluster]\njob_base_dir = "~/tests"\n'
        >>> _ = Path("Slurmfile.toml").write_text(content)
        >>> Cluster.from_env()
        <Cluster local ~/slurm_jobs>
        >>> Cluster.from_env("test")
        <Cluster local ~/tests>
        """
        from slurm.config.slurmfile import cluster_settings

        if callbacks is not None:
            overrides = {**(overrides or {}), "callbacks": callbacks}
        try:
            arguments = _with_objects(cluster_settings(name_or_path, env=env, overrides=overrides))
        except ConfigError as error:
            if context.is_loading_script():
                from slurm.submit.refusals import no_main_guard

                raise no_main_guard("makes its cluster", str(error)) from None
            raise
        return cls(**arguments)

    @staticmethod
    def add_argparse_args(parser: argparse.ArgumentParser) -> None:
        """Add the options that choose a cluster, the same for every program.

        >>> from argparse import ArgumentParser
        >>> parser = ArgumentParser()
        >>> Cluster.add_argparse_args(parser)
        >>> parser.parse_args(["--backend", "ssh", "--hostname", "login"]).hostname
        'login'
        """
        from slurm.config.command_line import add_argparse_args

        add_argparse_args(parser)

    @classmethod
    @UsersFrames()
    def from_args(cls, args: argparse.Namespace) -> Cluster:
        """The cluster chosen on a command line that `add_argparse_args` prepared. Raises `ConfigError`.

        >>> from argparse import ArgumentParser
        >>> parser = ArgumentParser()
        >>> Cluster.add_argparse_args(parser)
        >>> Cluster.from_args(parser.parse_args(["--backend", "local"]))
        <Cluster local ~/slurm_jobs>
        """
        from slurm.config.command_line import chosen_from

        chosen = chosen_from(args)
        if chosen.without_file:
            return cls(**chosen.overrides)
        return cls.from_env(chosen.slurmfile, env=chosen.env, overrides=chosen.overrides)

    def __enter__(self) -> Cluster:
        token = context.set_active_context(self)
        self._blocks.begin(functools.partial(context.reset_active_context, token))
        return self

    @UsersFrames()
    def __exit__(self, kind: type[BaseException] | None, *error: object) -> Literal[False]:
        self._blocks.end(failed=kind is not None)
        return False  # what was raised in the block goes on

    @UsersFrames()
    def activate(self) -> Cluster:
        """Have tasks that are called outside of any block submit to this cluster, in all threads; the same cluster again.

        It is for notebooks and prompts, whose cells have no ``with`` around them. It ends with `deactivate`, with `close`, and
        when another cluster is activated. Inside of ``with other:`` that one is active. Raises `ConfigError` where a script or
        module does so that is only being loaded by a job, and `SlurmError` for a cluster that was closed.

        >>> active = cluster.activate()
        >>> double(21).get_result()
        42
        >>> cluster.deactivate()
        """
        if context.is_loading_script():
            from slurm.submit.refusals import no_main_guard

            raise no_main_guard("activates a cluster")
        if self.closed:
            raise SlurmError(f"{self!r} was closed: make another one")
        context.set_default_context(self)
        return self

    def deactivate(self) -> None:
        """End what `activate` began, and submit the mapped arrays that nobody has used yet.

        Where another cluster was activated since, that stays as it is.

        >>> cluster.deactivate()
        """
        if context.is_default_context(self):
            context.set_default_context(None)
            with UsersFrames():
                self.submit_waiting()

    @UsersFrames()
    def submit_waiting(self, *, failed: bool = False) -> None:
        """Submit the mapped arrays that nobody has used yet; the end of a context does.

        After a context has `failed`, they are given up instead.

        >>> array = cluster.map(double, [1, 2, 3], pack=3)
        >>> array.is_submitted
        False
        >>> cluster.submit_waiting()
        >>> array.is_submitted
        True
        """
        self._blocks.end_all(failed=failed)

    @UsersFrames(TypeError)
    def submit(
        self,
        task: SlurmTask[..., R],
        *,
        after: Job[Any] | ArrayJob[Any] | Sequence[Job[Any] | ArrayJob[Any]] = (),
        key: str | None = None,
        **sbatch_options: Any,
    ) -> Callable[..., Job[R]]:
        """A submitter for `task` on this cluster: ``cluster.submit(train, mem="8G")(arguments)``.

        `after`, `key` and the sbatch options are those of `SlurmTask.after`, `SlurmTask.submit` and
        `SlurmTask.with_options`. Raises `ConfigError`; its submitter raises `SubmissionError`.

        >>> cluster.submit(double, time="5")(21).get_result()
        42
        """
        _check_task("submit", task)
        from slurm.tracking.upstream import jobs_in

        return task.after(*jobs_in(after)).submit(self, key=key, **sbatch_options)

    def batch(self) -> Batch:
        """``with cluster.batch():`` submits the tasks that are called inside in one round trip, at its end.

        Their futures can be passed on at once. Where one is used earlier (its `id`, a wait, another
        task's argument), all that was called so far is submitted, so that a pipeline takes as many
        round trips as it has stages. A call that cannot travel raises where it stands; the end of the
        block raises the first refusal of the scheduler's, when the other jobs have been submitted. A
        block that is left by an exception submits nothing more. Arrays are submissions of their own.

        >>> with cluster.batch():
        ...     jobs = [double(number) for number in range(3)]
        >>> [job.get_result() for job in jobs]
        [0, 2, 4]
        """
        from slurm.submit.batch import Batch  # late: many programs batch nothing

        return Batch(self)

    @UsersFrames(TypeError)
    def map(
        self,
        task: SlurmTask[..., R],
        items: Iterable[Any],
        max_concurrent: int | None = None,
        *,
        pack: int = 1,
        item_dirs: bool = False,
        after: Job[Any] | ArrayJob[Any] | Sequence[Job[Any] | ArrayJob[Any]] = (),
        **sbatch_options: Any,
    ) -> ArrayJob[R]:
        """`SlurmTask.map` on this cluster, whatever context is active; see there.

        >>> cluster.map(double, [1, 2, 3], pack=3, time="5").get_results()
        [2, 4, 6]
        """
        from slurm.submit.calls import array_call_of

        _check_task("map", task)
        from slurm.tracking.upstream import jobs_in

        bound = task.after(*jobs_in(after)).with_options(**sbatch_options)
        call = array_call_of(bound, items, max_concurrent, pack, item_dirs)
        return cast("ArrayJob[R]", self.submitter.map(call))

    @UsersFrames()
    def executor(self, **sbatch_options: Any) -> JobExecutor:
        """A `concurrent.futures.Executor` whose calls run as jobs of this cluster.

        Raises `ConfigError` for an option that sbatch does not have.

        >>> from concurrent.futures import Executor
        >>> isinstance(cluster.executor(time="5"), Executor)
        True
        """
        from slurm.executor import JobExecutor

        return JobExecutor(self, normalise(sbatch_options))

    @UsersFrames(TypeError)
    def dry_run(self, task: SlurmTask[Any, Any], /, *args: Any, **kwargs: Any) -> JobRequest:
        """The request that calling `task` would submit; print it to see the script and the command.

        Nothing is packaged, sent or submitted for it. What only that would tell is named in ``<>``: the
        environment of a wheel, the id of an array that is not submitted yet.

        >>> request = cluster.dry_run(double.with_options(mem="2G"), 21)
        >>> request.options["mem"]
        '2G'
        >>> print(request)
        sbatch ...
        #SBATCH --mem=2G
        ...
        """
        from slurm.submit.calls import call_of

        _check_task("dry_run", task)
        return self.submitter.preview(call_of(task, args, kwargs))

    @property
    @UsersFrames()
    def job_base_dir(self) -> str:
        """The absolute directory on the cluster under which job directories are made.

        Raises `ConfigError` for one that neither is absolute nor starts with ``~/``.

        >>> Cluster("ssh", hostname="login", job_base_dir="/scratch/me/jobs").job_base_dir
        '/scratch/me/jobs'
        """
        return self.site.job_base_dir

    def drain_callbacks(self, timeout: float | None = None) -> bool:
        """Wait until the callbacks were told all that has happened so far, at most `timeout` seconds.

        Returns whether they were. Called in a hook, it cannot wait for that hook and returns False.

        >>> Cluster("local").drain_callbacks()
        True
        """
        from slurm.tracking.deadline import seconds_of

        with UsersFrames(TypeError, ValueError):
            seconds = seconds_of(timeout)
        return self._listener.drain(seconds)

    def get_job(self, job_id: str | int) -> Job[Any]:
        """The job with this id, submitted by this client or an earlier one under this `job_base_dir`.

        Raises `RemoteFileMissing` when no such job was submitted from here.

        >>> cluster.get_job(job.id).get_result()
        42
        """
        from slurm.submit.reattach import job_with_id

        with UsersFrames():
            job: Job[Any] = job_with_id(str(job_id), self.submitter)
        return job

    def get_array(self, job_id: str | int) -> ArrayJob[Any]:
        """The array with this id, submitted by this client or an earlier one under this `job_base_dir`.

        Raises `RemoteFileMissing` when no such array was submitted from here.

        >>> cluster.get_array(array.id).get_results()
        [2, 4, 6]
        """
        from slurm.submit.reattach import array_with_id

        with UsersFrames():
            array: ArrayJob[Any] = array_with_id(str(job_id), self.submitter)
        return array

    @UsersFrames()
    def get_queue(self) -> list[Mapping[str, Any]]:
        """The user's live jobs, whoever submitted them.

        >>> [row for row in cluster.get_queue() if row["job_id"] == job.id]  # it has ended
        []
        """
        return self.backend.get_queue()

    @UsersFrames()
    def get_cluster_info(self) -> Mapping[str, Any]:
        """The cluster's partitions and what they offer.

        >>> cluster.get_cluster_info()
        {...}
        """
        return self.backend.get_cluster_info()

    @UsersFrames()
    def clean_up(
        self, older_than: float | str | datetime.timedelta, dry_run: bool = True
    ) -> CleanedUp:
        """Remove what jobs have left below the `job_base_dir` and no job needs; or, unless `dry_run` is False, say what that is.

        The directory of a job, of an array, of a workflow with all its jobs goes when all in it have ended and nothing was
        done to it for `older_than`: seconds, a `datetime.timedelta`, or text such as ``"30d"``, ``"12h"``. With it go its
        receipts: it is not found again by its id, and a ``key`` of its submission makes a new job. What a job that has not
        ended waits for stays, and what is no job's of the SDK. Raises `ConfigError` for what is no age, `SchedulerUnreachable`
        where nobody can tell which jobs have not ended.

        >>> would = cluster.clean_up("30d")
        >>> would.jobs.removed, would.dry_run
        (0, True)
        >>> done = cluster.clean_up("30d", dry_run=False)
        """
        from slurm.config.ages import seconds_of

        check_flag("dry_run", dry_run)
        seconds = seconds_of("older_than", older_than)
        return self.backend.clean_up(self.job_base_dir, older_than=seconds, dry_run=dry_run)

    @property
    def closed(self) -> bool:
        """Whether `close` has been called: nothing more can be submitted.

        >>> Cluster("local").closed
        False
        """
        return self._closed

    @UsersFrames()
    def close(self) -> None:
        """Let go of the connection. Jobs go on; their futures stay as they are.

        Callbacks are told what they have not been told yet, which may take up to 10 seconds. A forked child that
        does not use the cluster leaves all of that to its parent.

        >>> Cluster("local").close()
        """
        if self.closed:
            return
        try:
            self.deactivate()
            self.submit_waiting()
        finally:
            self._closed = True
            self.operations.close()

    def __repr__(self) -> str:
        return str(self.site)

    def _repr_html_(self) -> str:
        """What a notebook shows: where jobs go, and with which options. Nothing is connected to."""
        from slurm.job_tree import cards, markup

        target = self.site.options.get("hostname") or self.backend_type
        is_active = (
            "closed" if self.closed else "here" if context.get_active_context() is self else "no"
        )
        options = ", ".join(f"{name}={value}" for name, value in self.submit_defaults.items())
        rows = [
            ("backend", self.backend_type),
            ("jobs in", f"<code>{markup.escaped(self.site.base)}</code>"),
            ("python", f"<code>{markup.escaped(self.python)}</code>"),
            ("active", is_active),
        ]
        rows += [("every job", markup.escaped(options))] if options else []
        return cards.card(f"Cluster {target}", rows)

    def _packaging_of(self, task: CalledTask) -> TaskPackaging:
        from slurm.packaging.base import PackagedTask
        from slurm.packaging.by_name import default_elsewhere, strategy_of

        packaging = task.packaging or self.packaging
        if packaging is None and self.backend.copies_code and not self.backend.shares_filesystem:
            packaging = default_elsewhere(task.unwrapped)
        return PackagedTask(strategy_of(packaging), cast("SlurmTask[Any, Any]", task), self)

    def _job_of(self, record: JobRecord) -> Job[Any]:
        return cast("Job[Any]", record.future(lambda: self._new_job(record)))

    def _held_job_of(self, record: JobRecord) -> Job[Any]:
        """The one that callbacks are told of until its end."""
        return cast("Job[Any]", record.future(lambda: self._new_job(record), hold=True))

    def _array_of(self, task_name: str, state: WaitingArray | SubmittedArray) -> ArrayJob[Any]:
        from slurm.array_job import ArrayJob  # late: many programs map nothing

        array: ArrayJob[Any] = ArrayJob(self, task_name, state)
        if not array.is_submitted:
            self.operations.begin()
            self._blocks.add(array)
        return array


def _check_task(method: str, task: object) -> None:
    """Raises ``TypeError`` for what is no task."""
    from slurm.task import SlurmTask  # late: whoever has a task has loaded it

    if not isinstance(task, SlurmTask):
        name = getattr(task, "__name__", type(task).__name__)
        raise TypeError(
            f"cluster.{method}() takes a task, not {name}: put @task before the function, or call task({name})"
            if callable(task)
            else f"cluster.{method}() takes a task, not a {name}"
        )


def _with_objects(settings: ClusterSettings) -> dict[str, Any]:
    """The arguments of `Cluster`, with objects in place of the names that a Slurmfile has."""
    from slurm.packaging.by_name import strategy_of

    with settings.naming_the_file():
        strategy_of(settings.packaging), normalise(settings.submit)
    if not (settings.callbacks or settings.track):
        return settings.arguments
    from slurm.callbacks.hooks import instances, tracked

    made: Any = settings.arguments.get("callbacks", [])
    if settings.callbacks:
        made = instances(settings.callbacks, f"{settings.path}: callbacks")
    if settings.track:
        made = tracked(made, settings.track, f"{settings.path}: track")
    return {**settings.arguments, "callbacks": made}
