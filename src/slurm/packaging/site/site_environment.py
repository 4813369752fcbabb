"""Environments that are there: a Python of the site, with its modules, in a conda environment, or in a project that uv keeps."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from slurm import forks
from slurm.config.checks import check_text, suggestion
from slurm.errors import ConfigError, PackagingError
from slurm.packaging.base import interpreter_on, on_cluster
from slurm.packaging.site.setup_script import lines_of, under
from slurm.sbatch.overlay import given, wanted_options

if TYPE_CHECKING:
    from slurm.cluster import Cluster
    from slurm.packaging.site.site_checks import Answered, Wanted
    from slurm.task import SlurmTask

CHECKS = ("login", "node", "none")
SETTINGS = ("python", "setup", "conda", "uv")

_known: forks.Own[dict[tuple[object, ...], Answered]] = forks.Own(dict)
_checking = forks.Lock()


@dataclass(frozen=True)
class SitePython:
    """The Python of jobs on one cluster.

    - `interpreter`: what starts it, as a word for a script; `setup`: lines of the job script that come before.
    - `version`: which it is, where that was found out; `found`: what a workflow hands to its jobs, plain JSON.
    """

    interpreter: str
    setup: Sequence[str]
    version: tuple[int, int] | None
    found: Mapping[str, Any] | None

    @property
    def under(self) -> list[str]:
        """What stands before the arguments of a program that is to run on the login node as a job would."""
        return under(self.setup)


class SiteEnvironment:
    """Which environment of the site jobs run with. Strategies that start a Python of the host hold one.

    - `python`: the interpreter there, a path or a name on the PATH; `conda`: an environment of conda's, by its name or
      its prefix; `uv`: the directory of a project whose ``.venv`` uv keeps. At most one of them; the cluster's Python
      without.
    - `setup`: lines of bash that come before, each by itself, in one shell.
    - `check`: whether it is tried out on the ``login`` node, before anything is submitted, on a compute ``node`` as well,
      or not at all (``none``).

    Raises `ConfigError` for what makes no sense.

    >>> SiteEnvironment(setup=["module load cuda/12.4"], python="python3").setup
    ('module load cuda/12.4',)
    >>> SiteEnvironment(python="python3", conda="train")
    Traceback (most recent call last):
    slurm.errors.ConfigError: python and conda each say which Python jobs run with: give one of them
    """

    def __init__(
        self,
        *,
        python: str | None = None,
        setup: Sequence[str] = (),
        conda: str | None = None,
        uv: str | None = None,
        check: str = "login",
    ) -> None:
        sources = {"python": python, "conda": conda, "uv": uv}
        named = [name for name, text in sources.items() if text is not None]
        for name in named:
            check_text(name, sources[name])
        if len(named) > 1:
            raise ConfigError(
                f"{' and '.join(named)} each say which Python jobs run with: give one of them"
            )
        if check not in CHECKS:
            near = suggestion(str(check), CHECKS)
            raise ConfigError(
                f"check {check!r} does not exist{near}: choose from {', '.join(CHECKS)}"
            )
        self.python = python
        self.setup: tuple[str, ...] = _lines(setup)
        self.check = check
        self.kind: str = "conda" if conda is not None else "uv" if uv is not None else ""
        self.name: str = str(conda or uv or "").rstrip("/")
        self._require_place()

    def _require_place(self) -> None:
        """Raises for a directory that means another one elsewhere, and for a name that nobody is to look up."""
        is_place = self.name.startswith(("/", "~/"))
        if self.kind == "uv" and not is_place:
            raise ConfigError(
                f"uv {self.name!r} is no directory of the cluster: write it absolute, or with ~/"
            )
        if self.kind == "conda" and not is_place:
            if "/" in self.name:
                raise ConfigError(f"conda {self.name!r} is neither a name nor an absolute prefix")
            if self.check == "none":
                raise ConfigError(
                    f"conda {self.name!r} is looked up on the login node, which check 'none' forbids: name its prefix"
                )

    @property
    def is_default(self) -> bool:
        """Whether it is just the cluster's Python."""
        return self.python is None and not self.setup and not self.kind

    def on(
        self,
        cluster: Cluster,
        task: SlurmTask[Any, Any],
        found: Mapping[str, Any] | None = None,
        *,
        is_asked: bool = False,
    ) -> SitePython:
        """The Python there, tried out once per process, or as an earlier check has `found` it.

        It is not where the caller asks it himself (`is_asked`) and there is nothing beside its path to try out.

        Raises `PackagingError` with the line of the setup that fails, and `ConfigError`.
        """
        if self.is_default:
            host = cluster.backend.host()
            # Where no files are shared, it is the one that answers there; else which one it is is asked when that matters.
            version = (
                None if cluster.backend.shares_filesystem else (host.python[0], host.python[1])
            )
            return SitePython(interpreter_on(cluster), (), version, None)
        is_path = interpreter_on(cluster, self.python).startswith("/")
        if is_asked and is_path and not self.setup and not self.kind and self.check == "login":
            return SitePython(interpreter_on(cluster, self.python), (), None, None)
        if found is None and self.check == "none":
            return self._python(self._prefix(on_cluster(self.name, cluster)), cluster, None)
        if found is None:
            answered = self._checked(cluster, task)
            found = {"prefix": answered.prefix, "version": list(answered.version)}
        major, minor, *_ = found["version"]
        return self._python(str(found["prefix"]), cluster, (major, minor), found)

    def preview(self, cluster: Cluster) -> SitePython:
        """What `on` would come to, for a dry run: nobody is asked."""
        if self.is_default:
            return SitePython(cluster.python, (), None, None)
        name = on_cluster(self.name, cluster, dry=True)
        is_place = not self.kind or name.startswith("/")
        prefix = self._prefix(name) if is_place else f"<the prefix of {name}>"
        lines = lines_of(self.setup, self.kind, prefix)
        python = posixpath.join(prefix, "bin", "python") if self.kind else self.python
        return SitePython(python or cluster.python, lines, None, None)

    def _prefix(self, name: str) -> str:
        return posixpath.join(name, ".venv") if self.kind == "uv" else name

    def _python(
        self,
        prefix: str,
        cluster: Cluster,
        version: tuple[int, int] | None,
        found: Mapping[str, Any] | None = None,
    ) -> SitePython:
        python = interpreter_on(cluster, self.python)
        if self.kind:
            python = posixpath.join(prefix, "bin", "python")
        return SitePython(python, lines_of(self.setup, self.kind, prefix), version, found)

    def _checked(self, cluster: Cluster, task: SlurmTask[Any, Any]) -> Answered:
        """What is found out, once for all tasks; on a node once for all that are placed alike."""
        from slurm.packaging.site.site_checks import Wanted, check_on_login_node, placed_by

        wanted = Wanted(self.setup, self.kind, self.name, interpreter_on(cluster, self.python))
        with _checking:
            known, about = _known.get(), (cluster.site.place, wanted)
            if about not in known:
                known[about] = check_on_login_node(wanted, cluster)
            answered = known[about]
            if self.check == "node" and cluster.site.name != "local":
                options = given(
                    wanted_options(
                        cluster.site.submit_defaults, task.options, is_workflow=task.is_workflow
                    )
                )
                self._check_node(wanted, answered, cluster, placed_by(options))
            return answered

    def _check_node(
        self, wanted: Wanted, answered: Answered, cluster: Cluster, placing: Sequence[str]
    ) -> None:
        """Raises `PackagingError` also where a node has another version, as no wheel and no function would stand."""
        from slurm.packaging.site.site_checks import check_on_compute_node

        known, about = _known.get(), (cluster.site.place, wanted, tuple(placing))
        if about not in known:
            known[about] = check_on_compute_node(wanted, answered.prefix, cluster, placing)
        here, there = answered.version[:2], known[about].version[:2]
        if here != there:
            del known[about]
            raise PackagingError(
                f"the login node has Python {here[0]}.{here[1]} after the packaging's setup and a compute node "
                f"{there[0]}.{there[1]}: name an interpreter that both have with the packaging's python"
            )


def _lines(setup: object) -> tuple[str, ...]:
    if not isinstance(setup, (list, tuple)):
        raise ConfigError(f"setup is a list of lines of bash, not {setup!r}")
    for line in setup:
        if not isinstance(line, str):
            raise ConfigError(f"setup has {line!r}, which is no line of bash")
        check_text("setup", line)
    return tuple(setup)
