"""What is agreed with the scheduler about the end of a job, from the options to the runner and back."""

from __future__ import annotations

import hypothesis
import hypothesis.strategies as st
import pytest

from slurm import Cluster, task
from slurm.sbatch.signal_and_requeue import SignalAndRequeue


@task
def train() -> None:
    pass


@pytest.mark.parametrize(
    ("limit", "warning_seconds"),
    [("10", 60), ("4", 60), ("2", 30), ("1", 15), ("0:10", 2), ("0:01", 1)],
)
def test_a_job_is_warned_a_minute_before_its_limit_and_a_short_one_later(
    limit: str, warning_seconds: int, fake_cluster: Cluster
) -> None:
    request = fake_cluster.dry_run(train.with_options(time=limit))
    assert request.options["signal"] == f"B:USR1@{warning_seconds}"
    script = request.files["job.sh"].decode()
    assert f"#SBATCH --signal=B:USR1@{warning_seconds}\n" in script
    assert f"export SLURM_SDK_WARNING={warning_seconds}\n" in script


def test_a_job_without_a_limit_is_not_warned(fake_cluster: Cluster) -> None:
    request = fake_cluster.dry_run(train.with_options(time="UNLIMITED"))
    assert "signal" not in request.options
    assert b"USR1" not in request.files["job.sh"]


@pytest.mark.parametrize(
    ("signal", "warning_seconds"),
    [
        ("B:USR1@300", 300),
        ("RB:SIGUSR1@90", 90),
        ("B:10", 60),
        ("USR1@300", None),  # for what srun starts, not for the script
        ("B:TERM@60", None),
        ("INT", None),
    ],
)
def test_the_users_own_signal_stays_and_counts_where_it_is_the_sdks(
    signal: str, warning_seconds: int | None, fake_cluster: Cluster
) -> None:
    request = fake_cluster.dry_run(train.with_options(signal=signal, time="UNLIMITED"))
    assert request.options["signal"] == signal
    assert SignalAndRequeue.of_options(request.options).warning_seconds == warning_seconds
    assert (b"trap" in request.files["job.sh"]) == (warning_seconds is not None)


@pytest.mark.parametrize(("given", "exported"), [(True, "inf"), (3, "3")])
def test_a_job_that_may_be_requeued_keeps_what_it_printed(
    given: object, exported: str, fake_cluster: Cluster
) -> None:
    request = fake_cluster.dry_run(train.with_options(requeue=given))
    assert (request.options["requeue"], request.options["open-mode"]) == ("", "append")
    script = request.files["job.sh"].decode()
    assert "#SBATCH --requeue\n" in script
    assert f"export SLURM_SDK_REQUEUE={exported}\n" in script
    truncating = train.with_options(requeue=given, open_mode="truncate")
    assert fake_cluster.dry_run(truncating).options["open-mode"] == "truncate"


def test_any_other_job_says_nothing_of_requeues(fake_cluster: Cluster) -> None:
    request = fake_cluster.dry_run(train)
    assert b"SLURM_SDK_REQUEUE" not in request.files["job.sh"]
    assert "open-mode" not in request.options


@hypothesis.given(st.integers(1, 10**6), st.integers(1, 10**6) | st.just(float("inf")) | st.just(0))
def test_the_runner_reads_what_the_client_wrote(warning_seconds: int, requeues: float) -> None:
    terms = SignalAndRequeue(warning_seconds, requeues)
    assert SignalAndRequeue.of_environment(terms.environment()) == terms
    assert SignalAndRequeue.of_environment({}) == SignalAndRequeue()
