import random

import pytest

from dynamo.growth.slope import at_the_end, exponent, rise, theil_sen


@pytest.mark.parametrize("power", [0.0, 0.5, 1.0, 2.0, -0.3])
def test_a_power_is_found(power: float):
    """Whatever the factor in front of it."""
    points = [(size, 7 * size**power) for size in (10.0, 100.0, 1000.0, 50_000.0)]
    assert exponent(points) == pytest.approx(power)
    assert at_the_end(points) == pytest.approx(power)


def test_one_size_has_no_power():
    """Nor have two measurements of one size."""
    assert exponent([(10, 3)]) == exponent([(10, 3), (10, 4)]) == 0


def test_what_begins_to_grow_is_seen_at_the_end():
    """A square that is hidden under a constant: little over all, nearly two where it counts."""
    points = [(size, 1000 + size**2) for size in (1.0, 10.0, 100.0, 1000.0)]
    assert exponent(points) < 1.1
    assert at_the_end(list(reversed(points))) > 1.9


def test_a_wild_window_does_not_move_the_trend():
    """Least squares would follow it."""
    points = [(float(at), 10 + 0.5 * at) for at in range(20)]
    points[-2] = (18.0, 10_000.0)
    assert theil_sen(points) == pytest.approx(0.5, abs=0.02)
    assert theil_sen(points[:1]) == 0


def test_a_rise_is_told_from_chance():
    """Steady growth is far from chance, however small; noise is not; what never changes neither rises nor falls."""
    chance = random.Random(4)
    noise = [(float(at), chance.gauss(100, 10)) for at in range(90)]
    assert abs(rise(noise)) < 2.33
    assert rise([(at, 1000 + at / 100) for at in range(90)]) > 10
    assert rise([(at, 1000 - at / 100) for at in range(90)]) < -10
    assert rise([(at, 5.0) for at in range(90)]) == 0


def test_ties_are_known():
    """The variance of a series with ties is smaller; here by hand: a score of 2, and (66 - 18) / 18."""
    assert rise([(0, 1), (1, 1), (2, 2)]) == pytest.approx((2 - 1) / (((66 - 18) / 18) ** 0.5))
