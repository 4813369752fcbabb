"""What is to be started in a container, and what a job script has to say for it. Pure."""

from __future__ import annotations

import posixpath
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from slurm.packaging.images.mounts import Mount

# A job's variables, and those of its GPUs, in the words of bash: for runtimes that hand on only what they are told to.
JOBS_VARIABLES = '"${!SLURM@}" "${!CUDA@}" "${!NVIDIA@}" "${!ROCR@}" JOB_DIR'
# Whether the job has GPUs, and whose they are: Slurm says which, and their drivers have devices.
HAS_GPUS = '[ -n "${SLURM_JOB_GPUS:-}${SLURM_STEP_GPUS:-}${CUDA_VISIBLE_DEVICES:-}${ROCR_VISIBLE_DEVICES:-}" ]'
HAS_AMD = "[ -e /dev/kfd ] && [ ! -e /dev/nvidiactl ]"
IN_DIRECTORY = ("sh", "-c", 'cd "$0" && exec "$@"')


@dataclass(frozen=True)
class Container:
    """An image and what Python is to have in it.

    - `image`: a reference in a registry, or an absolute path on the cluster; `kind`: which, see `slurm.packaging.images.image_names`.
    - `folder`: a directory on the cluster for what jobs make of the image; `base`: the one in which such folders are.
    - `env`: variables that it takes from the host, also where the image has its own.
    - `variables`: those of the image, as ``NAME=value``, where the image does not say them itself.
    - `bundle`: the ``config.json`` of an image that is an OCI bundle; `user`: the user's and the group's id there.
    """

    image: str
    kind: str
    mounts: Sequence[Mount] = ()
    python: str = "python3"
    workdir: str | None = None
    env: Sequence[str] = ()
    variables: Sequence[str] = ()
    folder: str = ""
    base: str = ""
    bundle: Mapping[str, Any] | None = None
    user: tuple[int, int] = (0, 0)


@dataclass(frozen=True)
class Start:
    """The command that starts Python, lines of bash before it, and files that have to be there first.

    `makes` is the directory that the lines make something in, if they do.
    """

    command: Sequence[str]
    setup: Sequence[str] = ()
    files: Mapping[str, bytes] = field(default_factory=dict)
    makes: str = ""

    @property
    def needed(self) -> list[str]:
        """What must be there when a job is submitted that starts it."""
        return [*([self.makes] if self.makes else []), *self.files]


def required(program: str) -> str:
    """A line of bash that ends the job where the node has no such program."""
    said = f"slurm-tasks: there is no {program} on this node, which the packaging's runtime needs"
    return f"command -v {program} >/dev/null || {{ echo {shlex.quote(said)} >&2; exit 1; }}"


def made_once(target: str, commands: Sequence[str], failure: str) -> list[str]:
    """Lines of bash that make `target`, a file or a directory, once for all jobs.

    `commands` make it under the name in ``$part``, in the same directory.
    """
    path, lock, part = (
        shlex.quote(name)
        for name in (
            target,
            _beside(target, ".lock"),
            _beside(target, f"part-{posixpath.basename(target)}"),
        )
    )
    failed = shlex.quote(f"slurm-tasks: {failure}")
    return [
        f"[ -e {path} ] || (",
        f'  flock 9 || exit 1; [ -e {path} ] && exit 0; part={part}; rm -rf "$part"',
        *(f"  {command} || exit 1" for command in commands),
        f'  mv "$part" {path}',
        f") 9> {lock} || {{ echo {failed} >&2; exit 1; }}",
    ]


UNPACKED = "image"


def unpacked_once(container: Container, failure: str) -> tuple[str, list[str]]:
    """The directory that a ``.tar`` of a root file system becomes, once, and the lines that see to it."""
    target = posixpath.join(container.folder, UNPACKED)
    source = shlex.quote(container.image)
    unpack = (
        f"tar -x --no-same-owner --exclude='dev/*' --exclude='./dev/*' -C \"$part\" -f {source}"
    )
    return target, made_once(target, ['mkdir "$part"', unpack, '[ -d "$part/usr" ]'], failure)


def _beside(path: str, name: str) -> str:
    return posixpath.join(posixpath.dirname(path), name)
