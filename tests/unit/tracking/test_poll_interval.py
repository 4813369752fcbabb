"""How often the scheduler is asked: the pauses between two questions."""

from __future__ import annotations

import math

import hypothesis
import hypothesis.strategies as st

from slurm.tracking.poll_interval import PollInterval


def even(shortest: float = 1.0, longest: float = 15.0) -> PollInterval:
    """A pace without chance."""
    return PollInterval(shortest, longest, chance=lambda: 0.0)


def test_while_nothing_changes_the_pauses_grow_to_the_longest() -> None:
    pace = even()
    pauses = [pace.after(changed=False, took=0.0) for _ in range(20)]
    assert pauses == sorted(pauses)
    assert pauses[-1] == 15.0


def test_a_change_and_a_submission_make_them_short_again() -> None:
    pace = even()
    for _ in range(20):
        pace.after(changed=False, took=0.0)
    assert pace.after(changed=True, took=0.0) == 1.0
    for _ in range(20):
        pace.after(changed=False, took=0.0)
    pace.hurry()
    assert pace.after(changed=False, took=0.0) == 1.5


def test_a_scheduler_that_answers_slowly_is_asked_more_rarely() -> None:
    assert even().after(changed=True, took=10.0) == 20.0


def test_callbacks_that_want_to_know_sooner_do_not_undercut_the_sites_floor() -> None:
    pace = even(shortest=5.0)
    for _ in range(20):
        pace.after(changed=False, took=0.0)
    assert pace.after(changed=False, took=0.0, wanted_within=8.0) == 8.0
    assert pace.after(changed=False, took=0.0, wanted_within=0.5) == 5.0


def test_clients_that_began_together_do_not_ask_together() -> None:
    first, second = (
        PollInterval(1.0, 15.0, chance=lambda: 0.1),
        PollInterval(1.0, 15.0, chance=lambda: 0.9),
    )
    assert first.after(changed=True, took=0.0) != second.after(changed=True, took=0.0)


@hypothesis.given(
    st.floats(0.1, 60.0),
    st.floats(1.0, 10.0),
    st.lists(st.tuples(st.booleans(), st.floats(0.0, 100.0), st.floats(-1.0, math.inf))),
)
def test_no_pause_is_shorter_than_the_floor_or_longer_than_it_may_be(
    shortest: float, times: float, looks: list[tuple[bool, float, float]]
) -> None:
    pace = PollInterval(shortest, shortest * times)
    for changed, took, wanted_within in looks:
        pause = pace.after(changed=changed, took=took, wanted_within=wanted_within)
        assert shortest <= pause <= 1.2 * max(shortest * times, 2 * took) * 1.0001
