"""Percentiles of sparse buckets, as `workload/histogram.py` counts them, without unpacking them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dynamo.workload.histogram import upper_edge


def percentile_ns(counts: Mapping[int, int], percent: float) -> int:
    """The least bucket edge that `percent` of the values do not exceed; 0 if there are none."""
    return percentiles_ns(counts, (percent,))[0]


def percentiles_ns(counts: Mapping[int, int], percents: Sequence[float]) -> list[int]:
    """The same for several, in one pass; `percents` ascending."""
    whole = sum(counts.values())
    if not whole:
        return [0] * len(percents)
    found: list[int] = []
    seen = 0
    for bucket in sorted(counts):
        seen += counts[bucket]
        while len(found) < len(percents) and seen >= percents[len(found)] * whole / 100 - 1e-9:
            found.append(upper_edge(bucket))
    return found


def mean_ns(counts: Mapping[int, int]) -> float:
    """The mean, of values taken to lie at the upper edges of their buckets; 0 if there are none."""
    whole = sum(counts.values())
    return sum(upper_edge(bucket) * count for bucket, count in counts.items()) / whole if whole else 0.0


def largest_ns(counts: Mapping[int, int]) -> int:
    """The upper edge of the last bucket; 0 if there is none."""
    return upper_edge(max(counts)) if counts else 0
