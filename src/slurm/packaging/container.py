"""Jobs in a container image, started with a runtime that the site has."""

from __future__ import annotations

import hashlib
import json
import os
import posixpath
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slurm.config.checks import check_text, expand_home, suggestion
from slurm.errors import ConfigError, RemoteFileMissing
from slurm.job_dir.paths import PACKAGES
from slurm.packaging.base import PackagingStrategy, on_cluster
from slurm.packaging.images import Built, build, digest_in, is_path, kind_of, repository_of
from slurm.packaging.inherit import handed_on, settings_of_parent
from slurm.packaging.mounts import Mount, mount_of, mountable
from slurm.packaging.runtimes import TAKES, check_takes, chosen, start
from slurm.packaging.runtimes.probe import Image, found_on, look_at, version_in
from slurm.packaging.runtimes.start import Container
from slurm.packaging.sdk_archive import archive_for
from slurm.rendering import Environment

if TYPE_CHECKING:
    from slurm.api.base import BackendBase
    from slurm.cluster import Cluster
    from slurm.task import SlurmTask

SOURCES = ("image", "dockerfile", "context")
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class ContainerPackagingStrategy(PackagingStrategy):
    """Runs jobs in a container. The image needs Python 3.9 or newer; the SDK still travels by its own.

    - `image`: in a registry (``nvcr.io/nvidia/pytorch:24.05-py3``), or a path on the cluster: a ``.sif``, ``.sqsh`` or
      ``.tar`` file, or a directory with a root file system or an OCI bundle. Each runtime takes some of them.
    - `runtime`: ``pyxis``, ``apptainer``, ``singularity``, ``enroot``, ``slurm-oci``, ``charliecloud`` or ``podman``
      (default: the first of them that the login node has and that takes the image).
    - `mounts`: what the container sees beside the job base directory: ``source``, ``source:target`` or
      ``source:target:ro``.
    - `workdir`: the working directory in the container (default: the image's).
    - `python`: the interpreter in the image; `pythonpath`: directories that it imports from.
    - `env`: names of variables that the container takes from the host, also where the image has its own.
    - `dockerfile`, `context`: build the image from them with docker or podman and push it to `image`,
      which then has no tag; once per content, where a workflow is submitted from, never in its job.
    - `built`: the image that was built already, and `digest`: its digest.

    Raises `ConfigError` for what cannot be; submitting raises `PackagingError` when the build fails, or no runtime is there.

    >>> strategy = ContainerPackagingStrategy(image="~/images/train.sif", mounts=["/data"], runtime="apptainer")
    >>> strategy.mounts
    ['/data']
    """

    def __init__(  # noqa: PLR0913 - each is a key of a Slurmfile
        self,
        *,
        image: str,
        runtime: str | None = None,
        mounts: Sequence[str] = (),
        workdir: str | None = None,
        python: str = "python3",
        pythonpath: Sequence[str | os.PathLike[str]] = (),
        env: Sequence[str] = (),
        dockerfile: str | os.PathLike[str] | None = None,
        context: str | os.PathLike[str] | None = None,
        built: str | None = None,
        digest: str | None = None,
    ) -> None:
        self.image: str = _text("image", image)
        self.runtime: str | None = runtime if runtime is None else _text("runtime", runtime)
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
        self.digest: str | None = digest if digest is None else _text("digest", digest)
        self._check()

    def _check(self) -> None:
        if self.runtime is not None and self.runtime not in TAKES:
            near = suggestion(self.runtime, TAKES)
            known = ", ".join(TAKES)
            raise ConfigError(f"runtime {self.runtime!r} does not exist{near}: choose from {known}")
        if self.workdir is not None and not self.workdir.startswith("/"):
            raise ConfigError(f"workdir {self.workdir!r} is not an absolute path")
        for mount in self.mounts:
            mount_of(mount, home="/home")
        for variable in self.env:
            if not VARIABLE.fullmatch(variable):
                raise ConfigError(f"env: {variable!r} is not the name of a variable")
        if self._is_to_be_built:
            repository_of(self.image)
        kind = kind_of(self.image)
        if self.runtime is not None:
            check_takes(self.runtime, self.image, kind)

    @property
    def _is_to_be_built(self) -> bool:
        return self.dockerfile is not None or self.context is not None

    def prepare(self, task: SlurmTask[Any, Any], cluster: Cluster) -> Environment:
        built = self._known_image() or self._build(task)
        backend = cluster.backend
        image = _absolute(built.reference, backend.host().home)
        kind = kind_of(image)
        runtime = self._known_runtime() or chosen(found_on(backend).runtimes, image, kind)
        container = self._container(image, backend.host().home, cluster.job_base_dir)
        if runtime == "slurm-oci":
            bundle = _bundle_at(image, backend)
            container = replace(container, bundle=bundle, user=found_on(backend).user)
        started = start(runtime, container)
        if started.makes:
            backend.make_directory(container.folder)
        for path, content in started.files.items():
            if not backend.file_exists(path):
                backend.write_file(path, content, exclusive=True)
        known = look_at(backend, image, self.python) if is_path(image) else Image()
        digest = built.digest or digest_in(image) or known.digest
        inherited = {**self.inherited(), "runtime": runtime}
        if self._is_to_be_built:
            inherited.update(built=built.reference, digest=built.digest or None)
        return Environment(
            started.command,
            started.setup,
            pythonpath=[on_cluster(path, cluster) for path in self.pythonpath],
            inherited=inherited,
            own_python=True,
            python=version_in(self.python) or known.python,
            image={"name": image, "runtime": runtime, **({"digest": digest} if digest else {})},
            needed=[*([container.folder] if started.makes else []), *started.files],
        )

    def preview(self, task: SlurmTask[Any, Any], cluster: Cluster) -> Environment:
        built = self._known_image()
        image = built.reference if built else f"{self.image}:<what is built>"
        home, base = cluster.site.shown_home, cluster.site.shown_base
        container = self._container(_absolute(image, home), home, base)
        runtime = self._known_runtime()
        paths = [on_cluster(path, cluster, dry=True) for path in self.pythonpath]
        if runtime is None:
            shown = [f"<the runtime of containers that is there, for {image}>", self.python]
            return Environment(shown, pythonpath=paths, own_python=True)
        made = start(runtime, container)
        return Environment(made.command, made.setup, pythonpath=paths, own_python=True)

    def _known_image(self) -> Built | None:
        """The image to run in; None where it has to be built first."""
        if not self._is_to_be_built:
            return Built(self.image, self.digest or "")
        if self.built:
            return Built(self.built, self.digest or "")
        given = handed_on(self, "built", SOURCES)
        return Built(given, handed_on(self, "digest", SOURCES) or "") if given else None

    def _known_runtime(self) -> str | None:
        """The runtime to run in; None where the cluster has to be asked."""
        return self.runtime or handed_on(self, "runtime", ())

    def _container(self, image: str, home: str, base: str) -> Container:
        mounts = [*_own_mounts(base), *(mount_of(text, home) for text in self.mounts)]
        packages = posixpath.join(base, PACKAGES)
        folder = posixpath.join(packages, hashlib.sha256(image.encode()).hexdigest()[:16])
        return Container(
            image,
            kind_of(image),
            mounts,
            self.python,
            self.workdir,
            self.env,
            folder=folder,
            base=packages,
        )

    def _build(self, task: SlurmTask[Any, Any]) -> Built:
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


def _absolute(image: str, home: str) -> str:
    return home + image[1:] if image.startswith("~/") else image


def _bundle_at(image: str, backend: BackendBase) -> dict[str, Any] | None:
    """The configuration of an OCI bundle; None for a directory that is a root file system. Raises `ConfigError`."""
    path = posixpath.join(image, "config.json")
    try:
        found = json.loads(backend.read_file(path))
    except RemoteFileMissing:
        return None
    except ValueError as error:
        raise ConfigError(f"{path} is no JSON: {error}") from None
    if not isinstance(found, dict) or "ociVersion" not in found:
        raise ConfigError(f"{path} is not the configuration of an OCI bundle: it has no ociVersion")
    return found


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
