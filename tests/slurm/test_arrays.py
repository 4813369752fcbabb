"""Arrays on a real Slurm: what only its own limits and its accounting can show."""

from __future__ import annotations

import pytest

import cluster_tasks
from slurm import Cluster

pytestmark = pytest.mark.slurm

TIMEOUT = 240.0


def test_more_items_than_max_array_size_are_one_array_all_the_same(ssh: Cluster) -> None:
    largest = ssh.backend.limits()["max_array_size"]
    add = cluster_tasks.add.with_options(hold=True)
    array = add.map((item, 1) for item in range(largest + 2)).submit()
    first, second = array.ids
    piece = 10 ** (len(str(largest)) - 1)
    assert (len(array), array[piece - 1].id, array[-1].id) == (
        largest + 2,
        f"{first}_{piece - 1}",
        f"{second}_{largest + 1 - piece}",
    )
    assert array[-1].get_status() == "PENDING"
    array.cancel()
    assert array.wait(TIMEOUT)
    assert {str(job.get_status()) for job in array} == {"CANCELLED"}


def test_an_array_is_one_submission_to_slurm(ssh: Cluster) -> None:
    array = cluster_tasks.add.with_options(hold=True).map([(1, 2), (3, 4), (5, 6)]).submit()
    rows = [row["job_id"] for row in ssh.get_queue() if row["job_id"].startswith(array.id + "_")]
    assert rows == [f"{array.id}_[0-2]"]
    array.cancel()
    assert array.wait(TIMEOUT)
