"""Starting a dockerised cluster: in its shape, at its port, and with nothing left of one that does not come up."""

from __future__ import annotations

import logging
import re
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from slurm.testing import access
from slurm.testing.access import Access
from slurm.testing.compose import ComposeProject, plain
from slurm.testing.disturbing import Disturbable
from slurm.testing.errors import ClusterError, ClusterStartError
from slurm.testing.shape import BASTION, LOGIN, Shape

KEYS = "/etc/ssh/keys"
SECOND_FACTOR = f"{KEYS}/second_factor"
LOG_LINES = 15
TAKEN = "port is already allocated|address already in use|[Pp]orts are not available"
STARTED, SAME = "was started", "ran already, in the same shape: it is used again"

logger: logging.Logger = logging.getLogger("slurm.testing")


class Startable(Disturbable):
    """The steps of `DockerCluster.up`. All raise `ClusterError`."""

    access: Access
    compose: ComposeProject
    shape: Shape

    @property
    def project(self) -> str:
        """The compose project's name, which is also the login node's name in `ssh_config`."""
        return self.compose.name

    def has_its_shape(self) -> bool:
        """Whether the containers that there are were made for the shape that it is to have."""
        return self.compose.running_shape() == self.shape.digest

    # ------------------------------------------------------------------------------- private

    def _start_at(self, port: int | None, rest_port: int | None) -> int:
        """Start all services, the login node and slurmrestd at these ports or at free ones; returns that of the login node.

        They are chosen here: Docker would choose others whenever one of them starts again.
        """
        self.compose = replace(
            self.compose,
            port=port or access.free_port(),
            rest_port=rest_port or access.free_port(),
        )
        try:
            self.compose.start(self.start_timeout)
            return self.compose.port
        except ClusterError as error:
            if port or rest_port or not re.search(TAKEN, str(error)):
                raise
        return self._start_at(None, None)  # somebody was faster

    def _require_its_release(self, existing: str | None) -> None:
        """The cluster that is there is of the release that was asked for: another would need other files of its volumes."""
        if existing in (None, self.compose.release):
            return
        down = ["slurm", "test-cluster", "down", "--project", self.project]
        if self.access.folder != access.default_folder(self.project):
            down += ["--state-dir", str(self.access.folder)]
        raise ClusterStartError(
            f"the cluster {self.project} is of the release {existing}, not {self.compose.release}: name {existing} to use it, "
            f"or another project to have both; this removes it with all that is in it: {shlex.join(down)}"
        )

    def _made_way(self, *, existed: bool) -> str:
        """What `up` does, after a cluster of another shape was removed."""
        if not existed:
            return STARTED
        if self.has_its_shape():
            return SAME
        others = self._differences()
        logger.info(
            "The shape of the cluster %s has changed%s: it is made anew.", self.project, others
        )
        self.compose.remove()
        return f"was made anew, for its shape has changed{others}"

    def _differences(self) -> str:
        """In which words the shape is another one than before, as far as that is known."""
        try:
            before = Shape.from_json(self.access.shape_file.read_text("utf-8"))
        except (OSError, ClusterError):
            return ""
        return f" ({', '.join(self.shape.differences(before))})"

    def _write_access(self, port: int) -> None:
        public = self._public_key("host")
        bastion = self._public_key(BASTION) if self.shape.bastion else ""
        for user in self.shape.people:

            def write_private_key(descriptor: int, user: str = user) -> None:
                self.compose.exec("login", ["cat", f"{KEYS}/{user}_ed25519"], stdout=descriptor)

            files = self.access.of(user)
            files.write(
                port=port,
                host_key=public,
                write_private_key=write_private_key,
                bastion_key=bastion,
                write_second_factor=self._copy_second_factor if files.asks else None,
            )
        if self.shape.rest:
            self.access.write_rest(self.compose.rest_port)
        else:
            self.access.rest_file.unlink(missing_ok=True)

    def _public_key(self, host: str) -> str:
        return self.exec(LOGIN, ["ssh-keygen", "-y", "-f", f"{KEYS}/{host}_ed25519"]).stdout

    def _copy_second_factor(self, descriptor: int) -> None:
        self.compose.exec(LOGIN, ["cat", SECOND_FACTOR], stdout=descriptor)

    @contextmanager
    def _gone_on_failure(self) -> Iterator[None]:
        """Whatever goes wrong is a `ClusterStartError`, and an empty folder does not stay."""
        try:
            yield
        except BaseException as error:
            if not self.access.exists():
                self.access.remove()
            if isinstance(error, ClusterError) and not isinstance(error, ClusterStartError):
                message = f"the cluster {self.project} did not start: {error}"
                raise ClusterStartError(message) from error
            raise

    @contextmanager
    def _removed_on_failure(self, *, existed: bool) -> Iterator[None]:
        """Also when interrupted; a cluster that ran before is left as it is."""
        try:
            yield
        except BaseException as error:
            unexplained = isinstance(error, ClusterError) and not isinstance(
                error, ClusterStartError
            )
            last_words = self._last_words() if unexplained else ""
            if not existed:
                self.compose.remove()
                self.access.remove()
            if last_words:
                message = f"the cluster {self.project} did not start: {error}\n{last_words}"
                raise ClusterStartError(message) from error
            raise

    def _last_words(self) -> str:
        """The last lines of each daemon, under its name."""
        parts = []
        for service in self.services:
            arguments = ("logs", "--no-log-prefix", "--tail", str(LOG_LINES), service)
            written = plain(self.compose.run(*arguments, check=False).stdout).rstrip()
            parts.append(f"--- {service}\n{written or '(wrote nothing)'}")
        return "\n".join(parts)
