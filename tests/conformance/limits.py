"""What a backend cannot do: the one table of the suite, and of the SDK."""

from __future__ import annotations

from collections.abc import Mapping

from slurm.testing.releases import RELEASES

# backend -> test -> why that backend does not run it.
CANNOT: Mapping[str, Mapping[str, str]] = {
    "local": {
        "test_a_job_may_be_held": "there is nobody else who would release it; hold is refused",
        "test_a_job_has_as_many_nodes_as_it_asks_for": "one machine is one node, whatever is asked for",
        "test_a_partition_that_does_not_exist_is_refused": "one machine has one queue by any name",
        "test_a_job_that_takes_more_memory_than_it_asked_for_is_killed": (
            "memory bounds what starts; nothing is killed for using more"
        ),
    },
    "ssh": {},
    "slurm": {},
}


def backends_with(release: str) -> tuple[str, ...]:
    """Those that can be tried with a dockerised cluster of that `release`.

    A login node whose Python is older than what clients need runs no ``Cluster("slurm")``: from elsewhere, jobs are
    submitted to it through ssh.
    """
    known = RELEASES.get(release)
    on_the_login_node = known is None or known.runs_clients
    return tuple(name for name in CANNOT if name != "slurm" or on_the_login_node)
