"""Latencies counted in log-linear buckets: each power of two is cut into 128, so a bucket is under 0.8 % wide.

Values are whole nanoseconds (any non-negative integer would do). Those below 256 have a bucket each; above, a value v
of b bits goes by its highest eight: shift = b - 8, bucket = 128 * shift + (v >> shift), which continues the first 256
without a gap. A percentile is answered by the upper edge of its bucket, never above the largest value seen: the true
one is at most that, and at least 0.8 % less. Recording costs an addition and a shift; merging is a sum.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

SUB_BUCKETS = 128
VALUE_MAX = 2**40 - 1
"""Eighteen minutes in nanoseconds. Larger values count in the last bucket; `largest` is exact all the same."""
_EXACT_BITS = SUB_BUCKETS.bit_length()
BUCKETS = SUB_BUCKETS * (VALUE_MAX.bit_length() - _EXACT_BITS + 2)


class Histogram:
    """How many values fell into each bucket, with the smallest, the largest and the sum kept exactly."""

    __slots__ = ("_counts", "count", "largest", "smallest", "total")

    def __init__(self, values: Iterable[int] = ()) -> None:
        self._counts = [0] * BUCKETS
        self.count = 0
        self.total = 0
        self.smallest = 0
        self.largest = 0
        for value in values:
            self.record(value)

    def record(self, value: int) -> None:
        """Count one value."""
        assert value >= 0, "a latency is not negative"
        if not self.count or value < self.smallest:
            self.smallest = value
        if value > self.largest:  # noqa: PLR1730 - a call of max costs more than the rest of this method
            self.largest = value
        self.count += 1
        self.total += value
        self._counts[bucket_of(value)] += 1

    def percentile(self, percent: float) -> int:
        """The least bucket edge that `percent` of the values do not exceed; 0 if there are none."""
        assert 0 <= percent <= 100, "percent is a share of a hundred"
        rank = max(1, _ceiling(percent * self.count / 100))
        seen = 0
        for bucket, count in enumerate(self._counts):
            seen += count
            if seen >= rank:
                return max(self.smallest, min(upper_edge(bucket), self.largest))
        return 0

    @property
    def mean(self) -> float:
        """Exact; 0 if there are no values."""
        return self.total / self.count if self.count else 0.0

    def counts(self) -> dict[int, int]:
        """Bucket to count, empty buckets left out: what crosses to another process."""
        return {bucket: count for bucket, count in enumerate(self._counts) if count}

    def add_counts(self, counts: Mapping[int, int]) -> None:
        """Count what `counts` of another one said; its values are taken to lie at the upper edges of their buckets."""
        for bucket, count in counts.items():
            edge = upper_edge(bucket)
            self.smallest = min(self.smallest, edge) if self.count else edge
            self.largest = max(self.largest, edge)
            self.count += count
            self.total += edge * count
            self._counts[bucket] += count

    def merge(self, other: Histogram) -> None:
        """Count everything that the other one counted, too."""
        if not other.count:
            return
        self.smallest = min(self.smallest, other.smallest) if self.count else other.smallest
        self.largest = max(self.largest, other.largest)
        self.count += other.count
        self.total += other.total
        self._counts = [mine + theirs for mine, theirs in zip(self._counts, other._counts, strict=True)]


def bucket_of(value: int) -> int:
    """The bucket of a value."""
    if value > VALUE_MAX:
        return BUCKETS - 1
    shift = value.bit_length() - _EXACT_BITS
    return (shift << 7) + (value >> shift) if shift > 0 else value


def upper_edge(bucket: int) -> int:
    """The largest value that belongs to a bucket."""
    if bucket < 2 * SUB_BUCKETS:
        return bucket
    shift = bucket // SUB_BUCKETS - 1
    return ((bucket - SUB_BUCKETS * shift + 1) << shift) - 1


def _ceiling(number: float) -> int:
    # A share like 99.9 of 1000 comes out as 999.0000000000001: what is that near to a whole number is meant to be one.
    whole = round(number)
    return whole if abs(number - whole) < 1e-6 else int(number) + 1
