"""A key stands for a submission of one task: another task is refused, and other options are told of."""

from __future__ import annotations

import logging

import pytest
from tests.helpers.job_tasks import add, paint

from slurm import Cluster
from slurm.errors import ConfigError

PATIENCE = 120.0


def test_the_key_of_another_task_s_job_is_refused_with_both_their_names(local: Cluster) -> None:
    first = add.submit(key="epoch 'x' 3")(1, 2)
    refusal = rf"paint was not submitted: the key .*epoch 'x' 3.* stands for job {first.id} of the task add, in "
    with pytest.raises(ConfigError, match=refusal):
        paint.submit(key="epoch 'x' 3")(b"red")
    with pytest.raises(ConfigError, match=refusal), local.batch():
        paint.submit(key="epoch 'x' 3")(b"red")
    again = add.submit(key="epoch 'x' 3")(5, 6)
    assert (again.id, again.get_result(PATIENCE)) == (first.id, 3)  # and nobody has cancelled it


@pytest.mark.parametrize("batched", [False, True])
def test_other_options_come_too_late_and_that_is_said(
    batched: bool, local: Cluster, caplog: pytest.LogCaptureFixture
) -> None:
    key = f"its options, {batched}"
    first = add.submit(key=key, mem="64M", time=3, cpus_per_task=2)(1, 2)
    with caplog.at_level(logging.WARNING, "slurm"):
        assert add.submit(key=key, mem="64M", time=3, cpus_per_task=2)(1, 2).id == first.id
        assert caplog.messages == []
        with local.batch() if batched else local:
            again = add.submit(key=key, mem="65M", time=3)(1, 2)
        assert again.id == first.id
    [said] = caplog.messages
    assert f"job {first.id} (add)" in said
    assert repr(key) in said
    assert said.endswith(
        "submission: cpus-per-task=2, mem=64M; this call has no cpus-per-task, mem=65M"
    )
    assert first.get_result(PATIENCE) == 3
