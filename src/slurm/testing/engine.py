"""Which engine answers to ``docker``: Docker's own, or Podman at its Docker socket, here or elsewhere."""

from __future__ import annotations

import json
import shlex
import subprocess
from urllib.parse import urlsplit

PODMAN = "Podman Engine"
HERE = ("localhost", "127.0.0.1", "::1")
SSHD_PORT, REST_PORT = 22, 6820
# What a client says goes to the daemon, what that says comes back; when one of them has ended, so does the other half.
RELAY = "exec 3<>/dev/tcp/127.0.0.1/{port} 4<&0; cat <&4 >&3 & cat <&3 & wait -n; kill $(jobs -p) 2>/dev/null"
COMPONENTS = '{{range .Server.Components}}{{.Name}}{{"\\n"}}{{end}}'


def is_podman() -> bool:
    """Whether the engine is Podman: `docker` says of which components it is made."""
    return PODMAN in _said(["docker", "version", "--format", COMPONENTS]).splitlines()


def is_elsewhere(docker_host: str) -> bool:
    """Whether the engine that ``DOCKER_HOST`` names is another machine, whose 127.0.0.1 is not the one here.

    >>> [is_elsewhere(host) for host in ("", "unix:///run/docker.sock", "tcp://localhost:2375", "tcp://docker:2376")]
    [False, False, False, True]
    """
    address = urlsplit(docker_host)
    return address.scheme in ("tcp", "http", "https", "ssh") and address.hostname not in HERE


def relay_command(container: str, port: int) -> list[str]:
    """The command whose stdin and stdout are a connection to a daemon in a container: through the engine, without its ports.

    >>> relay_command("mine-slurmrestd-1", REST_PORT)[:4]
    ['docker', 'exec', '--interactive', 'mine-slurmrestd-1']
    """
    return ["docker", "exec", "--interactive", container, "bash", "-c", RELAY.format(port=port)]


def relay_of(container: str) -> str:
    """The same to its sshd, as ssh wants it said.

    >>> print(relay_of("mine-login-1").partition(" bash ")[0])
    docker exec --interactive mine-login-1
    """
    return shlex.join(relay_command(container, SSHD_PORT))


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
