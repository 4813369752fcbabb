"""A dockerised cluster whose nodes reach each other, and nothing else."""

from __future__ import annotations

from slurm.testing import DockerCluster

# An address of the documentation's network, RFC 5737, which nobody has: without a route, Linux says so at once.
TRY = "import socket; socket.create_connection(('192.0.2.1', 443), 5)"


def cut_off(site: DockerCluster) -> None:
    """Take the route to everywhere else from the machines that programs run on, and see that it is gone."""
    for service in ("login", "c1", "c2"):
        site.exec(service, ["ip", "route", "flush", "default"], check=False)
        assert "default" not in site.exec(service, ["ip", "route"]).stdout
        tried = site.exec(service, ["python3", "-c", TRY], check=False)
        assert "Network is unreachable" in tried.stderr
