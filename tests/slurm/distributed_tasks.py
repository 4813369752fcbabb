"""A program on several nodes whose processes find each other, as torchrun's do; travels to the cluster."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

from slurm import JobContext, task

# In place of torchrun, which the test cluster does not have: takes its options, and meets where they say.
LAUNCHER = """
import argparse, os, socket
parser = argparse.ArgumentParser()
for name in ("nnodes", "nproc-per-node"):
    parser.add_argument("--" + name, type=int)
for name in ("rdzv-id", "rdzv-backend", "rdzv-endpoint"):
    parser.add_argument("--" + name)
options = parser.parse_args()
host, port = options.rdzv_endpoint.split(":")
me = socket.gethostname()
if me.split(".")[0] == host:
    names = [me]
    with socket.create_server((host, int(port))) as server:
        server.settimeout(240)
        for _ in range(options.nnodes - 1):
            with server.accept()[0] as peer:
                names.append(peer.makefile().readline().strip())
    print("met", options.rdzv_id, options.nproc_per_node, *sorted(names), flush=True)
else:
    import time
    deadline = time.monotonic() + 240
    while True:
        try:
            with socket.create_connection((host, int(port)), 240) as peer:
                peer.sendall((me + "\\n").encode())
            break
        except ConnectionRefusedError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
"""


@task(nodes=2, ntasks_per_node=1, cpus_per_task=2, time="00:10:00", mem="100M")
def meet(job: JobContext) -> dict[str, Any]:
    launch = [*job.srun_args(), sys.executable, "-c", LAUNCHER, *job.torchrun_args(4)]
    done = subprocess.run(launch, capture_output=True, text=True, timeout=300, check=False)
    return {
        "status": done.returncode,
        "said": done.stdout.split("\n")[0] or done.stderr,
        "expected": f"met {job.job_id} 4 {' '.join(job.hostnames)}",
        "hostnames": job.hostnames,
        "slurms": _lines(["scontrol", "show", "hostnames", job.node_list]),
    }


RANKS = """
import json
from slurm import current_job_context
print(json.dumps(current_job_context().distributed_environment()))
"""


@task(nodes=2, ntasks_per_node=2, time="00:10:00", mem="100M")
def ranks(job: JobContext) -> dict[str, Any]:
    """What each of four processes on two nodes believes itself to be."""
    argv = ["srun", sys.executable, "-c", RANKS]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    return {"said": done.stdout.splitlines() or done.stderr, "world_size": job.world_size}


@task(time="00:01:00", mem="100M")
def time_of(job: JobContext) -> dict[str, Any]:
    return {"left": job.time_left, "asked": _lines(["squeue", "-h", "-j", job.job_id, "-o", "%l"])}


@task(mem="100M")
def slurms_hostnames(node_lists: list[str]) -> list[list[str]]:
    return [_lines(["scontrol", "show", "hostnames", text]) for text in node_lists]


def _lines(argv: list[str]) -> list[str]:
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout.split()


@task(nodes=2, ntasks_per_node=1, time="00:10:00", mem="100M")
def environments(job: JobContext) -> dict[str, Any]:
    """What of this job's own environment reaches a program on every node, and what Slurm was told to hand on."""
    os.environ["OF_THE_TASK"] = "here"
    say = "import os; print(os.environ.get('OF_THE_TASK'), os.environ.get('JOB_DIR'), os.environ.get('SLURM_EXPORT_ENV'))"
    done = subprocess.run(
        [*job.srun_args(), sys.executable or "/usr/bin/python3", "-c", say],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    return {
        "said": sorted({line.rpartition(" ")[0] for line in done.stdout.splitlines()}),
        "expected": [f"here {job.job_dir}"],
        "told": os.environ.get("SLURM_EXPORT_ENV"),
        "args": job.srun_args(),
        "stderr": done.stderr,
    }
