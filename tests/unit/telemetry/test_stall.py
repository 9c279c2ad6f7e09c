"""What is read from a socket after this process did not run for a while."""

import pytest

from dynamo.telemetry.stall import BACKLOG_S, Stall


@pytest.fixture
def stall() -> Stall:
    beating = Stall(2.0)
    beating.beat(100.0)
    beating.beat(100.25)
    return beating


def test_a_steady_loop_leaves_no_doubt(stall: Stall):
    """Up to the longest wait after the last beat."""
    assert not stall.doubts(100.3)
    assert not stall.doubts(102.25)


def test_before_the_first_beat_nothing_is_in_doubt():
    """A process that just started has no old requests."""
    assert not Stall(2.0).doubts(1e9)


def test_a_socket_that_is_read_before_the_beat_is_in_doubt(stall: Stall):
    """The loop may come to its sockets before its timers."""
    assert stall.doubts(102.26)


def test_after_a_late_beat_the_backlog_is_in_doubt_for_a_while(stall: Stall):
    """The loop may come to its timers first, and then to what had gathered."""
    stall.beat(110.0)
    assert stall.doubts(110.0)
    assert stall.doubts(110.0 + BACKLOG_S - 0.01)
    stall.beat(110.25)
    assert stall.doubts(110.3)
    stall.beat(110.5)
    assert not stall.doubts(110.0 + BACKLOG_S)
