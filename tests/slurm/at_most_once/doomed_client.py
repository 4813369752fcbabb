"""A client that is killed with SIGKILL at one moment of a submission: ``SLURMFILE OVERRIDES KEY MOMENT``."""

from __future__ import annotations

import io
import json
import os
import signal
import sys
from typing import Any

import cluster_tasks
from slurm import Cluster
from slurm.agent.frames import write_frame
from slurm.api.transport import Channel


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def doom(moment: str) -> None:
    """Have this process killed at that moment of its first submission."""
    send, deliver = Channel._send, Channel._deliver

    def sending(channel: Channel, header: dict[str, Any], blob: bytes) -> None:
        if header["op"] != "submit":
            send(channel, header, blob)
            return
        if moment == "half of it was sent":
            frame = io.BytesIO()
            write_frame(frame, header, blob)
            channel._writer.write(frame.getvalue()[: len(frame.getvalue()) // 2])
        elif moment != "nothing was sent":
            send(channel, header, blob)
        if moment != "it was answered":
            die()

    def delivering(channel: Channel, reply: dict[str, Any], blob: bytes) -> None:
        result = reply.get("result")
        if isinstance(result, dict) and "jobs" in result:
            die()
        deliver(channel, reply, blob)

    setattr(Channel, "_send", sending)  # noqa: B010 - a method
    setattr(Channel, "_deliver", delivering)  # noqa: B010


if __name__ == "__main__":
    slurmfile, overrides, key, moment = sys.argv[1:]
    cluster = Cluster.from_env(slurmfile, env="default", overrides=json.loads(overrides))
    cluster.backend.host()
    doom(moment)
    cluster.submit(cluster_tasks.add, key=key)(20, 22)
