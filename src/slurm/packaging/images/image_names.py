"""Names of container images, and what an image is by its name. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from slurm.errors import ConfigError

DOCKER_HUB = ("docker.io", "index.docker.io", "registry-1.docker.io")

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


@dataclass(frozen=True)
class Built:
    """An image that jobs can be run in: its name in a registry, or its path on the cluster, and its digest where it is known.

    The digest is the registry's; of an image that was copied, that of its configuration, which docker calls its id.
    """

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
    name = without_scheme(image)
    first, slash, rest = name.partition("/")
    if "#" in name or not slash:
        return name
    if first in DOCKER_HUB:
        return rest
    names_registry = "." in first or ":" in first or first == "localhost"
    return f"{first}#{rest}" if names_registry else name


def without_scheme(image: str) -> str:
    """An image without the ``docker://`` that some runtimes want before it."""
    return image[len("docker://") :] if image.startswith("docker://") else image


def is_pushable(image: str) -> bool:
    """Whether an image is named by where a registry has it; a name alone is one that docker gives here.

    >>> [is_pushable(image) for image in ("nvcr.io/me/train", "me/train", "train", "localhost/train:1")]
    [True, True, False, False]
    """
    first, slash, _ = without_scheme(image).partition("/")
    return bool(slash) and first != "localhost"


def repository_of(image: str) -> str:
    """The name that a built image gets, to which a tag is added. Raises `ConfigError` for one with a tag."""
    name = without_scheme(image)
    if is_path(name) or "#" in name:
        raise ConfigError(
            f"image {image!r} is to be built: name the repository it is pushed to, or any name for one that is copied"
        )
    if ":" in name.rpartition("/")[2] or "@" in name:
        raise ConfigError(
            f"image {image!r} is to be built: leave out the tag, which is made from its content"
        )
    return name
