from hypothesis import given
from hypothesis import strategies as st

from dynamo.report.quantiles import largest_ns, mean_ns, percentile_ns, percentiles_ns
from dynamo.workload.histogram import Histogram, bucket_of, upper_edge

COUNTS = st.dictionaries(st.integers(0, 3000), st.integers(1, 50), min_size=1, max_size=30)


@given(COUNTS, st.sampled_from([1, 50, 90, 99, 99.9, 100]))
def test_percentiles_are_those_of_the_histogram(counts, percent):
    """Bucket by bucket, without unpacking."""
    histogram = Histogram()
    histogram.add_counts(counts)
    assert percentile_ns(counts, percent) == histogram.percentile(percent)


def test_several_in_one_pass():
    """In their order; of nothing they are 0."""
    counts = {bucket_of(value): 1 for value in (100, 200, 300, 400)}
    assert percentiles_ns(counts, (0, 25, 50, 100)) == [upper_edge(bucket_of(v)) for v in (100, 100, 200, 400)]
    assert percentiles_ns({}, (50, 99)) == [0, 0]


def test_mean_and_largest():
    """By the upper edges of buckets."""
    assert mean_ns({10: 1, 20: 3}) == 17.5
    assert largest_ns({10: 1, 20: 3}) == 20
    assert mean_ns({}) == largest_ns({}) == 0
