"""The two ways of a message, told apart by answers that carry the time of another clock."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynamo.replication.legs import KEPT_MAX, Legs

AHEAD_S = 4711.0


def exchanged(legs: Legs, trips, *, ahead_s: float = AHEAD_S, spent_s: float = 0.0, start_s: float = 100.0) -> None:
    """Stores and Fetches, one a second, with these ways there and back."""
    for second, (there, back) in enumerate(trips):
        sent = start_s + second
        at_us = int((sent + there + spent_s + ahead_s) * 1e6)
        legs.wrote("peer", sent, at_us, int(spent_s * 1e6), sent + there + spent_s + back)
        legs.read("peer", sent, int((sent + there + ahead_s) * 1e6), sent + there + back)


def test_each_exchange_keeps_its_own_two_ways():
    """One that was late on the way there is not late on the way back; the clocks' difference does not show."""
    dice = Random(3)
    trips = [(dice.uniform(0.005, 0.02), dice.uniform(0.005, 0.02)) for _ in range(640)]
    legs = Legs(["peer"])
    exchanged(legs, trips, spent_s=0.002)
    for (there, back), (read, reply), (write, ack) in zip(trips, legs.reads("peer"), legs.writes("peer"), strict=True):
        assert read == pytest.approx(there, abs=0.0015)
        assert reply == pytest.approx(back, abs=0.0015)
        assert write == pytest.approx(there + 0.002, abs=0.0015)
        assert ack == pytest.approx(back, abs=0.0015)


def test_a_clock_that_jumps_halves_its_round_trips():
    """As after a restart of the peer: in that run of exchanges nothing better is known."""
    legs = Legs(["peer"])
    exchanged(legs, [(0.01, 0.03)] * 20)
    exchanged(legs, [(0.01, 0.03)] * 20, ahead_s=-7.0, start_s=200.0)
    assert legs.reads("peer") == [pytest.approx((0.02, 0.02), abs=1e-5)] * 40


def test_a_difference_of_the_ways_that_never_changes_stays_hidden():
    """It looks like a difference of the clocks."""
    legs = Legs(["peer"])
    exchanged(legs, [(0.01, 0.03)] * 100)
    assert legs.reads("peer") == [pytest.approx((0.02, 0.02), abs=1e-5)] * 100


TRIPS = st.lists(st.tuples(st.floats(0, 5), st.floats(0, 5)), min_size=1, max_size=80)


@given(TRIPS, st.floats(-100, 100), st.floats(0, 1))
def test_no_way_is_negative_and_both_make_the_round_trip(trips, ahead_s, spent_s):
    """Whatever the clocks say."""
    legs = Legs(["peer"])
    exchanged(legs, trips, ahead_s=ahead_s, spent_s=spent_s)
    for (there, back), (write, ack) in zip(trips, legs.writes("peer"), strict=True):
        assert write >= 0
        assert ack >= 0
        assert write + ack == pytest.approx(there + back + spent_s, abs=1e-5)


def test_an_older_peer_is_not_measured():
    """It does not say when."""
    legs = Legs(["peer"])
    legs.read("peer", 1.0, 0, 2.0)
    legs.wrote("peer", 1.0, 0, 0, 2.0)
    assert (legs.reads("peer"), legs.writes("peer"), legs.taken) == ([], [], 0)


def test_a_stranger_is_not_measured():
    """Only members have legs; one that is none is passed over."""
    legs = Legs(["peer"])
    legs.read("stranger", 1.0, 5, 2.0)
    legs.wrote("stranger", 1.0, 5, 1, 2.0)
    assert legs.peers == ("peer",)
    assert legs.taken == 0


def test_only_the_last_exchanges_are_kept():
    """Memory is bounded, and what was long ago says little."""
    legs = Legs(["peer"])
    exchanged(legs, [(0.5, 0.5)] * 10 + [(0.1, 0.1)] * KEPT_MAX)
    for _ in range(2 * KEPT_MAX):
        legs.wrote_here(0.1)
    assert legs.count("peer") == len(legs.own) == KEPT_MAX
    assert max(sum(each) for each in legs.writes("peer")) == pytest.approx(0.2, abs=1e-4)
