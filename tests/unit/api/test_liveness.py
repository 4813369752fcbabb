"""When a silent connection is asked for a sign of life, and when it is given up; on clocks of the test's own."""

from __future__ import annotations

from slurm.api.liveness import GRACE, GRACE_AFTER_SLEEP, QUIET, SLEPT, Liveness, Peer


class Clocks:
    """A machine's two clocks: the second stands still while it sleeps."""

    def __init__(self) -> None:
        self.wall = 1e9
        self.running = 50.0

    def wait(self, seconds: float) -> None:
        self.wall += seconds
        self.running += seconds

    def sleep(self, seconds: float) -> None:
        self.wall += seconds


def watched() -> tuple[Peer, Clocks]:
    clocks = Clocks()
    peer = Peer(clock=lambda: clocks.running, wall=lambda: clocks.wall)
    peer.expect()
    return peer, clocks


def test_a_peer_that_goes_on_talking_is_let_be() -> None:
    peer, clocks = watched()
    for _ in range(100):
        clocks.wait(QUIET / 2)
        assert peer.look() is Liveness.FINE
        peer.heard()


def test_a_silent_peer_is_asked_once_and_given_up_when_it_does_not_answer() -> None:
    peer, clocks = watched()
    clocks.wait(QUIET)
    assert peer.look() is Liveness.ASK
    clocks.wait(GRACE - 1)
    assert peer.look() is Liveness.FINE
    clocks.wait(1)
    assert peer.look() is Liveness.DEAD


def test_a_peer_that_answers_is_asked_again_only_after_another_silence() -> None:
    peer, clocks = watched()
    clocks.wait(QUIET)
    assert peer.look() is Liveness.ASK
    clocks.wait(GRACE - 1)
    peer.heard()
    clocks.wait(QUIET - 1)
    assert peer.look() is Liveness.FINE
    clocks.wait(1)
    assert peer.look() is Liveness.ASK


def test_silence_while_nothing_was_expected_is_none() -> None:
    peer, clocks = watched()
    clocks.wait(1000 * QUIET)
    peer.expect()
    assert peer.look() is Liveness.FINE


def test_after_a_sleep_the_peer_is_asked_at_once_and_has_less_time() -> None:
    """The clock that everything else is measured by has not moved."""
    peer, clocks = watched()
    clocks.sleep(600)
    clocks.wait(0.5)
    assert peer.look() is Liveness.ASK
    clocks.wait(GRACE_AFTER_SLEEP)
    assert peer.look() is Liveness.DEAD


def test_a_sleep_while_nothing_was_expected_counts_as_well() -> None:
    peer, clocks = watched()
    clocks.sleep(600)
    peer.expect()
    assert peer.look() is Liveness.ASK


def test_a_clock_that_is_set_right_is_no_sleep() -> None:
    peer, clocks = watched()
    clocks.sleep(SLEPT - 1)
    assert peer.look() is Liveness.FINE
    clocks.sleep(-3600)  # backwards
    assert peer.look() is Liveness.FINE
    clocks.sleep(SLEPT - 1)
    assert peer.look() is Liveness.FINE
