"""Charliecloud: https://manpages.ubuntu.com/manpages/questing/man1/ch-run.1.html, and ``ch-image``, ``ch-convert`` beside it."""

from __future__ import annotations

import posixpath
import shlex

from slurm.errors import ConfigError
from slurm.packaging.images.image_names import without_scheme
from slurm.packaging.images.runtimes.start import (
    UNPACKED,
    Container,
    Start,
    made_once,
    required,
    unpacked_once,
)

# ch-run hands on all of the host's variables: those that lead to libraries of the host are taken out, and the image's own
# are read, which ch-image writes into it. It wants USER to be set, and sets HOME to what few images have. A newer one
# can lay a file system in memory over the image, in which mount points are made; for an older one the image has to have them.
WRAPPER = """\
export USER="${USER:-$(id -un)}"; image=$1; shift; \
for name in HOME %s; \
do [ -n "${!name+set}" ] && set -- "--set-env=$name=${!name}" "$@"; done; \
[ -e "$image/ch/environment" ] && set -- --set-env "$@"; \
case "$(ch-run --help 2>&1)" in *--write-fake*) set -- --write-fake "$@";; esac; \
exec ch-run --env-no-expand --unset-env=LD_LIBRARY_PATH --unset-env=LD_PRELOAD --unset-env=PYTHONHOME "$@"\
"""
# ch-run lays its own over the image's, on which nothing can be mounted: with only the user in it.
NAMES = ("/etc/passwd", "/etc/group")


def start(container: Container) -> Start:
    """What is no directory or SquashFS becomes a directory, once. Raises `ConfigError` for a mount that is to be read only."""
    for mount in container.mounts:
        if mount.flag == "ro":
            raise ConfigError(
                f"mount {mount.pyxis!r}: charliecloud mounts nothing read only; leave out the 'ro'"
            )
    image, setup = container.image, [required("ch-run")]
    makes = container.kind in ("registry", "tar")
    if makes:
        failure = f"charliecloud could not unpack {image}"
        pull = _unpacked if container.kind == "registry" else unpacked_once
        image, lines = pull(container, failure)
        setup += lines
    options = [f"--bind={mount.source}:{mount.target}" for mount in container.mounts]
    if container.workdir is not None:
        options.append(f"--cd={container.workdir}")
    options += [
        f"--set-env={line}" for line in container.variables if not _is_hosts(line, container)
    ]
    if any(mount.target in NAMES for mount in container.mounts):
        options.append("--no-passwd")
    wrapper = ["bash", "-c", WRAPPER % " ".join(container.env), "ch-run", image]
    return Start(
        [*wrapper, *options, image, "--", container.python],
        setup,
        makes=container.folder if makes else "",
    )


def _is_hosts(line: str, container: Container) -> bool:
    """Whether a variable of the image's is one that the host's goes before."""
    return line.partition("=")[0] in ("HOME", *container.env)


def _unpacked(container: Container, failure: str) -> tuple[str, list[str]]:
    """The directory that an image of a registry becomes, once, and the lines that see to it."""
    target = posixpath.join(container.folder, UNPACKED)
    name = shlex.quote(without_scheme(container.image))
    commands = [f"ch-image pull {name}", f'ch-convert -i ch-image -o dir {name} "$part"']
    return target, made_once(target, commands, failure)
