"""slurmrestd of a dockerised cluster: where it answers, in which versions, and the tokens that let users in."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from slurm.testing import shape_checks as checks
from slurm.testing.access import HOST
from slurm.testing.engine import REST_PORT
from slurm.testing.errors import ClusterError
from slurm.testing.shape import REST_SERVICE, USER

if TYPE_CHECKING:
    from slurm.testing.docker_cluster import DockerCluster

TOKEN = re.compile(r"^SLURM_JWT=(\S+)$", re.MULTILINE)


@dataclass(frozen=True)
class RestService:
    """What a client of slurmrestd has to know.

    - `url`: where it answers, as ``http://127.0.0.1:20820``. Where the engine is another machine, this process has the port, and
      hands on through the engine what comes there.
    - `data_parsers`: the versions that an address may name, the oldest first: ``/slurm/v0.0.42/jobs``.
    """

    url: str
    data_parsers: tuple[str, ...]
    _make_token: Callable[[str, int], str] = field(repr=False, compare=False)

    def token(self, user: str = USER, *, lifetime: int = 1800) -> str:
        """A new token, as which `user` is known for `lifetime` seconds. Raises `ClusterError`.

        It goes into the header ``X-SLURM-USER-TOKEN``, beside the user's name in ``X-SLURM-USER-NAME``. Nothing writes it down.
        """
        checks.at_least(1, lifetime, "the lifetime of a token")
        return self._make_token(user, lifetime)


def rest_of(cluster: DockerCluster) -> RestService:
    """The slurmrestd of a cluster that is up. Raises `ClusterError` where there is none."""
    if cluster.access.rest_port() is None:
        if cluster.shape.rest:
            raise ClusterError(f"the cluster {cluster.project} is not up")
        raise ClusterError(
            f"the cluster {cluster.project} has no slurmrestd: start it with rest=True, --rest or --slurm-rest"
        )

    def make_token(user: str, lifetime: int) -> str:
        known(user, cluster.shape.people)
        asked = ["scontrol", "token", f"username={user}", f"lifespan={lifetime}"]
        found = TOKEN.search(cluster.exec("slurmctld", asked).stdout)
        if found is None:
            raise ClusterError(f"scontrol gave no token for {user}")
        return found[1]

    url = cluster.access.rest_file.read_text("utf-8").strip()
    if cluster.access.relay:
        url = f"http://{HOST}:{cluster.rest_relay().port}"
    return RestService(url, cluster.compose.data_parsers, make_token)


def said_of_rest(cluster: DockerCluster) -> str:
    """Where slurmrestd answers whoever reads it: on another engine's machine, or here after a command of ssh's."""
    url, port = cluster.access.rest_file.read_text("utf-8").strip(), cluster.access.rest_port()
    if not cluster.access.relay:
        return f"{url}/slurm/{cluster.compose.data_parsers[-1]}/"
    forward = f"{port}:{REST_SERVICE}:{REST_PORT}"
    ssh = ["ssh", "-F", str(cluster.ssh_config), "-N", "-L", forward, cluster.project]
    return f"{url} on the engine's machine, and here as long as this runs: {shlex.join(ssh)}"


def known(user: str, people: Sequence[str]) -> None:
    """Raises `ClusterError` for who is no user of a cluster."""
    if user not in people:
        raise ClusterError(
            f"there is no user {user!r} on the cluster; there are {', '.join(people)}"
        )
