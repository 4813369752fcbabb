"""slurmrestd of a dockerised cluster: where it answers, in which versions, and the tokens that let users in."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from slurm.testing import shape_checks as checks
from slurm.testing.errors import ClusterError
from slurm.testing.shape import USER

if TYPE_CHECKING:
    from slurm.testing.docker_cluster import DockerCluster

TOKEN = re.compile(r"^SLURM_JWT=(\S+)$", re.MULTILINE)


@dataclass(frozen=True)
class RestService:
    """What a client of slurmrestd has to know.

    - `url`: where it answers, as ``http://127.0.0.1:20820``.
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
    return RestService(url, cluster.compose.data_parsers, make_token)


def known(user: str, people: Sequence[str]) -> None:
    """Raises `ClusterError` for who is no user of a cluster."""
    if user not in people:
        raise ClusterError(
            f"there is no user {user!r} on the cluster; there are {', '.join(people)}"
        )
