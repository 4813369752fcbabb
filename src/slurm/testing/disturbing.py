"""Breaking a dockerised cluster, and mending it: what a `DockerCluster` can do to its services."""

from __future__ import annotations

import abc
import subprocess
import time
from collections.abc import Sequence

from slurm.testing.compose import SERVICES, ComposeProject, explain
from slurm.testing.errors import ClusterError

NODES = ("c1", "c2")
START_TIMEOUT = 180.0
QUEUE_TIMEOUT = 60.0
# Without its mark, the health check looks again and again, so that it returns as soon as it can.
CHECK = 'rm -f /run/cluster-ready; exec cluster-health "$0"'
# Mends the network, and fails where the clock is to be mended.
MEND = "cluster-network heal; test ! -e /etc/faketimerc"
TAKES_NO_JOBS = ("down", "drain", "fail", "error")


class Disturbable(abc.ABC):
    """Verbs for tests of what has to bear a cluster's faults. All raise `ClusterError`.

    The services are ``db``, ``slurmdbd``, ``slurmctld``, ``login``, ``c1`` and ``c2``; a verb takes one or
    several. `heal` undoes whatever was done.

    ::

        cluster.kill("slurmctld")
        ...                          # what must go on, or wait, without it
        cluster.start("slurmctld")
    """

    compose: ComposeProject

    @abc.abstractmethod
    def exec(
        self,
        service: str,
        argv: Sequence[str],
        *,
        user: str = "root",
        check: bool = True,
        timeout: float = 60.0,
    ) -> subprocess.CompletedProcess[str]:
        """Run `argv` in the container of `service`."""

    def kill(self, *services: str) -> None:
        """End services as a loss of power would: every process with SIGKILL. `start` brings them back."""
        self.compose.run("kill", "--signal", "SIGKILL", *_known(services))

    def start(self, *services: str) -> None:
        """Start services that were killed; returns when they can be used, nodes when they take jobs."""
        self.compose.run("start", *_known(services))
        self.wait_until_ready(*services)

    def restart(self, *services: str) -> None:
        """Stop services as an administrator would, with SIGTERM, and `start` them again."""
        self.compose.run("restart", "--no-deps", *_known(services))
        self.wait_until_ready(*services)

    def pause(self, *services: str) -> None:
        """Freeze services: their sockets stay open and nobody answers, until `unpause`."""
        self.compose.run("pause", *_known(services))

    def unpause(self, *services: str) -> None:
        """Let paused services go on where they were."""
        self.compose.run("unpause", *_known(services))

    def cut_network(self, *services: str) -> None:
        """Take the network link of services down: connections, old and new, meet silence."""
        for service in _known(services):
            self.exec(service, ["cluster-network", "cut"])

    def heal_network(self, *services: str) -> None:
        """Bring a link that was cut back up, with the routes it had."""
        for service in _known(services):
            self.exec(service, ["cluster-network", "heal"])

    def skew_clock(self, service: str, seconds: int, *, wait: bool = True) -> None:
        """Restart a service with a clock that is so many `seconds` ahead (or behind, below 0).

        All of its programs, jobs among them, live at that time; 0 is the machine's own again. Munge
        refuses what is more than 300 s off, so a node that is further away never becomes ready: do
        not `wait` for it.
        """
        self.exec(service, ["cluster-clock", str(seconds)])
        self.compose.run("restart", "--no-deps", service)
        if wait:
            self.wait_until_ready(service)

    def wait_until_ready(self, *services: str, seconds: float = START_TIMEOUT) -> None:
        """Return when services can be used, all of them unless named; nodes when they take jobs.

        Raises `ClusterError` after so many `seconds`.
        """
        deadline = time.monotonic() + seconds
        for service in _known(services or SERVICES):
            role = "node" if service in NODES else service
            while (done := self._check(service, role)).returncode != 0:
                if time.monotonic() > deadline:
                    raise ClusterError(
                        f"{service} is not ready after {seconds:g} s: {explain(done)}"
                    )
                time.sleep(0.2)

    def heal(self) -> None:
        """Undo every disturbance; returns when all services can be used and both nodes take jobs.

        Jobs are left alone, as far as the disturbance did.
        """
        containers = self.compose.testcontainers().get_containers(include_all=True)
        for state, verb in (("paused", "unpause"), ("exited", "start")):
            services = [str(one.Service) for one in containers if one.State == state]
            if services:
                self.compose.run(verb, *services)
        for service in SERVICES:  # in the order in which they need each other
            if self.exec(service, ["sh", "-c", MEND], check=False).returncode != 0:
                self.skew_clock(service, 0, wait=False)
            self.wait_until_ready(service)
            if service == "slurmctld":
                self._resume_nodes()

    def cancel_all_jobs(self) -> None:
        """Cancel whatever is in the queue; returns when it is empty."""
        deadline = time.monotonic() + QUEUE_TIMEOUT
        while queued := self.exec(
            "slurmctld", ["squeue", "-h", "-r", "-o", "%i %T"]
        ).stdout.strip():
            if time.monotonic() > deadline:
                raise ClusterError(f"these jobs do not end: {', '.join(queued.splitlines())}")
            self.exec("slurmctld", ["scancel", "--user", "dev"])
            time.sleep(0.2)

    # ------------------------------------------------------------------------------- private

    def _resume_nodes(self) -> None:
        """Have nodes that were set down, or drained, take jobs again."""
        for node in NODES:
            asked = self.exec("slurmctld", ["sinfo", "-h", "-n", node, "-o", "%T"], check=False)
            if any(word in asked.stdout for word in TAKES_NO_JOBS):
                resume = ["scontrol", "update", f"nodename={node}", "state=resume"]
                self.exec("slurmctld", resume, check=False)

    def _check(self, service: str, role: str) -> subprocess.CompletedProcess[str]:
        return self.exec(service, ["sh", "-c", CHECK, role], check=False)


def _known(services: Sequence[str]) -> Sequence[str]:
    there_are = ", ".join(SERVICES)
    if not services:
        raise ClusterError(f"name a service: {there_are}")
    for service in services:
        if service not in SERVICES:
            raise ClusterError(f"there is no service {service!r}; there are {there_are}")
    return services
