"""Apptainer, and Singularity, which is called alike.

- https://man.archlinux.org/man/apptainer-exec.1.en: ``exec``, its options, and which images it takes;
- https://apptainer.org/docs/user/main/cli/apptainer_build.html: a SIF from a registry or an archive;
- https://apptainer.org/docs/user/1.1/environment_and_metadata.html: the host's variables are handed on, the image's
  own win, and ``APPTAINERENV_NAME`` wins over both.
"""

from __future__ import annotations

import posixpath
import shlex

from slurm.packaging.images.runtimes.start import (
    HAS_AMD,
    HAS_GPUS,
    Container,
    Start,
    made_once,
    required,
)

WRAPPER = f"""\
for name in %(env)s; \
do [ -n "${{!name+set}}" ] && export "%(prefix)sENV_$name=${{!name}}"; done; \
if {HAS_GPUS}; then \
if {HAS_AMD}; then set -- --rocm "$@"; else set -- --nv "$@"; fi; fi; exec %(program)s exec "$@"\
"""
BUILT = "image.sif"


def start(container: Container, program: str = "apptainer") -> Start:
    """What is no file of Apptainer's own becomes one, once."""
    image, setup = container.image, [required(program)]
    makes = container.kind in ("registry", "tar")
    if makes:
        source = f"docker-archive:{image}" if container.kind == "tar" else _uri(image)
        image = posixpath.join(container.folder, BUILT)
        failure = f"{program} could not make a SIF of {source}"
        setup += made_once(image, [f'{program} build "$part" {shlex.quote(source)}'], failure)
    words = {"env": " ".join(container.env), "prefix": program.upper(), "program": program}
    options = [word for mount in container.mounts for word in ("--bind", mount.pyxis)]
    if container.workdir is not None:
        options += ["--pwd", container.workdir]
    command = ["bash", "-c", WRAPPER % words, program, *options, image, container.python]
    return Start(command, setup, makes=container.folder if makes else "")


def _uri(image: str) -> str:
    return image if image.startswith("docker://") else f"docker://{image}"
