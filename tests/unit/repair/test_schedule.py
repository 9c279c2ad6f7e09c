import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynamo.repair.schedule import Pair, Sweep, pairs_of

HOMES = {0: ("a", "b", "c"), 1: ("b", "c", "d"), 2: ("c", "d", "a"), 3: ("a",)}


def test_the_pairs_are_a_nodes_partitions_with_their_other_replicas():
    """Not itself, not what it does not hold, not whom it does not share with."""
    assert pairs_of(HOMES, "a") == [Pair(0, "b"), Pair(0, "c"), Pair(2, "c"), Pair(2, "d")]
    assert pairs_of(HOMES, "x") == []


@given(st.integers(1, 40), st.floats(0, 0.999), st.floats(1, 1000))
def test_a_sweep_takes_each_pair_once_and_evenly(count, dice, period_s):
    """Never before its time, all within the period and a step, in an order that is turned, not shuffled."""
    pairs = [Pair(number, "b") for number in range(count)]
    sweep = Sweep(pairs, period_s, 100.0, dice)
    now, taken, times = 100.0, [], []
    while not sweep.is_over:
        now += sweep.wait_s(now)
        pair = sweep.due(now) or sweep.due(now + 1e-6)
        assert pair is not None
        assert sweep.is_over or sweep.due(now - 1e-6) is None
        taken.append(pair)
        times.append(now)
    assert sorted(taken, key=lambda pair: pair.partition) == pairs
    turn = pairs.index(taken[0])
    assert taken == pairs[turn:] + pairs[:turn]
    assert times[-1] <= 100.0 + period_s
    steps = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert all(step == pytest.approx(period_s / count, abs=1e-3) for step in steps)


def test_a_late_sweep_hurries():
    """What is due already is handed out at once, one after the other."""
    sweep = Sweep([Pair(number, "b") for number in range(10)], 10.0, 0.0, 0.0)
    assert [sweep.due(5.5) is not None for _ in range(8)] == [True] * 6 + [False] * 2
    assert sweep.wait_s(5.5) == pytest.approx(0.5)


def test_the_next_sweep_waits_for_the_period():
    """However soon this one was over; one without pairs, too."""
    sweep = Sweep([Pair(0, "b")], 10.0, 0.0, 0.0)
    assert sweep.due(0.0) == Pair(0, "b")
    assert sweep.is_over
    assert (sweep.ends_at(), sweep.wait_s(4.0), sweep.wait_s(11.0)) == (10.0, 6.0, 0.0)
    nothing = Sweep([], 10.0, 0.0, 0.5)
    assert nothing.is_over
    assert nothing.due(5.0) is None
