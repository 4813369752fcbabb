"""Environments of packages on a cluster: what is required is resolved and sent once, installed once, and found again."""

from __future__ import annotations

import functools
import hashlib
import json
import logging
import posixpath
import shlex
import sys
import tempfile
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slurm import forks
from slurm._version import __version__
from slurm.errors import ConfigError, PackagingError, RemoteFileMissing
from slurm.job_dir.large_files import scratch_directory
from slurm.job_dir.paths import PACKAGES
from slurm.packaging.environments.installer import READY
from slurm.packaging.environments.resolver_errors import not_found
from slurm.packaging.environments.target import Target
from slurm.packaging.programs import failure
from slurm.packaging.user_cache import alone

if TYPE_CHECKING:
    from slurm.cluster import Cluster
    from slurm.packaging.environments.requirements import Requirements

ENVIRONMENTS, WHEELS = "env", "wheels"
SEND, INDEX = "send", "index"
ASK_TIMEOUT, INSTALL_TIMEOUT = 60.0, 3600.0  # seconds

# The modules that the installer is made of, each after those that it imports.
PARTS = ("interpreter_facts", "installer")
PROGRAM = """\
import json, sys, types
for name, text in {texts!r}.items():
    module = sys.modules["slurm.packaging.environments." + name] = types.ModuleType(name)
    exec(compile(text, name + ".py", "exec"), module.__dict__)
module.run(json.loads({request!r}))
"""

logger: logging.Logger = logging.getLogger(__name__)

_made: forks.Own[dict[tuple[object, ...], str]] = forks.Own(dict)
_fitting: forks.Own[set[tuple[object, ...]]] = forks.Own(set)
_making = forks.Lock()


def environment_of(
    requirements: Requirements,
    cluster: Cluster,
    python: str,
    how: str,
    under: Sequence[str] = (),
    *,
    again: bool = False,
) -> str:
    """The environment on `cluster` that has what is required, made with the interpreter `python` there.

    `under` is the command that the interpreter is started with, if it needs one. `how` is ``send`` or ``index``. What is there
    already is found with one question, and once a process unless it is asked `again`: a submission looks for itself. Raises
    `PackagingError`, and `ConfigError` where the interpreter is of a version that is not wanted.
    """
    with _making:
        about = (cluster.site.place, cluster.job_base_dir, python, *under, requirements.key, how)
        known = _made.get().get(about)
        if known is None or again:
            known = Maker(cluster, python, requirements, how, under).environment()
            _made.get()[about] = known
        return known


def mark_of(environment: str) -> str:
    """The file by which an environment is known to be whole."""
    return posixpath.join(environment, READY)


def forget(gone: Collection[str], cluster: Cluster) -> None:
    """Make those environments again whose marks are not there any more."""
    with _making:
        made = _made.get()
        for about, place in list(made.items()):
            if about[0] == cluster.site.place and mark_of(place) in gone:
                del made[about]


def require_python(
    requirements: Requirements, cluster: Cluster, python: str, under: Sequence[str] = ()
) -> None:
    """Raises `ConfigError` where `python` on `cluster` is of a version that is not wanted. It is asked once."""
    with _making:
        about = (cluster.site.place, python, *under, requirements.python)
        if about not in _fitting.get():
            Maker(cluster, python, requirements, SEND, under).target()
            _fitting.get().add(about)


def lines_for(environment: str) -> list[str]:
    """Lines of a job script: the environment is there, and its programs are on the PATH."""
    folder = posixpath.join(environment, "bin")
    gone = f"slurm-tasks: the environment {environment} is not there any more: submit the job again"
    return [
        f"[ -e {shlex.quote(posixpath.join(environment, READY))} ] || "
        f"{{ echo {shlex.quote(gone)} >&2; exit 1; }}",
        f'export VIRTUAL_ENV={shlex.quote(environment)} PATH={shlex.quote(folder)}:"$PATH"',
    ]


class Maker:
    """Makes one environment on one cluster."""

    def __init__(
        self,
        cluster: Cluster,
        python: str,
        requirements: Requirements,
        how: str,
        under: Sequence[str],
    ) -> None:
        self._cluster = cluster
        self._python = python
        self._under = under
        self._requirements = requirements
        self._how = how

    def target(self) -> Target:
        """The interpreter there. Raises `ConfigError` for one of a version that is not wanted."""
        return self._fitting(self._ask({}, ASK_TIMEOUT))

    def environment(self) -> str:
        """Its directory, where it is there afterwards. Of programs that start together, one has it made."""
        said = self._ask({}, ASK_TIMEOUT)
        target, place = self._fitting(said), str(said["place"])
        if not said["ready"]:
            about = f"what {self._requirements.origin} requires is being installed on the cluster"
            with alone(f"{self._cluster.site.place} {place}", about):
                said = self._ask({}, ASK_TIMEOUT)
                if not said["ready"]:
                    said = self._made(said, target)
        if not said["ready"]:
            raise PackagingError(f"what is made in {place} does not stay there")
        if said["foreign"]:
            warn_of_foreign(str(self._requirements.origin))
        return place

    def _made(self, said: Mapping[str, Any], target: Target) -> dict[str, Any]:
        """What the installer says when it has made it."""
        more = self._sent(target) if self._how == SEND else self._listed(target, said)
        said = self._ask({**more, "origin": str(self._requirements.origin)}, INSTALL_TIMEOUT)
        if "error" in said:
            raise not_found(said["error"], self._requirements.origin, target, INDEX)
        return said

    def _fitting(self, said: Mapping[str, Any]) -> Target:
        wanted, target = self._requirements, target_of(said, self._python)
        if wanted.python:
            target.require(wanted.python, str(wanted.origin), self._python)
        return target

    def _sent(self, target: Target) -> dict[str, Any]:
        from slurm.packaging.environments.resolving import wheels_for

        with tempfile.TemporaryDirectory(dir=scratch_directory()) as folder:
            wheels = wheels_for(self._requirements, target, Path(folder))
            return {"wheels": send_wheels(wheels, self._cluster)}

    def _listed(self, target: Target, said: Mapping[str, Any]) -> dict[str, Any]:
        """The requirements, and pip where nothing there can look for them."""
        lines = "".join(f"{line}\n" for line in self._requirements.lines())
        more = {"requirements": lines, "complete": self._requirements.is_locked}
        if said["pip"] or said["uv"]:
            return more
        with tempfile.TemporaryDirectory(dir=scratch_directory()) as folder:
            pip = pip_in(Path(folder), target)
            return {**more, "pip": posixpath.join(send_wheels([pip], self._cluster), pip.name)}

    def _ask(self, more: Mapping[str, Any], timeout: float) -> dict[str, Any]:
        """What the installer answers there. Raises `PackagingError`, `ConfigError`."""
        what = f"what {self._requirements.origin} requires could not be installed on the cluster with {self._python}"
        request = {"key": key_of(self._requirements, self._how), **more}
        return ask_installer(self._cluster, self._python, request, what, timeout, under=self._under)


def key_of(requirements: Requirements, how: str) -> str:
    """Stands for an environment, which every interpreter makes for itself."""
    return hashlib.sha256(f"{how} {requirements.key}".encode()).hexdigest()


def target_of(said: Mapping[str, Any], python: str) -> Target:
    """The interpreter of which the installer has told. Raises `PackagingError` where it could do nothing with it."""
    if "error" in said:
        raise PackagingError(f"{python} on the cluster: {said['error']}")
    return Target.told(said["python"])


@functools.lru_cache(maxsize=1000)
def warn_of_foreign(origin: str) -> None:
    """Say once that another project's `slurm` has come with what `origin` requires."""
    logger.warning(
        "what %s requires brings a package `slurm` of another project: in the jobs, `import slurm` is the SDK",
        origin,
    )


def pip_in(folder: Path, target: Target) -> Path:
    """A wheel of pip for a target, put into a folder. Raises `PackagingError`."""
    from slurm.packaging.environments.pip_wheel import add_pip, bundled_pip
    from slurm.packaging.environments.resolving import pip_for

    download = ["download", "--no-deps", "--dest", str(folder), "pip"]
    bundled = bundled_pip(target) is not None and target.version[:2] <= sys.version_info[:2]
    return add_pip(folder, target, [] if bundled else [*pip_for(target), *download])


def send_wheels(wheels: Sequence[Path], cluster: Cluster) -> str:
    """The directory on a cluster with these wheels; those that are there already are not sent again."""
    from slurm.packaging.code.source_copies import Copy, send
    from slurm.packaging.code.source_files import SourceFile, sha256_of

    files = [SourceFile(one.name, str(one), one.stat().st_size, False) for one in wheels]
    summed = [(one, sha256_of(one)) for one in files]
    names = json.dumps([[one.path, sha256] for one, sha256 in summed])
    address = hashlib.sha256(names.encode()).hexdigest()[:16]
    wheels_there = Copy("", address, summed, {}, WHEELS, compressed=False)
    return send(wheels_there, cluster, again=True)


def ask_installer(
    cluster: Cluster,
    python: str,
    request: Mapping[str, Any],
    what: str,
    timeout: float,
    under: Sequence[str] = (),
) -> dict[str, Any]:
    """What the installer answers on a cluster, run by the interpreter `python` there, which is started
    with the command `under` if it needs one; `what` says in an error what failed.

    Raises `PackagingError`, and `ConfigError` where there is no such interpreter.
    """
    folder = posixpath.join(cluster.job_base_dir, PACKAGES, ENVIRONMENTS)
    program = installer_program({"folder": folder, "sdk": __version__, **request})
    try:
        status, output = cluster.backend.run_program(
            [*under, python, "-"], input=program, timeout=timeout
        )
    except RemoteFileMissing as error:
        raise ConfigError(
            f"{python}: there is no such program on the cluster; name one with the packaging's python"
        ) from error
    return _answer(what, status, output)


def installer_program(request: Mapping[str, Any]) -> bytes:
    """What any Python runs to answer a request, which has no `slurm` itself."""
    from importlib import resources

    folder = resources.files("slurm.packaging.environments")
    texts = {name: folder.joinpath(f"{name}.py").read_text("utf-8") for name in PARTS}
    return PROGRAM.format(texts=texts, request=json.dumps(request)).encode()


def _answer(what: str, status: int, output: bytes) -> dict[str, Any]:
    printed = output.decode("utf-8", "replace")
    *_, last = printed.splitlines() or [""]
    try:
        said: dict[str, Any] = json.loads(last)
    except ValueError:
        raise failure(f"{what}: it exited with {status}", printed) from None
    return said
