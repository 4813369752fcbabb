"""What a packaging strategy can do, and how a job's environment is made with one."""

from __future__ import annotations

import json
import os
import posixpath
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from slurm.config.option_types import option_types
from slurm.errors import ConfigError
from slurm.job_dir.paths import OWN_NAMES
from slurm.packaging.names import name_of_strategy

if TYPE_CHECKING:
    import inspect

    from slurm.cluster import Cluster
    from slurm.rendering import Environment
    from slurm.task import SlurmTask


class PackagingStrategy:
    """Brings user code to the nodes, and says how a job script starts Python with it.

    A strategy of your own overrides what it needs of `prepare`, `generate_setup_commands` and
    `generate_cleanup_commands`; what it leaves does nothing. Quote with ``shlex.quote`` what comes
    from outside. Tasks and threads share a strategy: what one call has made belongs into the
    `Environment` that `prepare` returns.

    >>> import shlex
    >>> class Modules(PackagingStrategy):
    ...     def __init__(self, *, load: list[str]) -> None:
    ...         self.load = load
    ...     def generate_setup_commands(self, task, environment):
    ...         return [f"module load {shlex.quote(name)} || exit 1" for name in self.load]
    >>> strategy = Modules(load=["cuda/12.4"])
    >>> strategy.generate_setup_commands(None, None)
    ['module load cuda/12.4 || exit 1']
    """

    def prepare(self, task: SlurmTask[Any, Any], cluster: Cluster) -> Environment:
        """Do on the client what jobs of `task` need, and say how `cluster`'s nodes start Python.

        Called for every submission, before anything is sent; raise a `SlurmError` to stop it. By
        default nothing is done and the cluster's own interpreter is used.

        >>> from dataclasses import replace
        >>> class Local(PackagingStrategy):
        ...     def prepare(self, task, cluster):
        ...         return replace(super().prepare(task, cluster), pythonpath=["/opt/project/src"])
        >>> Local().prepare(double, cluster).pythonpath
        ['/opt/project/src']
        """
        return _started_by(interpreter_on(cluster))

    def preview(self, task: SlurmTask[Any, Any], cluster: Cluster) -> Environment:
        """What `prepare` would come to, for a dry run: nothing is built, sent or asked for it.

        By default the cluster's own interpreter; for a strategy with a `prepare` of its own, its name in ``<>``.
        Override it where more can be told.

        >>> PackagingStrategy().preview(double, cluster).interpreter == [cluster.python]
        True
        """
        if type(self).prepare is PackagingStrategy.prepare:
            return _started_by(cluster.python)
        return _started_by(f"<what {type(self).__qualname__}.prepare() says>")

    @property
    def is_prebuilt(self) -> bool:
        """Whether what `prepare` makes for a workflow's tasks is made when the workflow is submitted.

        For what cannot be made in a workflow's job, as an image. ``Environment.inherited`` is what the task's own packaging
        finds there then. By default False.

        >>> from slurm.packaging import ContainerPackagingStrategy
        >>> ContainerPackagingStrategy(image="train", dockerfile="Dockerfile").is_prebuilt
        True
        """
        return False

    def generate_setup_commands(
        self, task: SlurmTask[Any, Any], environment: Environment
    ) -> Sequence[str]:
        """Lines of bash for the job script, before Python is started; ``$JOB_DIR`` is set.

        `environment` is what `prepare` returned. The script goes on when a line fails, unless the
        line says ``|| exit 1``.

        >>> class Scratch(PackagingStrategy):
        ...     def generate_setup_commands(self, task, environment):
        ...         return ['mkdir "$JOB_DIR/scratch" || exit 1', 'export TMPDIR="$JOB_DIR/scratch"']
        >>> environment_for(Scratch(), double, cluster).setup
        ['mkdir "$JOB_DIR/scratch" || exit 1', 'export TMPDIR="$JOB_DIR/scratch"']
        """
        return ()

    def generate_cleanup_commands(
        self, task: SlurmTask[Any, Any], environment: Environment
    ) -> Sequence[str]:
        """Lines of bash for the job script, after Python has ended. The exit status stays Python's.

        >>> class Scratch(PackagingStrategy):
        ...     def generate_cleanup_commands(self, task, environment):
        ...         return ['rm -rf "$JOB_DIR/scratch"']
        >>> environment_for(Scratch(), double, cluster).cleanup
        ['rm -rf "$JOB_DIR/scratch"']
        """
        return ()

    def forget(self, gone: Sequence[str], cluster: Cluster) -> None:
        """Hear that these ``Environment.needed`` paths are not on `cluster` any more; `prepare` is called again then.

        By default nothing is done: override it where `prepare` remembers what it has sent. Raise a `PackagingError`
        where it cannot send that again.

        >>> class Sent(PackagingStrategy):
        ...     sent = {"/jobs/.packages/data"}
        ...     def forget(self, gone, cluster):
        ...         self.sent -= set(gone)
        >>> strategy = Sent()
        >>> strategy.forget(["/jobs/.packages/data"], cluster)
        >>> strategy.sent
        set()
        """

    def inherited(self) -> dict[str, Any]:
        """The packaging of jobs that a workflow with this one submits; plain JSON.

        By default the same class with the same arguments, which are looked for in the attributes
        of their names. Raises `ConfigError` when it cannot be made again so. Where `prepare` has
        something to hand on, it does with ``Environment.inherited``.

        >>> from slurm.packaging import WheelPackagingStrategy
        >>> WheelPackagingStrategy(project=".", dependencies=False).inherited()["dependencies"]
        False
        """
        name = name_of_strategy(self)
        try:
            if "<locals>" in name:
                raise TypeError("its class is defined in a function")
            settings = {key: getattr(self, key) for key in parameters_of(type(self))}
            again: dict[str, Any] = json.loads(json.dumps(settings, default=_as_text))
        except (AttributeError, TypeError) as error:
            raise ConfigError(
                f"packaging {name!r} cannot be made again for a workflow's own jobs ({error}): keep its "
                "arguments in attributes of the same names, as text, numbers and lists, or override "
                "inherited()"
            ) from error
        return {"type": name, **again}


def parameters_of(kind: type[PackagingStrategy]) -> dict[str, inspect.Parameter]:
    """What the strategy's constructor takes, by name: with what it hands on as ``**options`` to the class it is derived from."""
    import inspect

    found: dict[str, inspect.Parameter] = {}
    for function in _constructors(kind):
        rest = {name: one for name, one in found.items() if one.kind is not one.VAR_KEYWORD}
        own = dict(list(inspect.signature(function).parameters.items())[1:])
        found = {**own, **rest}
    return found


def types_of(kind: type[PackagingStrategy]) -> dict[str, Any]:
    """The types that the constructor says of what it takes, by name."""
    found: dict[str, Any] = {}
    for function in _constructors(kind):
        found = {**option_types(function), **found}
    return found


def _constructors(kind: type[PackagingStrategy]) -> list[Callable[..., None]]:
    """The class's constructor, and those of its bases as long as each takes ``**options`` to hand on."""
    import inspect

    functions: list[Callable[..., None]] = []
    for one in kind.__mro__:
        if one is not object and "__init__" in vars(one):
            functions.append(vars(one)["__init__"])
            parameters = inspect.signature(functions[-1]).parameters.values()
            if all(each.kind is not each.VAR_KEYWORD for each in parameters):
                break
    return functions


def _as_text(value: object) -> str:
    if isinstance(value, os.PathLike):
        return str(os.fspath(value))
    raise TypeError(f"{value!r} is a {type(value).__name__}")


def interpreter_on(cluster: Cluster, python: str | None = None) -> str:
    """`python`, or the cluster's interpreter, as a word for a script, in which ``~`` stays a ``~``."""
    return on_cluster(python or cluster.python, cluster)


def on_cluster(path: str, cluster: Cluster, *, dry: bool = False) -> str:
    """A path with the home directory there for a ``~`` at its beginning; a `dry` run may have nobody to ask for it.

    >>> on_cluster("/opt/~/src", cluster)
    '/opt/~/src'
    """
    if path != "~" and not path.startswith("~/"):
        return path
    return at_home(path, cluster.site.shown_home if dry else cluster.backend.host().home)


def at_home(path: str, home: str) -> str:
    """A path with `home` for a ``~`` at its beginning.

    >>> at_home("~/src", "/home/me"), at_home("~", "/home/me"), at_home("/~/src", "/home/me")
    ('/home/me/src', '/home/me', '/~/src')
    """
    if path == "~" or path.startswith("~/"):
        return posixpath.join(home, path[2:]) if path[2:] else home
    return path


class PackagedTask:
    """How the code of one task gets to one cluster.

    >>> from slurm.packaging import NonePackagingStrategy
    >>> strategy = NonePackagingStrategy(python="/opt/python/bin/python3", check="none")
    >>> PackagedTask(strategy, double, cluster).prepare().interpreter
    ['/opt/python/bin/python3']
    """

    def __init__(
        self, strategy: PackagingStrategy, task: SlurmTask[Any, Any], cluster: Cluster
    ) -> None:
        self._strategy = strategy
        self._task = task
        self._cluster = cluster

    @property
    def name(self) -> str:
        """Under which configuration knows the strategy."""
        return name_of_strategy(self._strategy)

    def prepare(self) -> Environment:
        """All that the strategy has to say to a job. Raises `ConfigError` for what makes no sense."""
        made = self._checked(self._strategy.prepare(self._task, self._cluster))
        if not self._task.is_workflow:
            return made
        from slurm.packaging.images.prebuilding import with_prebuilt  # late: tasks need none of it

        inherited = with_prebuilt(made.inherited or {}, self._task, self._prebuilt)
        from dataclasses import replace

        return replace(made, inherited=inherited)

    def _prebuilt(self, task: SlurmTask[Any, Any]) -> Mapping[str, Any] | None:
        """What a workflow's job is given for one of its tasks that is packaged in a way of its own."""
        from slurm.packaging.by_name import (
            strategy_of,
        )  # late: it makes strategies, which derive from the one here

        strategy = None if task.packaging is None else strategy_of(task.packaging)
        if strategy is None or not strategy.is_prebuilt:
            return None
        return strategy.prepare(task, self._cluster).inherited

    def prepare_again(self, gone: Sequence[str]) -> Environment:
        """`prepare`, after these paths were found not to be there any more."""
        self._strategy.forget(gone, self._cluster)
        return self.prepare()

    def preview(self) -> Environment:
        """What `prepare` would return, with nothing done for it."""
        return self._checked(self._strategy.preview(self._task, self._cluster))

    def _checked(self, made: Environment) -> Environment:
        from dataclasses import replace

        from slurm.rendering import Environment

        strategy, task = self._strategy, self._task
        if not isinstance(made, Environment):
            raise ConfigError(
                f"{type(strategy).__qualname__}.prepare() returned {made!r}, not an Environment: end it with "
                "return super().prepare(task, cluster)"
            )
        for name in made.files:
            if name in OWN_NAMES or name != posixpath.basename(name) or name.startswith("."):
                raise ConfigError(
                    f"{type(strategy).__qualname__}.prepare() puts a file {name!r} into the job directory: "
                    "give it a plain name that the SDK does not use itself"
                )
        inherited: Mapping[str, Any] | None = made.inherited
        if inherited is None and task.is_workflow:
            inherited = strategy.inherited()
        setup = _lines(strategy.generate_setup_commands, task, made)
        cleanup = _lines(strategy.generate_cleanup_commands, task, made)
        return replace(
            made,
            setup=[*made.setup, *setup],
            cleanup=[*made.cleanup, *cleanup],
            inherited=inherited,
        )


def environment_for(
    strategy: PackagingStrategy, task: SlurmTask[Any, Any], cluster: Cluster
) -> Environment:
    """All that `strategy` has to say to a job of `task`. Raises `ConfigError` for what makes no sense.

    >>> from slurm.packaging import NonePackagingStrategy
    >>> strategy = NonePackagingStrategy(python="/opt/python/bin/python3", check="none")
    >>> environment_for(strategy, double, cluster).interpreter
    ['/opt/python/bin/python3']
    """
    return PackagedTask(strategy, task, cluster).prepare()


def _started_by(interpreter: str) -> Environment:
    from slurm.rendering import Environment  # late: it makes data classes, which takes long

    return Environment([interpreter])


def _lines(generate: Any, task: SlurmTask[Any, Any], environment: Environment) -> list[str]:
    lines = generate(task, environment)
    if isinstance(lines, str) or not all(isinstance(line, str) for line in lines or ()):
        raise ConfigError(f"{generate.__qualname__}() returned {lines!r}, not a list of lines")
    return list(lines or ())
