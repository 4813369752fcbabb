"""Podman without root: https://docs.podman.io/en/v5.3.0/markdown/podman-run.1.html."""

from __future__ import annotations

from slurm.packaging.images.runtimes.start import (
    HAS_AMD,
    HAS_GPUS,
    JOBS_VARIABLES,
    Container,
    Start,
    required,
)

# In the cgroups that Slurm has made for the job, on the host's network, with the user's own id, and with no copy of what
# is printed. GPUs of NVIDIA's are named by CDI:
# https://docs.nvidia.com/datacenter/cloud-native/container-toolkit/latest/cdi-support.html
OPTIONS = (
    *("--rm", "--cgroups=disabled", "--network=host", "--ipc=host", "--userns=keep-id"),
    *("--security-opt=label=disable", "--log-driver=none", "--entrypoint="),
)
#
# A container is no child of the job: it is told of the job's end by who listens for SIGTERM beside podman, which hands on
# signals itself, but loses this one when Slurm sends it to the helper that is to do so as well.
WRAPPER = f"""\
for name in {JOBS_VARIABLES} %s; \
do [ -n "${{!name+set}}" ] && set -- --env "$name" "$@"; done; \
if {HAS_GPUS}; then \
if {HAS_AMD}; then set -- --device /dev/kfd --device /dev/dri "$@"; \
elif [ -e /dev/nvidiactl ]; then set -- --device nvidia.com/gpu=all "$@"; fi; fi; \
name=slurm-tasks-${{SLURM_JOB_ID:-$$}}; \
(trap 'podman kill --signal TERM "$name" >/dev/null 2>&1; exit' TERM; while kill -0 $$; do sleep 1 & wait $!; done) \
>/dev/null 2>&1 & exec podman run --name "$name" --replace "$@"\
"""

# The container's first process, which the kernel shields from signals that it does not listen to: Python would not end by
# SIGTERM, and outlive a cancelled job where Slurm has no cgroups to find it by. SIGUSR1 is ignored until Python listens.
FIRST = """\
trap 'kill -s USR1 "$child"' USR1; trap 'kill -s TERM "$child"' TERM; \
(trap "" USR1; exec "$@") & child=$!; \
while :; do wait "$child"; status=$?; kill -0 "$child" 2>/dev/null || exit "$status"; done\
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
    command = [*wrapper, *OPTIONS, *options, *image, "sh", "-c", FIRST, "sh", container.python]
    return Start(command, [required("podman")])
