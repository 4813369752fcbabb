"""An image that is to be built, or that docker has here, becomes one that jobs can be run in."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from slurm.config.checks import expand_home
from slurm.errors import ConfigError
from slurm.packaging.images.container_settings import COPY, is_to_be_built, way_of
from slurm.packaging.images.image_building import LocalImage, build, local_image, push
from slurm.packaging.images.image_copies import copy_image, require_maker, runtime_for_copy
from slurm.packaging.images.image_names import Built
from slurm.packaging.images.runtimes.probe import found_on
from slurm.packaging.inherit import settings_of_parent

if TYPE_CHECKING:
    from slurm.cluster import Cluster
    from slurm.packaging.container import ContainerPackagingStrategy


def bring(
    given: ContainerPackagingStrategy, task: str, cluster: Cluster, runtime: str | None
) -> tuple[Built, str | None]:
    """The image, where it is afterwards, and the runtime that it is for, if it is for one alone.

    Raises `ConfigError` in a workflow's job, in which there is nothing that builds images, and `PackagingError`.
    """
    _require_to_be_here(given, task)
    if way_of(given) != COPY:
        return push(_built(given)), runtime
    if runtime is None:
        runtime = runtime_for_copy(found_on(cluster.backend).runtimes, given.image)
    require_maker(runtime, given.image)
    image = _built(given) if is_to_be_built(given) else local_image(given.image)
    return copy_image(image, runtime, cluster), runtime


def _require_to_be_here(given: ContainerPackagingStrategy, task: str) -> None:
    if settings_of_parent() is None:
        return
    sources = given.dockerfile or given.context
    which = f"built from {sources}" if sources else f"copied, {given.image}"
    raise ConfigError(
        f"{task} is to run in an image {which}, and images are built and copied where a workflow is submitted from, not in "
        "its job: name the task in the workflow's function, give the workflow the same packaging, or its tasks 'inherit' or "
        "an image that is pushed"
    )


def _built(given: ContainerPackagingStrategy) -> LocalImage:
    context = given.context or os.path.dirname(given.dockerfile or "") or "."
    folder = Path(expand_home("context", context)).resolve()
    named = given.dockerfile or folder / "Dockerfile"
    dockerfile = Path(expand_home("dockerfile", named)).resolve()
    if not dockerfile.is_file():
        raise ConfigError(f"there is no {dockerfile} to build {given.image} from")
    return build(given.image, dockerfile, folder)
