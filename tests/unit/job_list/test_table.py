"""Which jobs are shown, and in how many columns."""

from __future__ import annotations

import pytest

from slurm.cli.output import in_columns
from slurm.errors import ConfigError
from slurm.job_list import Filter, ListedJob
from slurm.job_list.filters import states_of
from slurm.job_list.table import table
from slurm.states import JobState

LONG = "/shared/home/somebody/slurm_jobs/train/20260218_160045_0a1b2c3d"
JOBS = [
    ListedJob(
        "12", "train", task="train", ours=True, state=JobState.RUNNING, node="c1", directory=LONG
    ),
    ListedJob(
        "13",
        "a_name_that_is_longer_than_any_column_could_be_on_a_terminal",
        state=JobState.PENDING,
        reason="Resources",
    ),
    ListedJob(
        "14_[0-99]",
        "test",
        task="test",
        ours=True,
        state=JobState.RUNNING,
        states={JobState.COMPLETED: 80, JobState.PENDING: 20},
        elapsed=90000.0,
        time_limit=3600,
    ),
]


def shown(**wanted: object) -> list[str]:
    return [job.job_id for job in Filter(**wanted).of(JOBS)]  # type: ignore[arg-type]


def test_filters() -> None:
    assert shown(name="t*") == ["12", "14_[0-99]"]
    assert shown(task="test") == ["14_[0-99]"]
    assert shown(states=states_of("PD")) == ["13", "14_[0-99]"]
    assert shown(states=states_of("completed, running")) == ["12", "14_[0-99]"]
    assert shown(ours=True, limit=1) == ["14_[0-99]"]


def test_a_state_that_is_none_is_said_with_one_like_it() -> None:
    with pytest.raises(ConfigError, match=r"no state 'runing'.*did you mean 'RUNNING'"):
        states_of("runing")


@pytest.mark.parametrize("width", [80, 100, 132, 250])
def test_it_fits_into_the_terminal(width: int) -> None:
    rows = table(JOBS, 0.0, width)
    assert max(map(len, in_columns(rows).splitlines())) <= width
    assert ("DIRECTORY" in rows[0]) is (width == 250)
    assert rows[3][0] == "14_[0-99]"


def test_where_it_ran_counts_when_it_has_ended_and_why_it_waits_before() -> None:
    about = {"node": "c1", "reason": "NonZeroExitCode"}
    ended = ListedJob("15", "x", state=JobState.FAILED, **about)  # type: ignore[arg-type]
    lost = ListedJob("16", "x", state=JobState.UNKNOWN, reason="RunawayJob")
    waits = ListedJob("17", "x", state=JobState.PENDING, reason="Priority")
    rows = table([ended, lost, waits], 0.0, 80)
    assert [row[rows[0].index("WHERE OR WHY")] for row in rows[1:]] == [
        "c1",
        "(RunawayJob)",
        "(Priority)",
    ]


def test_without_a_terminal_nothing_is_cut() -> None:
    rows = table(JOBS, 0.0, None)
    assert (rows[1][-1], rows[2][1]) == (LONG, f"{JOBS[1].name} *")
    assert rows[3][2:4] == ["80 COMPLETED, 20 PENDING", "1-01:00:00"]
