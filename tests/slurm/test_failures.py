"""Jobs that a real Slurm ends: what it has on record of them. The time limit is the conformance suite's, nodes fail
in faults/nodes.

A job is killed for its memory here without cgroups, which makes it FAILED; OUT_OF_MEMORY, as PREEMPTED, is
shown on recorded rows in the unit tier.
"""

from __future__ import annotations

import pytest

import cluster_tasks
from slurm.errors import JobOutOfMemory

pytestmark = pytest.mark.slurm

TIMEOUT = 240.0
NODES = ("c1", "c2")


@pytest.mark.usefixtures("ssh", "late_accounts")
def test_a_job_killed_for_its_memory_says_how_much_it_used() -> None:
    job = cluster_tasks.fill_memory.with_options(acctg_freq="task=1")(300)
    with pytest.raises(JobOutOfMemory, match="asked for mem=100M") as raised:
        job.get_result(TIMEOUT)
    error = raised.value
    assert error.used.max_rss is not None
    assert error.used.max_rss > 100 << 20, "it was seen above its limit"
    assert error.used.elapsed is not None
    assert error.used.nodes in NODES
    assert "ask for more with the option mem=" in str(error)
    assert "exceeded memory limit" in error.stderr
