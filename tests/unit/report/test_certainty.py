import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynamo.report.certainty import mean, mean_difference, share_difference, student, wilson


@pytest.mark.parametrize(
    ("hits", "looks", "low", "high"),
    [
        (0, 10, 0.0, 0.2775),
        (10, 10, 0.7225, 1.0),
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_as_published(hits, looks, low, high):
    """Newcombe 1998 (Statistics in Medicine 17, 857), table I, method 3, and its limits."""
    found = wilson(hits, looks)
    assert (round(found.low, 4), round(found.high, 4)) == (low, high)


def test_nothing_seen():
    """In n looks still allows for about 3.8 / n; of no looks it is anything."""
    assert wilson(0, 12_400).high == pytest.approx(3.84 / 12_400, rel=0.01)
    assert wilson(0, 0) == (0.0, 0.0, 1.0)


@pytest.mark.parametrize(
    ("a", "b", "low", "high"),
    [((48, 80), (56, 70), 0.0524, 0.3339), ((3, 10), (9, 10), 0.1705, 0.8090)],
)
def test_differences_of_shares_as_published(a, b, low, high):
    """Newcombe 1998 (873), table II, method 10."""
    found = share_difference(a, b)
    assert (found.low, found.high) == (pytest.approx(low, abs=0.0006), pytest.approx(high, abs=0.0006))


@given(st.integers(1, 500), st.data())
def test_an_interval_holds_its_estimate(looks, data):
    """And lies between 0 and 1."""
    found = wilson(data.draw(st.integers(0, looks)), looks)
    assert 0 <= found.low <= found.value <= found.high <= 1


def test_means_are_covered_as_often_as_they_say():
    """In 95 of 100 repetitions the interval holds the true mean; of a difference as well."""
    chance = random.Random(1)
    hits = differences = 0
    for _ in range(2000):
        a = [chance.gauss(10, 3) for _ in range(8)]
        b = [chance.gauss(12, 1) for _ in range(5)]
        hits += mean(a).low <= 10 <= mean(a).high
        by = mean_difference(a, b)
        differences += by.low <= 2 <= by.high
    assert 0.93 <= hits / 2000 <= 0.97
    assert 0.93 <= differences / 2000 <= 0.975


def test_one_batch_says_nothing_about_its_certainty():
    """Neither alone nor beside others; equal batches are certain."""
    assert mean([5.0]).holds_zero
    assert mean_difference([5.0], [1.0, 2.0]).holds_zero
    assert mean_difference([5.0, 5.0], [7.0, 7.0]) == (2.0, 2.0, 2.0)


def test_students_t():
    """Table values, and between and beyond them."""
    assert [student(1), student(10), student(10.9), student(30)] == [12.706, 2.228, 2.228, 2.042]
    assert student(60) == pytest.approx(2.000, abs=0.003)
    assert student(1e6) == pytest.approx(1.96, abs=0.001)
