"""Charliecloud: https://manpages.ubuntu.com/manpages/questing/man1/ch-run.1.html, and ``ch-image``, ``ch-convert`` beside it."""

from __future__ import annotations

import posixpath
import shlex

from slurm.errors import ConfigError
from slurm.packaging.runtimes.start import Container, Start, made_once, required

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
UNPACKED = "image"
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
        unpacked = posixpath.join(container.folder, UNPACKED)
        failure = f"charliecloud could not unpack {image}"
        setup += made_once(unpacked, _unpack(image, container.kind), failure)
        image = unpacked
    options = [f"--bind={mount.source}:{mount.target}" for mount in container.mounts]
    if container.workdir is not None:
        options.append(f"--cd={container.workdir}")
    if any(mount.target in NAMES for mount in container.mounts):
        options.append("--no-passwd")
    wrapper = ["bash", "-c", WRAPPER % " ".join(container.env), "ch-run", image]
    return Start([*wrapper, *options, image, "--", container.python], setup, makes=makes)


def _unpack(image: str, kind: str) -> list[str]:
    if kind == "tar":
        unpack = f"tar -x --no-same-owner --exclude='dev/*' --exclude='./dev/*' -C \"$part\" -f {shlex.quote(image)}"
        return ['mkdir "$part"', unpack, '[ -d "$part/usr" ]']
    name = shlex.quote(image[len("docker://") :] if image.startswith("docker://") else image)
    return [f"ch-image pull {name}", f'ch-convert -i ch-image -o dir {name} "$part"']
