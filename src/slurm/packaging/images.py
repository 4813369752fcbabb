"""Names of container images, and building one with docker or podman. Everything but `build` is pure."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from pathlib import Path

from slurm import forks
from slurm.errors import ConfigError, PackagingError
from slurm.packaging.programs import run
from slurm.packaging.projects import fingerprint

logger: logging.Logger = logging.getLogger(__name__)

DOCKER_HUB = ("docker.io", "index.docker.io", "registry-1.docker.io")
TAG_PREFIX = "sdk-"
TAG_LENGTH = 16

# What an image is named by, in words; a path says it with its end.
KINDS = {
    "registry": "an image in a registry",
    "sif": "a .sif file",
    "sqsh": "a .sqsh file",
    "tar": "a .tar file",
    "directory": "a directory",
}
ENDS = {
    ".sif": "sif",
    ".sqsh": "sqsh",
    ".sqfs": "sqsh",
    ".squashfs": "sqsh",
    ".tar": "tar",
    ".tar.gz": "tar",
    ".tgz": "tar",
}
DIGEST = re.compile(r"@(sha256:[0-9a-f]{64})\Z")

_built: dict[tuple[str, Path, Path], tuple[str, Built]] = {}
_building = forks.Lock()


@dataclass(frozen=True)
class Built:
    """An image that was built and pushed: its name, and the digest that the registry knows it by, where that was told."""

    reference: str
    digest: str = ""


def kind_of(image: str) -> str:
    """What an image is: a key of `KINDS`. Raises `ConfigError` as `is_path` does.

    >>> [kind_of(image) for image in ("python:3.12", "/images/train.sif", "~/images/train")]
    ['registry', 'sif', 'directory']
    """
    if not is_path(image):
        return "registry"
    return next((kind for end, kind in ENDS.items() if image.endswith(end)), "directory")


def digest_in(image: str) -> str:
    """The digest that an image is named by; empty where it has a tag.

    >>> digest_in("python:3.12")
    ''
    """
    found = DIGEST.search(image)
    return found[1] if found else ""


def is_path(image: str) -> bool:
    """Whether an image is named by a file on the cluster, not in a registry.

    Raises `ConfigError` for a relative path, which would mean another file in every directory.
    """
    if image.startswith(("/", "~/")):
        return True
    if image.startswith("-"):
        raise ConfigError(f"image {image!r} is no name of an image")
    if image.startswith((".", "~")) or image.endswith(tuple(ENDS)):
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


def build(image: str, dockerfile: Path, context: Path) -> Built:
    """Build and push an image, once per process and content; its name has a tag for the content.

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


def _build(repository: str, dockerfile: Path, context: Path) -> Built:
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
    known = run(
        f"{what} looked at", [tool, "inspect", "--format", "{{json .RepoDigests}}", reference]
    )
    digests = re.findall(rf'"{re.escape(repository)}@(sha256:[0-9a-f]{{64}})"', known)
    return Built(reference, digests[0] if digests else "")
