"""How a series of figures goes: by which power of its size a cost grows, and whether a run over time rises.

Powers are slopes in logarithms of both, by least squares: 0 is flat, 1 proportional. Over time the slope is that of
Theil and Sen, the median over all pairs of points, which a few wild windows do not move; whether it could be chance is
asked of Mann and Kendall's test, which counts in how many pairs the later point is the greater one.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from itertools import combinations
from math import log, sqrt

Point = tuple[float, float]
"""Size and cost, or time and value."""


def exponent(points: Sequence[Point]) -> float:
    """The power of the first figure by which the second one grows; 0 of fewer than two points.

    All figures are above 0.
    """
    logs = [(log(size), log(cost)) for size, cost in points]
    if len(logs) < 2:
        return 0.0
    across, up = statistics.fmean(x for x, _ in logs), statistics.fmean(y for _, y in logs)
    spread = sum((x - across) ** 2 for x, _ in logs)
    return sum((x - across) * (y - up) for x, y in logs) / spread if spread else 0.0


def at_the_end(points: Sequence[Point]) -> float:
    """The same of the largest sizes alone, the last two: a cost that only begins to grow is seen there first."""
    return exponent(sorted(points)[-2:])


def theil_sen(points: Sequence[Point]) -> float:
    """Growth of the second figure for each unit of the first one; 0 of fewer than two points."""
    slopes = [(b[1] - a[1]) / (b[0] - a[0]) for a, b in combinations(points, 2) if b[0] != a[0]]
    return statistics.median(slopes) if slopes else 0.0


def rise(points: Sequence[Point]) -> float:
    """How many standard deviations above chance the rise of a series is (Mann-Kendall); negative where it falls.

    0 of a series that is the same all the time. Points are in the order of the first figure.
    """
    count = len(points)
    score = sum((b[1] > a[1]) - (b[1] < a[1]) for a, b in combinations(points, 2))
    values = [value for _, value in points]
    ties = [values.count(value) for value in set(values)]
    variance = (_spread(count) - sum(map(_spread, ties))) / 18
    if score == 0 or variance <= 0:
        return 0.0
    # One less: the score goes in steps, and the bell curve that it is compared with does not.
    return (abs(score) - 1) / sqrt(variance) * (1 if score > 0 else -1)


def _spread(count: int) -> float:
    return count * (count - 1) * (2 * count + 5)
