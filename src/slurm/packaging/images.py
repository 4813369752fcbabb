"""Names of container images, and building one with docker or podman. Everything but `build` is pure."""

from __future__ import annotations

import logging
from pathlib import Path

from slurm import forks
from slurm.errors import ConfigError, PackagingError
from slurm.packaging.programs import run
from slurm.packaging.projects import fingerprint

logger: logging.Logger = logging.getLogger(__name__)

DOCKER_HUB = ("docker.io", "index.docker.io", "registry-1.docker.io")
TAG_PREFIX = "sdk-"
TAG_LENGTH = 16

_built: dict[tuple[str, Path, Path], tuple[str, str]] = {}
_building = forks.Lock()


def is_path(image: str) -> bool:
    """Whether an image is named by a file on the cluster, not in a registry.

    Raises `ConfigError` for a relative path, which would mean another file in every directory.
    """
    if image.startswith(("/", "~/")):
        return True
    if image.startswith((".", "~")) or image.endswith(".sqsh"):
        raise ConfigError(f"image {image!r}: give a path that begins with / or ~/")
    return False


def enroot_reference(image: str) -> str:
    """An image in a registry as Enroot and Pyxis spell it: with ``#`` behind the registry.

    >>> enroot_reference("nvcr.io/nvidia/pytorch:24.05-py3")
    'nvcr.io#nvidia/pytorch:24.05-py3'
    >>> enroot_reference("docker://python:3.12")
    'python:3.12'
    """
    name = image[len("docker://") :] if image.startswith("docker://") else image
    first, slash, rest = name.partition("/")
    if "#" in name or not slash:
        return name
    if first in DOCKER_HUB:
        return rest
    names_registry = "." in first or ":" in first or first == "localhost"
    return f"{first}#{rest}" if names_registry else name


def repository_of(image: str) -> str:
    """The name under which a built image is pushed. Raises `ConfigError` for one with a tag."""
    name = image[len("docker://") :] if image.startswith("docker://") else image
    if is_path(name) or "#" in name:
        raise ConfigError(f"image {image!r} is to be built: name the repository it is pushed to")
    if ":" in name.rpartition("/")[2] or "@" in name:
        raise ConfigError(
            f"image {image!r} is to be built: leave out the tag, which is made from its content"
        )
    return name


def build(image: str, dockerfile: Path, context: Path) -> str:
    """Build and push an image, once per process and content; its name with a tag for the content.

    Raises `PackagingError` when that fails.
    """
    repository = repository_of(image)
    with _building:
        state = fingerprint(context, dockerfile)
        known = _built.get((repository, dockerfile, context))
        if known is None or known[0] != state:
            logger.info("building %s from %s", repository, dockerfile)
            known = state, _build(repository, dockerfile, context)
            _built[repository, dockerfile, context] = known
        return known[1]


def _build(repository: str, dockerfile: Path, context: Path) -> str:
    import shutil
    import tempfile

    tool = shutil.which("docker") or shutil.which("podman")
    if tool is None:
        raise PackagingError(
            f"nothing here can build {repository}: neither docker nor podman is on the PATH"
        )
    what = f"the image {repository} could not be"
    with tempfile.TemporaryDirectory(prefix="slurm-tasks-") as folder:
        written = Path(folder) / "id"
        files = ["--iidfile", str(written), "--file", str(dockerfile)]
        run(f"{what} built from {dockerfile}", [tool, "build", *files, str(context)])
        identity = written.read_text().strip()
    reference = f"{repository}:{TAG_PREFIX}{identity.rpartition(':')[2][:TAG_LENGTH]}"
    run(f"{what} named {reference}", [tool, "tag", identity, reference])
    run(f"{what} pushed", [tool, "push", reference])
    return reference
