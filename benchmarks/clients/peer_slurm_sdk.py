"""The released slurm-sdk (0.4.6): its ssh backend, packaging ``none``, host key checked."""

from __future__ import annotations

import sys
import time
from collections import Counter
from typing import Any

import paramiko

from benchmarks.clients.line_server import seconds_of, serve
from benchmarks.clients.released_tasks import add, end_time
from slurm import Cluster

calls: Counter[str] = Counter()


class Client:
    """The operations, on the cluster that is active."""

    def submit(self) -> float:
        """Seconds for one call of a task."""
        return seconds_of(lambda: add(1, 2))

    def submit_array(self, count: int) -> float:
        """Seconds until a mapped task is submitted."""
        items = [(number, 1) for number in range(count)]
        return seconds_of(lambda: add.map(items))

    def job_end(self) -> float:
        """Seconds from the end of a task until its result is here."""
        job = end_time()
        ended = job.get_result()
        return time.time() - float(ended)

    def round_trips(self) -> dict[str, int]:
        """What one submission asks of the connection: commands run there, SFTP requests."""
        calls.clear()
        add(1, 2)
        return dict(calls)


def count_calls(owner: Any, name: str, kind: str) -> None:
    """Have every call of a method of paramiko's counted."""
    original = getattr(owner, name)

    def counted(*args: Any, **kwargs: Any) -> Any:
        calls[kind] += 1
        return original(*args, **kwargs)

    setattr(owner, name, counted)


def main() -> None:
    """Serve the login node named by the arguments: HOST PORT USER KEY FOLDER.

    It knows the host's key from ``~/.ssh/known_hosts``, for which the harness sets HOME.
    """
    host, port, user, key, folder = sys.argv[1:]
    count_calls(paramiko.SSHClient, "exec_command", "commands")
    count_calls(paramiko.SFTPClient, "_async_request", "sftp requests")
    options: dict[str, Any] = {
        "hostname": host,
        "port": int(port),
        "username": user,
        "key_filename": key,
        "allow_agent": False,
        "look_for_keys": False,
        "default_packaging": "none",
    }
    client = Client()
    ours = (client.submit, client.submit_array, client.job_end, client.round_trips)
    with Cluster("ssh", job_base_dir=folder, **options):  # leaving it ends the connection
        serve({one.__name__: one for one in ours})


if __name__ == "__main__":
    main()
