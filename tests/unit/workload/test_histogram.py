import random
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynamo.workload.histogram import BUCKETS, SUB_BUCKETS, VALUE_MAX, Histogram, bucket_of, upper_edge

VALUES = st.integers(min_value=0, max_value=VALUE_MAX)


def exact(values: list[int], percent: str) -> int:
    """The percentile by definition: the least value that at least that share of all values do not exceed."""
    share = Fraction(percent) / 100
    return next(v for v in sorted(values) if sum(w <= v for w in values) >= share * len(values))


@given(st.lists(VALUES, min_size=1, max_size=60), st.sampled_from(["0", "1", "50", "90", "99", "99.9", "100"]))
def test_a_percentile_is_the_true_one_within_a_bucket(values: list[int], percent: str):
    """Never below the true value, never more than 1/128 above it."""
    answer = Histogram(values).percentile(float(percent))
    assert exact(values, percent) <= answer <= exact(values, percent) * (1 + 1 / SUB_BUCKETS)


@pytest.mark.parametrize(
    ("percent", "value"), [(0, 1), (1, 1), (50, 50), (50.5, 51), (99, 99), (99.5, 100), (100, 100)]
)
def test_small_values_are_exact(percent: float, value: int):
    """The numbers 1 to 100 are their own percentiles."""
    assert Histogram(range(1, 101)).percentile(percent) == value


def test_a_share_that_is_a_whole_number_of_values_is_not_rounded_up():
    """99.9 percent of 1000 values are 999 of them, whatever binary fractions make of 99.9."""
    values = [1] * 999 + [200]
    assert Histogram(values).percentile(99.9) == 1
    assert Histogram([*values, 200]).percentile(99.9) == 200


@given(VALUES)
def test_a_value_lies_in_its_bucket(value: int):
    """Above the edge of the bucket before, not above its own."""
    bucket = bucket_of(value)
    assert upper_edge(bucket - 1) < value <= upper_edge(bucket)


def test_buckets_follow_each_other_without_a_gap():
    """Each bucket's edge belongs to it and the next number to the next; the last edge is the largest value."""
    for bucket in range(BUCKETS - 1):
        assert bucket_of(upper_edge(bucket)) == bucket
        assert bucket_of(upper_edge(bucket) + 1) == bucket + 1
    assert upper_edge(BUCKETS - 1) == VALUE_MAX


def test_what_is_too_large_counts_in_the_last_bucket():
    """The largest value stays exact, and so does the count."""
    counted = Histogram([5, VALUE_MAX * 8])
    assert (counted.count, counted.largest, counted.percentile(50)) == (2, VALUE_MAX * 8, 5)
    assert counted.percentile(100) == VALUE_MAX


@given(st.lists(VALUES, max_size=30), st.lists(VALUES, max_size=30))
def test_merging_is_counting_together(left: list[int], right: list[int]):
    """Two histograms merged answer as one that saw all values."""
    merged, whole = Histogram(left), Histogram(left + right)
    merged.merge(Histogram(right))
    assert [merged.percentile(p) for p in range(101)] == [whole.percentile(p) for p in range(101)]
    assert (merged.count, merged.total, merged.mean) == (whole.count, whole.total, whole.mean)
    assert (merged.smallest, merged.largest) == (whole.smallest, whole.largest)


def test_an_empty_histogram_answers_zero():
    """A run without an answer has a report, too."""
    empty = Histogram()
    assert (empty.percentile(50), empty.mean, empty.count, empty.largest) == (0, 0.0, 0, 0)


def test_percentiles_of_many_values_are_near_the_true_ones():
    """On a latency-like distribution of 20,000 values, within 0.8 percent."""
    chance = random.Random(4)
    values = sorted(int(chance.lognormvariate(13, 1)) for _ in range(20_000))
    counted = Histogram(values)
    for percent, rank in ((50, 10_000), (90, 18_000), (99, 19_800), (99.9, 19_980)):
        assert counted.percentile(percent) == pytest.approx(values[rank - 1], rel=0.008)
    assert counted.mean == sum(values) / len(values)


def test_counts_cross_to_another_process():
    """What is made of the counts answers the same percentiles, to the width of a bucket."""
    values = [3, 300, 30_000, 3_000_000, 3_000_000]
    first, second = Histogram(values), Histogram()
    second.add_counts(first.counts())
    assert second.count == 5
    for percent in (0, 50, 99, 100):
        assert first.percentile(percent) <= second.percentile(percent) <= first.percentile(percent) * 1.008 + 1
    assert Histogram().counts() == {}
