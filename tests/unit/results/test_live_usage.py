"""What a job that runs has used so far, by ``sstat``; and where nobody tells, that it is known at its end."""

from __future__ import annotations

from tests.helpers.fakes import FakeBackend

from slurm.results.efficiency import Efficiency
from slurm.results.live_usage import LiveUsage, live_usage
from slurm.states import JobState


def test_its_steps_are_told_together(backend: FakeBackend) -> None:
    backend.program_answer = (0, b"1024K|00:01:00|2\n512K|00:00:01|1\n||\n")
    assert live_usage(backend, "12") == LiveUsage(2 << 20, 121.0)
    assert backend.programs[0][0] == "sstat"


def test_where_nobody_tells_it_is_known_at_the_end(backend: FakeBackend) -> None:
    backend.program_answer = (1, b"sstat: error: no steps running for job 12\n")
    assert live_usage(backend, "12") == LiveUsage()
    running = dict(Efficiency("12", JobState.RUNNING).lines())
    assert set(running.values()) == {"known when the job has ended"}
    assert set(dict(Efficiency("12", JobState.FAILED).lines()).values()) == {"accounts do not tell"}
