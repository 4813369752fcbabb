"""Jobs in a container image, started with Pyxis or Enroot."""

from __future__ import annotations

import hashlib
import os
import posixpath
import re
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slurm.config.checks import check_text, expand_home, suggestion
from slurm.errors import ConfigError
from slurm.job_dir.paths import PACKAGES
from slurm.packaging.base import PackagingStrategy
from slurm.packaging.images import build, enroot_reference, is_path, repository_of
from slurm.packaging.inherit import handed_on, settings_of_parent
from slurm.packaging.mounts import Mount, mount_of, mountable
from slurm.packaging.sdk_archive import archive_for
from slurm.rendering import Environment

if TYPE_CHECKING:
    from slurm.cluster import Cluster
    from slurm.task import SlurmTask

RUNTIMES = ("pyxis", "enroot")
SOURCES = ("image", "dockerfile", "context")
# One process on the batch node with all the job has there, which a step that the function starts
# shares; and with the script's variables, whatever sbatch was told to export.
SRUN = (
    *("srun", "--nodes=1", "--ntasks=1", "--relative=0", "--overlap", "--cpu-bind=none"),
    "--export=ALL",
)
# Enroot hands on only the variables that it is told to: here those of the job, and `env`.
ENROOT = """\
for name in "${!SLURM@}" "${!CUDA@}" "${!NVIDIA@}" "${!ROCR@}" JOB_DIR %s
do [ -n "${!name+set}" ] && set -- --env "$name" "$@"; done; exec enroot start --rw "$@"\
"""
IMPORTED = "image.sqsh"
IN_DIRECTORY = ("sh", "-c", 'cd "$0" && exec "$@"')
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class ContainerPackagingStrategy(PackagingStrategy):
    """Runs jobs in a container. The image needs Python 3.9 or newer; the SDK still travels by its own.

    - `image`: in a registry (``nvcr.io/nvidia/pytorch:24.05-py3``), or a ``.sqsh`` file on the cluster.
    - `runtime`: ``pyxis`` (a plugin of ``srun``) or ``enroot``.
    - `mounts`: what the container sees beside the job base directory: ``source``, ``source:target`` or
      ``source:target:ro``.
    - `workdir`: the working directory in the container (default: the image's).
    - `python`: the interpreter in the image; `pythonpath`: directories that it imports from.
    - `env`: names of variables that the container takes from the host, also where the image has its own.
    - `dockerfile`, `context`: build the image from them with docker or podman and push it to `image`,
      which then has no tag; once per content, where a workflow is submitted from, never in its job.
    - `built`: the image that was built already.

    Raises `ConfigError` for what cannot be; submitting raises `PackagingError` when the build fails.

    >>> strategy = ContainerPackagingStrategy(image="python:3.12", mounts=["/data"])
    >>> strategy.runtime
    'pyxis'
    """

    def __init__(  # noqa: PLR0913 - each is a key of a Slurmfile
        self,
        *,
        image: str,
        runtime: str = "pyxis",
        mounts: Sequence[str] = (),
        workdir: str | None = None,
        python: str = "python3",
        pythonpath: Sequence[str | os.PathLike[str]] = (),
        env: Sequence[str] = (),
        dockerfile: str | os.PathLike[str] | None = None,
        context: str | os.PathLike[str] | None = None,
        built: str | None = None,
    ) -> None:
        self.image: str = _text("image", image)
        self.runtime: str = _text("runtime", runtime)
        self.mounts: list[str] = _texts("mounts", mounts)
        self.workdir: str | None = workdir if workdir is None else _text("workdir", workdir)
        self.python: str = _text("python", python)
        self.pythonpath: list[str] = _texts("pythonpath", pythonpath)
        self.env: list[str] = _texts("env", env)
        self.dockerfile: str | None = (
            dockerfile if dockerfile is None else _text("dockerfile", dockerfile)
        )
        self.context: str | None = context if context is None else _text("context", context)
        self.built: str | None = built if built is None else _text("built", built)
        self._check()

    def _check(self) -> None:
        if self.runtime not in RUNTIMES:
            near = suggestion(self.runtime, RUNTIMES)
            known = " or ".join(RUNTIMES)
            raise ConfigError(f"runtime {self.runtime!r} does not exist{near}: choose {known}")
        if self.workdir is not None and not self.workdir.startswith("/"):
            raise ConfigError(f"workdir {self.workdir!r} is not an absolute path")
        for mount in self.mounts:
            mount_of(mount, home="/home")
        for variable in self.env:
            if not VARIABLE.fullmatch(variable):
                raise ConfigError(f"env: {variable!r} is not the name of a variable")
        if self._is_to_be_built:
            repository_of(self.image)
        else:
            is_path(self.image)

    @property
    def _is_to_be_built(self) -> bool:
        return self.dockerfile is not None or self.context is not None

    def prepare(self, task: SlurmTask[Any, Any], cluster: Cluster) -> Environment:
        image = self._known_image() or self._build(task)
        home, base = cluster.backend.host().home, cluster.job_base_dir
        environment = self._environment(image, home, base)
        if environment.setup:
            cluster.backend.make_directory(_folder_of(enroot_reference(image), base))
        return environment

    def preview(self, task: SlurmTask[Any, Any], cluster: Cluster) -> Environment:
        image = self._known_image() or f"{self.image}:<what is built>"
        return self._environment(image, cluster.site.shown_home, cluster.site.shown_base)

    def _known_image(self) -> str | None:
        """The image to run in; None where it has to be built first."""
        if self._is_to_be_built:
            return self.built or handed_on(self, "built", SOURCES)
        return self.image

    def _environment(self, image: str, home: str, base: str) -> Environment:
        inherited = {**self.inherited(), "built": image} if self._is_to_be_built else None
        mounts = [*_own_mounts(base), *(mount_of(text, home) for text in self.mounts)]
        if is_path(image):
            image = home + image[1:] if image.startswith("~") else image
        else:
            image = enroot_reference(image)
        setup: Sequence[str] = ()
        if self.runtime == "pyxis":
            interpreter = self._srun(image, mounts)
        else:
            if not image.startswith("/"):
                folder = _folder_of(image, base)
                setup, image = import_commands(image, folder), posixpath.join(folder, IMPORTED)
            interpreter = self._enroot(image, mounts)
        return Environment(
            interpreter, setup, pythonpath=self.pythonpath, inherited=inherited, own_python=True
        )

    def _build(self, task: SlurmTask[Any, Any]) -> str:
        context = self.context or os.path.dirname(self.dockerfile or "") or "."
        folder = Path(expand_home("context", context)).resolve()
        dockerfile = Path(
            expand_home("dockerfile", self.dockerfile or folder / "Dockerfile")
        ).resolve()
        if settings_of_parent() is not None:
            raise ConfigError(
                f"{task.name} is to run in an image built from {dockerfile}, and images are built where a "
                "workflow is submitted from, not in its job: give the workflow the same packaging, or "
                "its tasks 'inherit' or an image that is pushed"
            )
        if not dockerfile.is_file():
            raise ConfigError(f"there is no {dockerfile} to build {self.image} from")
        return build(self.image, dockerfile, folder)

    def _srun(self, image: str, mounts: Sequence[Mount]) -> list[str]:
        options = [f"--container-image={image}"]
        options.append("--container-mounts=" + ",".join(mount.pyxis for mount in mounts))
        if self.workdir is not None:
            options.append(f"--container-workdir={self.workdir}")
        if self.env:
            options.append("--container-env=" + ",".join(self.env))
        return [*SRUN, *options, self.python]

    def _enroot(self, image: str, mounts: Sequence[Mount]) -> list[str]:
        options = [word for mount in mounts for word in ("--mount", mount.enroot)]
        inside = [] if self.workdir is None else [*IN_DIRECTORY, self.workdir]
        command = ["bash", "-c", ENROOT % " ".join(self.env), "enroot"]
        return [*command, *options, "--", image, *inside, self.python]


def import_commands(reference: str, folder: str) -> list[str]:
    """Lines of bash that have Enroot fetch an image into `folder`, once for all jobs."""
    lock, part, image = (
        shlex.quote(posixpath.join(folder, name)) for name in (".lock", "part.sqsh", IMPORTED)
    )
    failed = shlex.quote(f"slurm-tasks: enroot could not import {reference}")
    return [
        f"[ -e {image} ] || (",
        f"  flock 9 || exit 1; [ -e {image} ] && exit 0; rm -f {part}",
        f"  enroot import --output {part} -- {shlex.quote(f'docker://{reference}')} || exit 1",
        f"  mv {part} {image}",
        f") 9> {lock} || {{ echo {failed} >&2; exit 1; }}",
    ]


def _folder_of(reference: str, base: str) -> str:
    """Where Enroot puts an image that it fetches."""
    return posixpath.join(base, PACKAGES, hashlib.sha256(reference.encode()).hexdigest()[:16])


def _own_mounts(base: str) -> list[Mount]:
    """What every job has to see: its directories, and the SDK, at the same paths."""
    base = mountable("job_base_dir", base)
    sdk = mountable("the SDK's directory", archive_for(base).directory)
    inside = sdk.startswith(f"{base}/")
    return [Mount(path, path) for path in ([base] if inside else [base, sdk])]


def _text(name: str, value: object) -> str:
    check_text(name, value)
    return str(os.fspath(value))  # type: ignore[call-overload]


def _texts(name: str, values: object) -> list[str]:
    if not isinstance(values, (list, tuple)):
        raise ConfigError(f"{name} {values!r} is no list")
    return [_text(name, value) for value in values]
