"""Which engine answers to ``docker``: Docker's own, or Podman at its Docker socket, and what that is told in other words."""

from __future__ import annotations

import json
import subprocess

PODMAN = "Podman Engine"
COMPONENTS = '{{range .Server.Components}}{{.Name}}{{"\\n"}}{{end}}'


def is_podman() -> bool:
    """Whether the engine is Podman: `docker` says of which components it is made."""
    return PODMAN in _said(["docker", "version", "--format", COMPONENTS]).splitlines()


def build_command(*, podman: bool) -> list[str]:
    """The words before labels, tag and arguments with which an image is built and kept.

    >>> build_command(podman=True)
    ['env', 'DOCKER_BUILDKIT=0', 'docker', 'build']
    """
    if podman:  # it builds with Buildah, and has none of the calls that buildx makes (4.3 to 5.4)
        return ["env", "DOCKER_BUILDKIT=0", "docker", "build"]
    # An attestation would be one more image without a name, where the engine keeps them as containerd does.
    return ["docker", "buildx", "build", "--load", "--provenance=false", "--progress=plain"]


def is_healthy(container: str) -> bool:
    """Whether the check that Compose has for a container succeeds; the cluster's own wait for some seconds."""
    argv = ["docker", "inspect", "--format", "{{json .Config.Healthcheck.Test}}", container]
    check = json.loads(_said(argv).strip() or "[]")[1:]  # what follows CMD
    return bool(check) and _run(["docker", "exec", container, *check]).returncode == 0


def _said(argv: list[str]) -> str:
    return _run(argv).stdout


def _run(argv: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["env", *argv], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
