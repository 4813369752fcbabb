"""Further doors of the dockerised cluster, each in a container of its own: login nodes and a bastion, as its options make them.

A cluster has one login node. The tests want several beside each other, and some of what no option says.
"""

from __future__ import annotations

import secrets
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tests.conformance.waiting import wait_until

from slurm.testing import DockerCluster

# Whoever has the key of `dev` may be another user as well; of AllowUsers, all lines hold.
OTHERS = "AuthorizedKeysFile /etc/ssh/authorized_keys/dev\nAllowUsers *\n"
START = 'printf %s "$SSHD_CONFIG" >/etc/ssh/sshd_config.d/a-test.conf && exec tini -- cluster-entrypoint "$0"'


@dataclass(frozen=True)
class Sshd:
    """A running one; `port` on 127.0.0.1 leads to it."""

    container: str
    port: int

    def run(self, *argv: str, stdin: str = "") -> str:
        """Run `argv` in the container, as root; what it printed."""
        return docker("exec", "--interactive", self.container, *argv, stdin=stdin).stdout

    @property
    def host_key(self) -> str:
        """What known_hosts has to say of it: a bastion has another key than login nodes."""
        shown = "ssh-keygen -y -f $(sed -n 's/^HostKey //p' /etc/ssh/sshd_config)"
        return self.run("sh", "-c", shown).strip()

    def log(self) -> list[str]:
        """What the sshd wrote until now."""
        return log_of(self.container)

    def accepted(self) -> list[str]:
        """A line for each authentication that succeeded until now."""
        return [line for line in self.log() if line.startswith("Accepted ")]

    @property
    def address(self) -> str:
        """Where the other containers see it."""
        network = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
        return docker("inspect", "--format", network, self.container).stdout.strip()


@contextmanager
def sshd(
    cluster: DockerCluster, role: str = "login", words: str = "", config: str = ""
) -> Iterator[Sshd]:
    """A door more: a login node that was told `words` (see ``docker/login.sh``), or a bastion; its sshd has `config` as well."""
    beside = cluster.compose.run("ps", "--quiet", "login").stdout.strip()
    argv = ["run", "--detach", "--rm", "--publish", "127.0.0.1::22", "--volumes-from", beside]
    argv += ["--network", f"{cluster.project}_default"]
    # As if Compose had made it, as a service of its own: so it ends with the cluster at the latest,
    # and the cluster still counts as healthy.
    for name, value in {
        "project": cluster.project,
        "service": "sshd",
        "oneoff": "False",
        "config-hash": "none",
        "container-number": secrets.token_hex(4),
    }.items():
        argv += ["--label", f"com.docker.compose.{name}={value}"]
    argv += ["--health-cmd", "cluster-health login", "--health-interval", "500ms"]
    argv += ["--env", f"SSHD_CONFIG={OTHERS}{config}", "--env", f"CLUSTER_LOGIN={words}"]
    argv += ["--entrypoint", "sh", cluster.compose.image.name, "-c", START, role]
    container = docker(*argv).stdout.strip()
    try:
        wait_for_line(container, "Server listening on 0.0.0.0 port 22.")
        published = docker("port", container, "22/tcp").stdout
        yield Sshd(container, int(published.split()[0].rpartition(":")[2]))
    finally:
        docker("rm", "--force", container)


def log_of(container: str) -> list[str]:
    """What the sshd in a container wrote until now, which Docker may still have to take down.

    It has when it shows a line that goes the same way.
    """
    mark = f"until {secrets.token_hex(8)}"
    docker("exec", container, "sh", "-c", 'echo "$0" >/proc/1/fd/2', mark)
    lines: list[str] = []

    def taken_down() -> bool:
        lines[:] = docker("logs", container).stderr.split("\n")
        return mark in lines

    wait_until(taken_down, f"{container} has written {mark}", every=0.1)
    return lines[: lines.index(mark)]


def wait_for_line(container: str, wanted: str) -> None:
    """Returns as soon as the container writes the line; fails if it ends before."""
    following = subprocess.Popen(
        ["docker", "logs", "--follow", container],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    with following:
        seen = []
        for line in following.stdout or ():
            seen.append(line)
            if line.strip() == wanted:
                following.terminate()
                return
    raise AssertionError(f"the sshd ended: {''.join(seen)}")


def docker(*argv: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["docker", *argv], input=stdin, capture_output=True, text=True, check=True, timeout=240
    )
