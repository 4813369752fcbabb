"""Jobs in a container image, started with a runtime that the site has."""

from __future__ import annotations

import hashlib
import os
import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from slurm.job_dir.paths import PACKAGES
from slurm.packaging.base import PackagingStrategy, on_cluster
from slurm.packaging.code.source_copies import forget as forget_copies
from slurm.packaging.images.container_settings import (
    PUSH,
    check_settings,
    source_settings,
    text,
    texts,
    way_of,
)
from slurm.packaging.images.image_bringing import bring
from slurm.packaging.images.image_copies import configuration_of, of_image, shown_place
from slurm.packaging.images.image_copies import forget as forget_images
from slurm.packaging.images.image_names import Built, digest_in, is_path, kind_of
from slurm.packaging.images.mounts import mount_of, own_mounts
from slurm.packaging.images.prebuilding import prebuilt_for
from slurm.packaging.images.runtimes import chosen, start
from slurm.packaging.images.runtimes.probe import bundle_at, found_on, look_at, version_in
from slurm.packaging.images.runtimes.start import Container, Start
from slurm.packaging.inherit import settings_of_parent
from slurm.rendering import Environment

if TYPE_CHECKING:
    from slurm.cluster import Cluster
    from slurm.task import SlurmTask

SOURCES = ("image", "dockerfile", "context", "transfer")
HANDED = ("built", "digest", "runtime", "copies")


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
    - `source`: whether the code of the task's project travels by itself, as with the packaging ``source``; or a table with
      that one's ``include``, ``exclude`` and ``max_size``.
    - `dockerfile`, `context`: build the image from them with docker or podman, where a workflow is submitted from, never
      in its job; once per content. `image` has no tag then.
    - `transfer`: how the image gets there that docker or podman has here: ``push``, to `image`, or ``copy``, over the
      connection (default, of one that is built: ``push`` where the name of `image` has a ``/``).
    - `built`, `digest`, `copies`: the image that is there already, its digest, and the code. A workflow hands them on.

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
        source: bool | Mapping[str, Any] = False,
        dockerfile: str | os.PathLike[str] | None = None,
        context: str | os.PathLike[str] | None = None,
        transfer: str | None = None,
        built: str | None = None,
        digest: str | None = None,
        copies: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        self.image: str = text("image", image)
        self.runtime: str | None = None if runtime is None else text("runtime", runtime)
        self.mounts: list[str] = texts("mounts", mounts)
        self.workdir: str | None = None if workdir is None else text("workdir", workdir)
        self.python: str = text("python", python)
        self.pythonpath: list[str] = texts("pythonpath", pythonpath)
        self.env: list[str] = texts("env", env)
        self.source: bool | Mapping[str, Any] = source
        self.dockerfile: str | None = None if dockerfile is None else text("dockerfile", dockerfile)
        self.context: str | None = None if context is None else text("context", context)
        self.transfer: str | None = None if transfer is None else text("transfer", transfer)
        self.built: str | None = None if built is None else text("built", built)
        self.digest: str | None = None if digest is None else text("digest", digest)
        self.copies: Mapping[str, Mapping[str, Any]] | None = copies
        check_settings(self)

    @property
    def is_prebuilt(self) -> bool:
        """Whether an image is made here, or code travels with it.

        >>> ContainerPackagingStrategy(image="python:3.12").is_prebuilt
        False
        """
        return bool(way_of(self) or self.source)

    def prepare(self, task: SlurmTask[Any, Any], cluster: Cluster) -> Environment:
        given = self._given(task)
        built, runtime = self._image(task, cluster, given)
        image = _absolute(built.reference, cluster.backend.host().home)
        started = self._started(image, runtime, cluster)
        digest, python = self._known(image, built.digest or digest_in(image), cluster)
        code = self._code(task, cluster, given)
        copies = (code.inherited or {}).get("copies")
        inherited = {**self.inherited(), "runtime": runtime, "copies": copies}
        if way_of(self):
            inherited.update(built=built.reference, digest=built.digest or None)
        return Environment(
            started.command,
            started.setup,
            pythonpath=[on_cluster(path, cluster) for path in self.pythonpath],
            inherited=inherited,
            own_python=True,
            python=python,
            image={"name": image, "runtime": runtime, **({"digest": digest} if digest else {})},
            copies=code.copies,
            code=code.code,
            needed=[*of_image(image), *started.needed, *code.needed],
        )

    def forget(self, gone: Sequence[str], cluster: Cluster) -> None:
        forget_images(gone, cluster)
        forget_copies(gone, cluster)

    def preview(self, task: SlurmTask[Any, Any], cluster: Cluster) -> Environment:
        given = self._given(task)
        home, base = cluster.site.shown_home, cluster.site.shown_base
        runtime, image = given.get("runtime"), given.get("built") or self.image
        way = "" if given.get("built") else way_of(self)
        if way == PUSH:
            image = f"{image}:<what is built>"
        elif way and runtime is not None:
            image = shown_place(image, runtime, base)
        shown = Environment(
            [f"<the runtime of containers that is there, for {image}>", self.python],
            pythonpath=[on_cluster(path, cluster, dry=True) for path in self.pythonpath],
            own_python=True,
        )
        if self.source:
            code = self._sources(given).preview(task, cluster)
            shown = replace(shown, copies=code.copies)
        if runtime is None:
            return shown
        made = start(runtime, self._container(_absolute(image, home), home, base))
        return replace(shown, interpreter=made.command, setup=made.setup)

    def _given(self, task: SlurmTask[Any, Any]) -> dict[str, Any]:
        """What is there already: what was named, or what the workflow job around this process has to give."""
        parent, mine = settings_of_parent() or {}, self.inherited()
        found: dict[str, Any] = {}
        if parent.get("type") == mine["type"]:
            found["runtime"] = parent.get("runtime")
            if all(parent.get(name) == mine[name] for name in SOURCES):
                found.update(built=parent.get("built"), digest=parent.get("digest"))
            if parent.get("source") == mine["source"]:
                found["copies"] = parent.get("copies")
        for about in prebuilt_for(task):
            if (about.get("type"), about.get("image")) == (mine["type"], self.image):
                found = {key: about.get(key) for key in HANDED}
        another = self.runtime not in (None, found.get("runtime"))
        if another and is_path(found.get("built") or ""):  # in a form for that runtime alone
            del found["built"], found["digest"]
        own = {key: getattr(self, key) for key in HANDED}
        return {**found, **{key: value for key, value in own.items() if value is not None}}

    def _image(
        self, task: SlurmTask[Any, Any], cluster: Cluster, given: Mapping[str, Any]
    ) -> tuple[Built, str]:
        """The image, where it is afterwards, and the runtime that starts it."""
        runtime: str | None = given.get("runtime")
        if way_of(self) and not given.get("built"):
            built, runtime = bring(self, task.name, cluster, runtime)
        else:
            built = Built(given.get("built") or self.image, given.get("digest") or "")
        if runtime is None:
            there = found_on(cluster.backend).runtimes
            runtime = chosen(there, built.reference, kind_of(built.reference))
        return built, runtime

    def _started(self, image: str, runtime: str, cluster: Cluster) -> Start:
        """How Python is started in it, with the files there that this needs."""
        backend = cluster.backend
        container = self._container(image, backend.host().home, cluster.job_base_dir)
        says = configuration_of(image, cluster)
        if says:
            workdir = self.workdir or says["WorkingDir"] or None
            container = replace(container, variables=says["Env"], workdir=workdir)
        if runtime == "slurm-oci":
            bundle = bundle_at(backend, image) if container.kind == "directory" else None
            container = replace(container, bundle=bundle, user=found_on(backend).user)
        started = start(runtime, container)
        if started.makes:
            backend.make_directory(started.makes)
        for path, content in started.files.items():
            if not backend.file_exists(path):
                backend.write_file(path, content, exclusive=True)
        return started

    def _known(
        self, image: str, digest: str, cluster: Cluster
    ) -> tuple[str, tuple[int, int] | None]:
        """The image's digest and the version of its Python, where they are known."""
        python = version_in(self.python)
        if not is_path(image) or (digest and kind_of(image) != "directory"):
            return digest, python
        found = look_at(cluster.backend, image, self.python)
        return digest or found.digest, python or found.python

    def _code(
        self, task: SlurmTask[Any, Any], cluster: Cluster, given: Mapping[str, Any]
    ) -> Environment:
        """What the packaging ``source`` says, of which the copies count; nothing where no code travels."""
        return self._sources(given).prepare(task, cluster) if self.source else Environment([])

    def _sources(self, given: Mapping[str, Any]) -> PackagingStrategy:
        from slurm.packaging.source import SourcePackagingStrategy  # late: most images have it

        settings = source_settings(self.source) or {}
        return SourcePackagingStrategy(**settings, copies=given.get("copies"))

    def _container(self, image: str, home: str, base: str) -> Container:
        mounts = [*own_mounts(base), *(mount_of(text, home) for text in self.mounts)]
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


def _absolute(image: str, home: str) -> str:
    return home + image[1:] if image.startswith("~/") else image
