"""What can be done to a dockerised cluster, and that it is undone."""

from __future__ import annotations

import pytest

import fault_tasks
from faults.site import TIMEOUT, Site, wait_until

pytestmark = [pytest.mark.slurm, pytest.mark.matrix]


def connects(site: Site, service: str, port: int) -> str:
    """What becomes of a connection from a node to a service."""
    program = (
        "import socket, sys\n"
        "try: socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=1)\n"
        "except OSError as error: print(type(error).__name__)\n"
        "else: print('connected')"
    )
    return site.shell("python3", "-c", program, service, str(port)).strip()


def answers(site: Site, service: str, port: int) -> None:
    """A connection is made, in less than a second if nothing else keeps the machines busy."""
    wait_until(lambda: connects(site, service, port) == "connected", f"{service} answers")


def test_each_fault_is_what_it_is_called(site: Site) -> None:
    docker = site.docker
    answers(site, "slurmctld", 6817)
    docker.kill("slurmctld")
    assert connects(site, "slurmctld", 6817) == "ConnectionRefusedError"
    docker.start("slurmctld")
    docker.pause("slurmdbd")
    answers(site, "slurmdbd", 6819)  # the machine's kernel does
    docker.unpause("slurmdbd")
    docker.restart("slurmctld", "login")
    for fault in (docker.cut_network, docker.switch_off):
        fault("login")
        assert connects(site, "login", 22) == "TimeoutError"
        docker.start("login")
        answers(site, "login", 22)


def test_all_is_healed_together(site: Site) -> None:
    site.docker.skew_clock("c2", 100)
    site.docker.switch_off("c1")
    site.docker.cut_network("slurmdbd")
    site.docker.kill("slurmctld")
    site.docker.pause("login")
    site.docker.heal()
    assert site.docker.is_up()
    assert fault_tasks.double(2).get_result(TIMEOUT) == 4
    site.docker.exec("slurmctld", ["scontrol", "update", "nodename=c1", "state=drain", "reason=x"])
    held = fault_tasks.double.with_options(nodelist="c1")(3)
    site.docker.heal()
    assert held.get_result(TIMEOUT) == 6
