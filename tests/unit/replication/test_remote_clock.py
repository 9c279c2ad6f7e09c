from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynamo.replication.remote_clock import DRIFT, RemoteClock

DELAYS = st.floats(0.0, 0.5)


def asked(clock: RemoteClock, at: float, there: float, back: float, ahead: float) -> None:
    """A question sent at `at` that takes these delays, to a node whose clock is `ahead` of ours."""
    clock.observe(at, at + there + back, at + there + ahead)


def test_nothing_is_known_before_the_first_answer():
    """Not even that the clocks are equal."""
    clock = RemoteClock()
    assert (clock.offset_s, clock.error_s) == (0.0, inf)


def test_one_answer_bounds_by_half_a_round_trip():
    """To either side of the middle."""
    clock = RemoteClock()
    asked(clock, 100.0, 0.01, 0.03, ahead=1000.0)
    assert clock.offset_s == pytest.approx(999.99)
    assert clock.error_s == pytest.approx(0.02)


@given(st.floats(-1e6, 1e6), st.lists(st.tuples(st.floats(0, 60), DELAYS, DELAYS), min_size=1, max_size=20), DELAYS)
def test_the_truth_lies_within_the_bounds(ahead: float, questions: list[tuple[float, float, float]], ago: float):
    """Whatever the delays were: so a moment there lies within the window here."""
    clock, now = RemoteClock(), 1000.0
    for pause, there, back in questions:
        now += pause
        asked(clock, now, there, back, ahead)
        now += there + back
    earliest, latest = clock.window(now - ago + ahead)
    assert earliest - 1e-6 <= now - ago <= latest + 1e-6


def test_quick_answers_make_up_for_slow_ones():
    """The bounds of all answers hold together."""
    clock = RemoteClock()
    asked(clock, 100.0, 0.2, 0.001, ahead=5.0)
    asked(clock, 101.0, 0.001, 0.2, ahead=5.0)
    assert clock.offset_s == pytest.approx(5.0, abs=0.001)
    assert clock.error_s < 0.002


def test_old_bounds_widen():
    """By what two crystals may drift apart."""
    clock = RemoteClock()
    asked(clock, 100.0, 0.0, 0.0, ahead=5.0)
    asked(clock, 1100.0, 10.0, 10.0, ahead=5.0)
    assert clock.error_s == pytest.approx(1020 * DRIFT, rel=0.01)
    earliest, latest = clock.window(1105.0)
    assert latest - earliest > 2 * clock.error_s


def test_a_clock_that_contradicts_is_another_one():
    """The machine was started again: what was known of its clock is worth nothing."""
    clock = RemoteClock()
    asked(clock, 100.0, 0.01, 0.01, ahead=5000.0)
    asked(clock, 200.0, 0.01, 0.01, ahead=-150.0)
    assert clock.offset_s == pytest.approx(-150.0)
    assert clock.error_s == pytest.approx(0.01)
