"""Podman without root: https://docs.podman.io/en/v5.3.0/markdown/podman-run.1.html."""

from __future__ import annotations

from slurm.packaging.runtimes.start import (
    HAS_AMD,
    HAS_GPUS,
    JOBS_VARIABLES,
    Container,
    Start,
    required,
)

# In the cgroups that Slurm has made for the job, on the host's network, with the user's own id, and with no copy of what
# is printed. GPUs of NVIDIA's are named by CDI: https://github.com/containers/podman/blob/main/docs/tutorials/README.md
OPTIONS = (
    *("--rm", "--cgroups=disabled", "--network=host", "--ipc=host", "--userns=keep-id"),
    *("--security-opt=label=disable", "--log-driver=none", "--entrypoint="),
)
WRAPPER = f"""\
for name in {JOBS_VARIABLES} %s
do [ -n "${{!name+set}}" ] && set -- --env "$name" "$@"; done
if {HAS_GPUS}; then
if {HAS_AMD}; then set -- --device /dev/kfd --device /dev/dri "$@"
elif [ -e /dev/nvidiactl ]; then set -- --device nvidia.com/gpu=all "$@"; fi; fi; exec podman run "$@"\
"""


def start(container: Container) -> Start:
    """An unpacked root file system is started as it is; the others are kept where Podman keeps images, on each node."""
    image = [container.image]
    if container.kind == "directory":
        image = ["--rootfs", container.image]
    elif container.kind == "tar":
        image = [f"docker-archive:{container.image}"]
    options = [word for mount in container.mounts for word in ("--volume", mount.pyxis)]
    if container.workdir is not None:
        options += ["--workdir", container.workdir]
    wrapper = ["bash", "-c", WRAPPER % " ".join(container.env), "podman"]
    return Start([*wrapper, *OPTIONS, *options, *image, container.python], [required("podman")])
