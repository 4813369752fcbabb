"""What a user's start-up files tell Slurm's own commands to do when they are typed."""

from __future__ import annotations

import pytest
from tests.conformance.waiting import wait_until

import cluster_tasks
from connection.conftest import World
from connection.sshd import Sshd
from connection.test_noise import account
from slurm import Cluster
from slurm.errors import JobCancelled

pytestmark = pytest.mark.slurm

TIMEOUT = 240.0
# Each by itself keeps a typed command from doing, or saying, what it would.
START_UP = """\
export SCANCEL_INTERACTIVE=true SCANCEL_PARTITION=none SCANCEL_STATE=PENDING SCANCEL_NAME=other SCANCEL_VERBOSE=true
export SCANCEL_QOS=none SCANCEL_USER=root SCANCEL_ACCOUNT=none SCANCEL_WCKEY=none SCANCEL_BATCH=true
export SQUEUE_FORMAT=%i SQUEUE_STATES=SUSPENDED SQUEUE_USERS=root SQUEUE_PARTITION=none SQUEUE_NAMES=other
export SINFO_FORMAT=%P SINFO_PARTITION=none SACCT_FORMAT=JobID SLURM_TIME_FORMAT=relative SLURM_BITSTR_LEN=4
export SCONTROL_FUTURE=1 SLURM_CLUSTERS=nowhere
export SBATCH_PARTITION=gpu SBATCH_EXPORT=NONE SBATCH_OUTPUT=/tmp/out SBATCH_ARRAY_INX=0-9 SBATCH_WAIT=1
export SBATCH_NO_REQUEUE=1 SBATCH_JOB_NAME=other SBATCH_TIMELIMIT=0 SBATCH_CLUSTERS=nowhere SBATCH_DEBUG=3
"""


def test_jobs_go_where_the_user_says_and_nothing_else_is_heeded(
    world: World, node: Sshd, cluster: Cluster
) -> None:
    world.configure(f"Host hpc\n  HostName 127.0.0.1\n  Port {node.port}")
    world.know(node.port)
    name = account(cluster, node, "/bin/bash", START_UP)
    with world.connect("hpc", username=name, job_base_dir="/shared/home/dev/slurm_jobs") as client:
        there = cluster_tasks.where()
        told = cluster_tasks.where.with_options(partition="cpu")()
        endless = cluster_tasks.wait_for("/shared/work/never")
        wait_until(lambda: endless.get_status() == "RUNNING", "it runs")
        assert endless.id in {row["job_id"] for row in client.get_queue()}
        assert {row["partition"] for row in client.get_cluster_info()["partitions"]} >= {
            "cpu",
            "gpu",
        }
        endless.cancel()
        assert isinstance(endless.exception(TIMEOUT), JobCancelled)
        assert there.get_result(TIMEOUT)["partition"] == "gpu"
        assert told.get_result(TIMEOUT)["partition"] == "cpu"
