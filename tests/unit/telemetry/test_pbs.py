"""Predictions against the figures that the paper published, against brute force, and by their own logic."""

from itertools import product
from math import log
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynamo.telemetry.pbs import Curve, Needs, missed_share, partial_quorums

TRIALS = 30_000
# The paper's fits of production latencies (Table 3), in milliseconds: share, Pareto(scale, shape), else exponential.
SSD = (0.9122, 0.235, 10.0, 1.66)
DISK = (0.38, 1.05, 1.51, 0.183)
YAMMER_WRITE = (0.939, 3.0, 3.35, 0.0028)
YAMMER_REST = (0.982, 1.5, 3.8, 0.0217)
Fit = tuple[float, float, float, float]


def leg_ms(fit: Fit, dice: Random) -> float:
    share, scale, shape, rate = fit
    if dice.random() < share:
        return scale * (1 - dice.random()) ** (-1 / shape)
    return -log(1 - dice.random()) / rate


def simulated(write: Fit, rest: Fit, n: int = 3, seed: int = 1) -> Needs:
    """Replicas all alike, reads sent to all, the quickest replies counted: the model of the paper."""
    dice, needs = Random(seed), Needs(n)
    for _ in range(TRIALS):
        shown = [leg_ms(write, dice) for _ in range(n)]
        acked = sorted(each + leg_ms(rest, dice) for each in shown)
        asked = [(leg_ms(rest, dice), place) for place in range(n)]
        asked.sort(key=lambda each: each[0] + leg_ms(rest, dice))
        needs.add(shown, acked, asked)
    return needs


def test_solid_state_disks_as_published():
    """LNKD-SSD, N=3, R=W=1: 97.4% at once, 99.9% after 1.85 ms."""
    curve = simulated(SSD, SSD).curve((1, 1))
    assert curve.fresh(0) == pytest.approx(0.974, abs=0.01)
    assert curve.bound_s(0.999) == pytest.approx(1.85, rel=0.25)


def test_spinning_disks_as_published():
    """LNKD-DISK: 43.9% at once, 92.5% after 10 ms, 99.9% after some 50 ms."""
    curve = simulated(DISK, SSD).curve((1, 1))
    assert curve.fresh(0) == pytest.approx(0.439, abs=0.01)
    assert curve.fresh(10) == pytest.approx(0.925, abs=0.01)
    assert 40 < curve.bound_s(0.999) < 65


def test_yammer_as_published():
    """YMMR: 89.3% at once, 99.9% after 1364 ms; at R=2, W=1 after 202 ms."""
    needs = simulated(YAMMER_WRITE, YAMMER_REST)
    assert needs.curve((1, 1)).fresh(0) == pytest.approx(0.893, abs=0.01)
    assert needs.curve((1, 1)).bound_s(0.999) == pytest.approx(1364, rel=0.2)
    assert needs.curve((2, 1)).bound_s(0.999) == pytest.approx(202, rel=0.3)


def test_versions_missed_in_closed_form():
    """Section 3.1: N=3, R=W=1 misses the last write in two of three cases, the last three in 8 of 27."""
    shares = [1 - missed_share(3, 1, 1, versions) for versions in (1, 2, 3)]
    assert shares == pytest.approx([0.333, 0.556, 0.704], abs=0.001)
    assert missed_share(3, 2, 2) == 0
    assert missed_share(5, 1, 3) == pytest.approx(2 / 5)


def test_only_partial_quorums_are_predicted():
    """A strict one is always fresh, so there is nothing to say."""
    assert partial_quorums(3) == ((1, 1), (1, 2), (2, 1))
    assert partial_quorums(2) == ((1, 1),)
    assert partial_quorums(1) == ()
    assert len(partial_quorums(5)) == 10


LEGS = st.lists(st.floats(0, 10), min_size=4, max_size=4)


@given(LEGS, LEGS, LEGS, st.permutations(range(4)), st.floats(0, 20))
def test_a_need_is_when_the_read_becomes_fresh(shown, back, asked, order, after_s):
    """For every quorum the trial is fresh at t exactly by the definition: some counted replica looked late enough."""
    needs = Needs(4)
    acked = sorted(w + a for w, a in zip(shown, back, strict=True))
    needs.add(shown, acked, [(asked[place], place) for place in order])
    for r, w in partial_quorums(4):
        needed = min(shown[place] - asked[place] for place in order[:r]) - acked[w - 1]
        assert needs.curve((r, w)).fresh(after_s) == float(needed <= after_s)


def test_more_replies_and_more_acknowledgements_are_never_worse():
    """In the curve of every quorum, at every time."""
    needs = simulated(DISK, SSD, n=4)
    curves = {quorum: needs.curve(quorum) for quorum in partial_quorums(4)}
    for (r, w), curve in curves.items():
        for after, more in product((0, 1, 5, 20, 100), ((r + 1, w), (r, w + 1))):
            if more in curves:
                assert curves[more].fresh(after) >= curve.fresh(after)


def test_a_bound_is_the_curve_read_the_other_way():
    """After the bound's time that share is fresh, just before it is not; it is never negative."""
    curve = Curve([-5.0, -1.0, 0.25, 0.5, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
    assert curve.bound_s(0.5) == 1.0
    assert curve.fresh(1.0) == 0.5
    assert curve.fresh(0.999) == 0.4
    assert curve.bound_s(0.2) == 0.0
    assert curve.bound_s(1.0) == 6.0


def test_the_doubt_about_a_bound_covers_the_truth():
    """Of uniform needs the 99% bound is 0.99: within the interval in about 95 of 100 runs."""
    dice = Random(7)
    within = 0
    for _ in range(200):
        low, high = Curve(dice.random() for _ in range(1000)).bound_between_s(0.99)
        within += low <= 0.99 <= high
    assert within >= 180


def test_a_curve_needs_trials():
    """It would say nothing."""
    with pytest.raises(ValueError, match="without trials"):
        Needs(3).curve((1, 1))
