"""The settings of the packaging ``container``: what can be, and what follows from them. Pure."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from slurm.config.checks import check_text, suggestion
from slurm.errors import ConfigError
from slurm.packaging.images.image_names import is_path, is_pushable, kind_of, repository_of
from slurm.packaging.images.mounts import mount_of
from slurm.packaging.images.runtimes import TAKES, check_takes

if TYPE_CHECKING:
    from slurm.packaging.container import ContainerPackagingStrategy

PUSH, COPY = "push", "copy"
OF_SOURCE = ("include", "exclude", "max_size")
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def check_settings(given: ContainerPackagingStrategy) -> None:
    """Raises `ConfigError` for what cannot be."""
    if given.runtime is not None and given.runtime not in TAKES:
        near = suggestion(given.runtime, TAKES)
        known = ", ".join(TAKES)
        raise ConfigError(f"runtime {given.runtime!r} does not exist{near}: choose from {known}")
    if given.workdir is not None and not given.workdir.startswith("/"):
        raise ConfigError(f"workdir {given.workdir!r} is not an absolute path")
    for mount in given.mounts:
        mount_of(mount, home="/home")
    for variable in given.env:
        if not VARIABLE.fullmatch(variable):
            raise ConfigError(f"env: {variable!r} is not the name of a variable")
    source_settings(given.source)
    _check_transfer(given)
    kind = kind_of(given.image)
    if given.runtime is not None and way_of(given) != COPY:
        check_takes(given.runtime, given.image, kind)


def _check_transfer(given: ContainerPackagingStrategy) -> None:
    image, transfer = given.image, given.transfer
    if transfer not in (None, PUSH, COPY):
        near = suggestion(str(transfer), (PUSH, COPY))
        raise ConfigError(f"transfer {transfer!r} is no way{near}: say {PUSH!r} or {COPY!r}")
    if is_to_be_built(given):
        repository_of(image)
    elif transfer == PUSH:
        raise ConfigError(
            f"transfer {PUSH!r}: image {image!r} is not built here; name its dockerfile, or leave out the transfer"
        )
    elif transfer == COPY and is_path(image):
        raise ConfigError(
            f"transfer {COPY!r}: image {image!r} is on the cluster already; leave out the transfer"
        )
    if transfer == PUSH and not is_pushable(image):
        raise ConfigError(
            f"transfer {PUSH!r}: image {image!r} names no registry; name it as registry.example.org/me/{image}, or say "
            f"{COPY!r}"
        )


def is_to_be_built(given: ContainerPackagingStrategy) -> bool:
    """Whether the image is built here."""
    return given.dockerfile is not None or given.context is not None


def way_of(given: ContainerPackagingStrategy) -> str:
    """How an image that is here gets to the cluster, ``push`` or ``copy``; empty for one that is there, or in a registry."""
    if given.transfer is None and is_to_be_built(given):
        return PUSH if is_pushable(given.image) else COPY
    return given.transfer or ""


def source_settings(source: object) -> Mapping[str, Any] | None:
    """The settings with which the code of a project travels; None where it does not. Raises `ConfigError`.

    >>> source_settings(True), source_settings({"exclude": ["data/"]}), source_settings(False)
    ({}, {'exclude': ['data/']}, None)
    """
    if isinstance(source, bool):
        return {} if source else None
    if not isinstance(source, Mapping):
        raise ConfigError(f"source {source!r} is neither true or false nor a table")
    for key in source:
        if key not in OF_SOURCE:
            near = suggestion(str(key), OF_SOURCE)
            raise ConfigError(f"source has no key {key!r}{near}; it takes {sorted(OF_SOURCE)}")
    from slurm.packaging.source import SourcePackagingStrategy  # late: most images have the code

    SourcePackagingStrategy(**source)
    return source


def text(name: str, value: object) -> str:
    """A setting that is text, or a path. Raises `ConfigError`."""
    check_text(name, value)
    return str(os.fspath(value))  # type: ignore[call-overload]


def texts(name: str, values: object) -> list[str]:
    """A setting that is a list of them. Raises `ConfigError`."""
    if not isinstance(values, (list, tuple)):
        raise ConfigError(f"{name} {values!r} is no list")
    return [text(name, value) for value in values]
