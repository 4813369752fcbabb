"""Nodes of which one machine of a dockerised cluster has them all: a slurmd each, which Slurm knows by its port.

Debian builds slurmd so that several may run on a machine (``slurmd -N NAME``). Its ``slurm-wlm-emulator``, in which one slurmd
stands for all nodes, is of no use: the library that its programs share knows of no front end, and the controller of 24.11 ends
with "No front end nodes defined", or with "Use of FrontendName in slurm.conf without Slurm being configured/built with the
--enable-front-end option" where there is one.
"""

from __future__ import annotations

from slurm.testing.errors import ClusterError

EMULATOR = "emulator"
EMULATED_PARTITION = "emulated"
MOST_EMULATED_NODES = 2000  # each has 2.7 MB and twelve threads
FIRST_PORT = 20001
# The daemons on one machine need files of their own; and a machine that has a thousand of them may answer late.
SETTINGS = {
    "SlurmdSpoolDir": "/var/spool/slurmd/%n",
    "SlurmdPidFile": "/run/slurmd-%n.pid",
    "SlurmdTimeout": "300",
    "MessageTimeout": "60",
    "BatchStartTimeout": "300",
}


def check_number(number: object) -> None:
    """Raises `ClusterError`."""
    if isinstance(number, bool) or not isinstance(number, int):
        raise ClusterError(f"emulated_nodes is a whole number, not {number!r}")
    if not 0 <= number <= MOST_EMULATED_NODES:
        raise ClusterError(f"emulated_nodes is from 0 to {MOST_EMULATED_NODES}, not {number}")


def emulated_hosts(number: int) -> list[str]:
    """The names of the nodes.

    >>> emulated_hosts(2)
    ['e0001', 'e0002']
    """
    return [f"e{one:04}" for one in range(1, number + 1)]


def emulated_names(number: int) -> str:
    """Their names as Slurm writes them in one.

    >>> emulated_names(1000)
    'e[0001-1000]'
    """
    return f"e[0001-{number:04}]"


def emulated_conf(number: int) -> list[str]:
    """The lines of ``slurm.conf`` for them and their partition.

    >>> print(*emulated_conf(1000), sep="\\n")
    NodeName=e[0001-1000] NodeHostName=emulator NodeAddr=emulator Port=[20001-21000] CPUs=8 RealMemory=16000 State=UNKNOWN
    PartitionName=emulated Nodes=e[0001-1000] DefaultTime=01:00:00 MaxTime=UNLIMITED State=UP
    """
    names, ports = emulated_names(number), f"[{FIRST_PORT}-{FIRST_PORT + number - 1}]"
    where = f"NodeHostName={EMULATOR} NodeAddr={EMULATOR} Port={ports}"
    return [
        f"NodeName={names} {where} CPUs=8 RealMemory=16000 State=UNKNOWN",
        f"PartitionName={EMULATED_PARTITION} Nodes={names} DefaultTime=01:00:00 MaxTime=UNLIMITED State=UP",
    ]
