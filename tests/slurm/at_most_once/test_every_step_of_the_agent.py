"""The agent is killed with SIGKILL at every step of a submission, one after the other, on a real login node."""

from __future__ import annotations

import pytest

from at_most_once.bench import Bench
from slurm import Job

pytestmark = [pytest.mark.slurm, pytest.mark.matrix]

MOST_STEPS = 200


def test_an_agent_killed_at_any_step_leaves_one_job(bench: Bench, key: str) -> None:
    """Its client connects again and asks for the same; if nobody can tell, a new one does so later."""
    made: dict[str, Job[int]] = {}
    unknown = []
    for number in range(MOST_STEPS):
        bench.put("step", str(number))
        name = f"{key}/{number}"
        client = bench.client()
        job = bench.asked(client, name)
        struck = bench.exists("struck")
        bench.observer.backend.remove(f"{bench.folder}/struck")
        if job is None:
            assert bench.jobs_of(name) == [[]], "what is there is found"
            unknown.append(number)
            bench.let_time_pass(name)
            job = bench.asked(bench.observer, name)
        assert job is not None, f"step {number}"
        made[name] = job
        client.close()
        if not struck:
            break
    else:
        pytest.fail(f"there are more than {MOST_STEPS} steps")
    assert len(made) > 20, "it was killed at hardly any"
    assert len(unknown) <= 4, f"killed between the receipt and the start of sbatch: {unknown}"
    bench.assert_one_job_each(made)
