"""Breaking a dockerised cluster, and mending it: what a `DockerCluster` can do to its services."""

from __future__ import annotations

import abc
import subprocess
import time
from collections.abc import Sequence

from slurm.testing.commands import explain
from slurm.testing.compose import ComposeProject
from slurm.testing.errors import ClusterError

START_TIMEOUT = 300.0
QUEUE_TIMEOUT = 180.0
FREEZE_TIMEOUT = 60.0
# Without its mark, the health check looks again and again, so that it returns as soon as it can.
CHECK = 'rm -f /run/cluster-ready; exec cluster-health "$0"'
TAKES_NO_JOBS = ("down", "drain", "fail", "error")


class Disturbable(abc.ABC):
    """Verbs for tests of what has to bear a cluster's faults. All raise `ClusterError`.

    The services are ``db``, ``slurmdbd``, ``slurmctld``, ``login`` and the nodes, ``c1`` and ``c2`` unless told, and where they were
    asked for ``slurmrestd`` and ``emulator``; a verb takes one or several. `heal` undoes whatever was done.

    ::

        cluster.kill("slurmctld")
        ...                          # what must go on, or wait, without it
        cluster.start("slurmctld")
    """

    compose: ComposeProject

    @property
    def nodes(self) -> list[str]:
        """The names of the nodes."""
        return self.compose.shape.hosts

    @property
    def services(self) -> tuple[str, ...]:
        """The names of all machines, in the order in which they need each other."""
        return self.compose.shape.services

    @property
    def start_timeout(self) -> float:
        """For how many seconds services are waited for: emulated nodes may have to share two processors."""
        return START_TIMEOUT + self.compose.shape.emulated_nodes

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

    def require_services(self, *services: str) -> None:
        """Raises `ClusterError` for one that is not there."""
        self._known(services)

    def kill(self, *services: str) -> None:
        """Kill the daemons of services: their machines stay, and refuse connections.

        Jobs on a node go on, sessions on the login node end. `start` starts the daemons again.
        """
        self._break(services, "kill")

    def switch_off(self, *services: str) -> None:
        """Do what a loss of power does: every process ends, jobs' too, and nobody answers.

        `start` brings the machines back.
        """
        self._break(services, "off")

    def start(self, *services: str) -> None:
        """Start what was killed or switched off; returns when it can be used, nodes when they take jobs."""
        self._break(services, "start")
        self.wait_until_ready(*services)

    def restart(self, *services: str) -> None:
        """Stop daemons as an administrator would, and `start` them."""
        self._break(services, "restart")
        self.wait_until_ready(*services)

    def pause(self, *services: str) -> None:
        """Freeze services: their sockets stay open and nobody answers, until `unpause`."""
        for service in self._known(services):
            self._pause(service)

    def unpause(self, *services: str) -> None:
        """Let paused services go on where they were."""
        self.compose.run("unpause", *self._known(services))

    def cut_network(self, *services: str) -> None:
        """Take the network link of services down: connections, old and new, meet silence."""
        self._break(services, "cut")

    def heal_network(self, *services: str) -> None:
        """Bring a link that was cut back up, with the routes it had."""
        self._break(services, "heal")

    def skew_clock(self, service: str, seconds: int, *, wait: bool = True) -> None:
        """Switch a service off and on again, with a clock that is so many `seconds` ahead (behind, below 0).

        All of its programs, jobs among them, live at that time; 0 is the machine's own again. Munge
        refuses what is more than 300 s off, so a node that is further away never becomes ready: do
        not `wait` for it.
        """
        self._break([service], "clock", str(seconds))
        if wait:
            self.wait_until_ready(service)

    def wait_until_ready(self, *services: str, seconds: float | None = None) -> None:
        """Return when services can be used, all of them unless named; nodes when they take jobs.

        Raises `ClusterError` after so many `seconds`, `start_timeout` unless told.
        """
        seconds = self.start_timeout if seconds is None else seconds
        deadline = time.monotonic() + seconds
        for service in self._known(services or self.services):
            role = "node" if service in self.nodes else service
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
        paused = [str(one.Service) for one in containers if one.State == "paused"]
        if paused:
            self.unpause(*paused)
        for service in self.services:  # in the order in which they need each other
            self._break([service], "mend")
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
            for user in self.compose.shape.people:
                self.exec("slurmctld", ["scancel", "--user", user])
            time.sleep(0.2)

    # ------------------------------------------------------------------------------- private

    def _pause(self, service: str) -> None:
        """A machine that is busy, or gives containers little of its time, may need several attempts."""
        deadline = time.monotonic() + FREEZE_TIMEOUT
        while True:
            try:
                self.compose.run("pause", service)
                return
            except ClusterError as error:
                if "unable to freeze" not in str(error) or time.monotonic() > deadline:
                    raise

    def _break(self, services: Sequence[str], *fault: str) -> None:
        for service in self._known(services):
            self.exec(service, ["cluster-fault", *fault])

    def _resume_nodes(self) -> None:
        """Have nodes that were set down, or drained, take jobs again."""
        for node in self.nodes:
            asked = self.exec("slurmctld", ["sinfo", "-h", "-n", node, "-o", "%T"], check=False)
            if any(word in asked.stdout for word in TAKES_NO_JOBS):
                resume = ["scontrol", "update", f"nodename={node}", "state=resume"]
                self.exec("slurmctld", resume, check=False)

    def _check(self, service: str, role: str) -> subprocess.CompletedProcess[str]:
        return self.exec(service, ["sh", "-c", CHECK, role], check=False)

    def _known(self, services: Sequence[str]) -> Sequence[str]:
        there_are = ", ".join(self.services)
        if not services:
            raise ClusterError(f"name a service: {there_are}")
        for service in services:
            if service not in self.services:
                raise ClusterError(f"there is no service {service!r}; there are {there_are}")
        return services
