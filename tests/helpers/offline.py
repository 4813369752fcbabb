"""A dockerised cluster whose nodes reach each other, and nothing else."""

from __future__ import annotations

from slurm.testing import DockerCluster

# An address of the documentation's network, RFC 5737, which nobody has: without a route, Linux says so at once.
NOWHERE = "192.0.2.1"
TRY = f"import socket; socket.create_connection(('{NOWHERE}', 443), 5)"
# Of an index with a name, pip would ask a resolver that does not answer: ten seconds, and six times.
PIP_CONFIGURATION = f"[global]\nindex-url = https://{NOWHERE}/simple\nretries = 1\n"


def cut_off(site: DockerCluster) -> None:
    """Take the route to everywhere else from the machines that programs run on, and see that it is gone.

    The package index that they ask is behind it.
    """
    site.exec("login", ["sh", "-c", 'printf %s "$0" >/etc/pip.conf', PIP_CONFIGURATION])
    for service in ("login", "c1", "c2"):
        site.exec(service, ["ip", "route", "flush", "default"], check=False)
        assert "default" not in site.exec(service, ["ip", "route"]).stdout
        tried = site.exec(service, ["python3", "-c", TRY], check=False)
        assert "Network is unreachable" in tried.stderr
