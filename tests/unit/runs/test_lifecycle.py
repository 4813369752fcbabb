"""Statuses of runs: where they lead, and what is never undone."""

from __future__ import annotations

from itertools import product

import pytest

from slurm.runs.lifecycle import (
    ORDER,
    RunStatus,
    StatusError,
    path_between,
    status_for,
    sync_status,
)
from slurm.states import JobState

P, S, R, Y, C, F = (
    RunStatus.PENDING,
    RunStatus.SUBMITTED,
    RunStatus.RUNNING,
    RunStatus.SYNCED,
    RunStatus.COMPLETED,
    RunStatus.FAILED,
)


def test_the_words_are_those_of_the_cookbook() -> None:
    assert [str(status) for status in (*ORDER, F)] == [
        *("pending", "submitted", "running", "synced", "completed", "failed")
    ]


@pytest.mark.parametrize(
    ("current", "wanted", "path"),
    [
        *((one, one, ()) for one in RunStatus),
        (P, S, (S,)),
        (S, R, (R,)),
        (R, Y, (Y,)),
        (Y, C, (C,)),
        (P, C, (S, R, Y, C)),
        *((one, F, (F,)) for one in (P, S, R, Y)),
    ],
)
def test_a_run_moves_on(current: RunStatus, wanted: RunStatus, path: tuple[RunStatus, ...]) -> None:
    assert path_between(current, wanted) == path


BACK = [
    (current, wanted)
    for current, wanted in product(RunStatus, RunStatus)
    if current is not wanted
    and (current in (C, F) or (wanted is not F and ORDER.index(wanted) < ORDER.index(current)))
]


@pytest.mark.parametrize(("current", "wanted"), BACK)
def test_a_run_never_moves_back(current: RunStatus, wanted: RunStatus) -> None:
    with pytest.raises(StatusError, match=f"from {current} to {wanted}: "):
        path_between(current, wanted)


@pytest.mark.parametrize(
    ("states", "status"),
    [
        (("PENDING", "CONFIGURING", "REQUEUED", "REQUEUE_HOLD", "SPECIAL_EXIT"), S),
        (("RUNNING", "COMPLETING", "SUSPENDED", "STOPPED", "STAGE_OUT", "COMPLETED"), R),
        (("FAILED", "CANCELLED", "TIMEOUT", "DEADLINE", "OUT_OF_MEMORY"), F),
    ],
)
def test_a_jobs_state_asks_for_a_status(states: tuple[str, ...], status: RunStatus) -> None:
    assert {status_for(JobState(state)) for state in states} == {status}


def test_words_for_ok_are_read_as_ok() -> None:
    assert {str(sync_status(word)) for word in ("ok", "completed", "success", "passed")} == {"ok"}
    with pytest.raises(ValueError, match="done"):
        sync_status("done")
