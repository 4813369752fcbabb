"""``exec_command`` of paramiko: one connection, a channel and a remote shell for each call."""

from __future__ import annotations

import shlex
import sys

import paramiko

from benchmarks.clients.line_server import seconds_of, serve

TIMEOUT = 60


def main() -> None:
    """Serve the login node named by the arguments: HOST PORT USER KEY KNOWN_HOSTS."""
    host, port, user, key, known_hosts = sys.argv[1:]
    with paramiko.SSHClient() as client:
        client.load_host_keys(known_hosts)
        client.set_missing_host_key_policy(paramiko.RejectPolicy())
        client.connect(
            host,
            int(port),
            user,
            key_filename=key,
            allow_agent=False,
            look_for_keys=False,
            timeout=TIMEOUT,
        )

        def sbatch(script: str, comment: str) -> None:
            command = shlex.join(["sbatch", "--parsable", f"--comment={comment}", script])
            _, stdout, stderr = client.exec_command(command, timeout=TIMEOUT)
            said = stdout.read().strip()
            if stdout.channel.recv_exit_status() != 0 or not said.isdigit():
                raise RuntimeError(stderr.read().decode("utf-8", "replace"))

        serve({"submit": lambda script, comment: seconds_of(lambda: sbatch(script, comment))})


if __name__ == "__main__":
    main()
