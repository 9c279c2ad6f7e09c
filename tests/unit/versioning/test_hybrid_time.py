import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynamo.errors import ClockDrift
from dynamo.versioning.hybrid_time import LOGICAL_BITS, PLACES_MAX, HybridClock, stamp, wall_ms

NOW_MS = 1_700_000_000_000
DRIFT_MS = 5000
jumps = st.integers(NOW_MS - 10**9, NOW_MS + 10**9)


@given(st.lists(st.tuples(jumps, st.one_of(st.just(0), st.integers(0, stamp(NOW_MS)))), min_size=1, max_size=30))
def test_stamps_only_grow(steps):
    """Whatever the wall clock does, each stamp exceeds every earlier one and what the write has seen."""
    clock = HybridClock(DRIFT_MS)
    last = 0
    for now_ms, above in steps:
        given_out = clock.tick(now_ms, above)
        assert given_out > last
        assert given_out > above
        assert given_out >= stamp(now_ms)
        assert clock.last == given_out
        last = given_out


@given(st.lists(st.tuples(st.booleans(), jumps, st.integers(-(10**9), DRIFT_MS)), min_size=1, max_size=20))
def test_a_stamp_follows_everything_observed(steps):
    """A write after a message is later than the message, though clocks disagree; an old message sets nothing back."""
    clock = HybridClock(DRIFT_MS)
    newest = 0
    for is_message, now_ms, ahead_ms in steps:
        if is_message:
            remote = stamp(now_ms + ahead_ms, logical=7)
            clock.observe(remote, now_ms)
            newest = max(newest, remote)
        else:
            given_out = clock.tick(now_ms)
            assert given_out > newest
            newest = given_out


def test_stamps_stay_near_the_wall_clock():
    """When it moves on, the milliseconds are its own again and the counter starts anew."""
    clock = HybridClock(DRIFT_MS)
    assert clock.tick(NOW_MS) == stamp(NOW_MS)
    assert clock.tick(NOW_MS) == stamp(NOW_MS, 1)
    assert clock.tick(NOW_MS - 60_000) == stamp(NOW_MS, 2)
    assert clock.tick(NOW_MS + 1) == stamp(NOW_MS + 1)


def test_more_writes_than_the_counter_holds_run_into_the_next_millisecond():
    """65,536 stamps in one millisecond: the next carries over and stays greater."""
    clock = HybridClock(DRIFT_MS, last=stamp(NOW_MS, 2**LOGICAL_BITS - 1))
    assert clock.tick(NOW_MS) == stamp(NOW_MS + 1)


@pytest.mark.parametrize(("ahead_ms", "refused"), [(DRIFT_MS, False), (DRIFT_MS + 1, True), (-(10**9), False)])
def test_a_stamp_too_far_ahead_is_refused(ahead_ms, refused):
    """At the limit it is taken, one millisecond beyond it is not, and then the clock has not moved."""
    clock = HybridClock(DRIFT_MS, last=5)
    if refused:
        with pytest.raises(ClockDrift) as refusal:
            clock.observe(stamp(NOW_MS + ahead_ms), NOW_MS)
        assert refusal.value.members == {"ahead_ms": ahead_ms, "limit_ms": DRIFT_MS}
        assert clock.last == 5
    else:
        clock.observe(stamp(NOW_MS + ahead_ms, 3), NOW_MS)
        assert clock.last == max(5, stamp(NOW_MS + ahead_ms, 3))


@given(st.integers(0, 2**46), st.integers(0, 2**LOGICAL_BITS - 1))
def test_a_stamp_orders_by_time_then_counter(now_ms, logical):
    """One int holds both, and comparing ints compares stamps."""
    assert wall_ms(stamp(now_ms, logical)) == now_ms
    assert stamp(now_ms, logical) < stamp(now_ms + 1)


def at(clock: HybridClock, now_ms: int, monotonic_ms: int) -> int:
    """A stamp, taken as a node takes it."""
    clock.look(now_ms, monotonic_ms)
    return clock.tick(now_ms)


def test_a_clock_that_was_ahead_and_is_corrected_is_believed_again():
    """Stamps go on from what was before, not from what the wrong clock said."""
    clock = HybridClock(DRIFT_MS)
    before = at(clock, NOW_MS, 1000)
    assert wall_ms(at(clock, NOW_MS + 10**9, 2000)) == NOW_MS + 10**9
    at(clock, NOW_MS + 10**9 + 1000, 3000)
    after = at(clock, NOW_MS + 3000, 4000)
    assert wall_ms(after) == NOW_MS + 3000
    assert after > before


def test_a_corrected_clock_stays_above_what_it_gave_out_before():
    """Also where it comes back a little behind."""
    clock = HybridClock(DRIFT_MS)
    before = at(clock, NOW_MS, 1000)
    at(clock, NOW_MS + 10**9, 1010)
    assert before < at(clock, NOW_MS - 500, 1020) < stamp(NOW_MS + 1)


def test_a_clock_that_goes_back_for_the_first_time_is_not_believed():
    """It may be wrong now as well as before: stamps go on from the last."""
    clock = HybridClock(DRIFT_MS)
    before = at(clock, NOW_MS, 1000)
    assert at(clock, NOW_MS - 10**9, 2000) == before + 1


def test_small_steps_are_no_jump():
    """A clock that is slewed or stepped within the allowed drift is always believed."""
    clock = HybridClock(DRIFT_MS)
    for step in range(10):
        given_out = at(clock, NOW_MS + step * DRIFT_MS, step)
    assert at(clock, NOW_MS, 10) == given_out + 1


def test_a_clock_that_jumps_about_is_believed_where_it_was_before():
    """Ahead, behind, far ahead, and back: only a place that it never held is doubted."""
    clock = HybridClock(DRIFT_MS)
    at(clock, NOW_MS, 1000)
    for jump_ms in (3_600_000, -3_600_000, 86_400_000):
        at(clock, NOW_MS + jump_ms, 1000)
    assert wall_ms(at(clock, NOW_MS + 1000, 2000)) == NOW_MS + 1000


def test_what_is_remembered_of_jumps_is_bounded():
    """The oldest places are forgotten."""
    clock = HybridClock(DRIFT_MS)
    for step in range(100):
        at(clock, NOW_MS + step * 10 * DRIFT_MS, 1000)
    assert len(clock._left) == PLACES_MAX
