"""How sure a figure is: 95 % intervals for shares, for means of batches, and for what two runs differ by.

Shares: Wilson's score interval ("Probable inference, the law of succession, and statistical inference", 1927), which
is right near 0 and 1, where the usual one is not; nothing seen in n looks still allows for about 3.8 / n. Two shares:
Newcombe's hybrid of two such intervals ("Interval estimation for the difference between independent proportions",
1998, method 10). Latencies of neighbouring requests depend on each other, so a percentile's uncertainty comes from
*batches*: the run is cut into stretches, the percentile taken in each, and their mean has Student's interval (Law and
Kelton, "Simulation Modeling and Analysis", on batch means); two runs are compared as by Welch (1947).
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf, sqrt
from statistics import fmean, variance
from typing import NamedTuple

Z = 1.959964
_STUDENT = (
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131,
    2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
)  # fmt: skip
"""Student's t at 97.5 %, by degrees of freedom from 1."""


class Interval(NamedTuple):
    """An estimate, and between which values the true one lies with 95 %."""

    low: float
    value: float
    high: float

    @property
    def holds_zero(self) -> bool:
        return self.low <= 0 <= self.high


def wilson(hits: int, looks: int) -> Interval:
    """A share; of no looks at all it is anything from 0 to 1."""
    if not looks:
        return Interval(0.0, 0.0, 1.0)
    share = hits / looks
    middle = (share + Z * Z / (2 * looks)) / (1 + Z * Z / looks)
    half = Z / (1 + Z * Z / looks) * sqrt(share * (1 - share) / looks + Z * Z / (4 * looks * looks))
    low = 0.0 if hits == 0 else max(0.0, middle - half)
    return Interval(low, share, 1.0 if hits == looks else min(1.0, middle + half))


def share_difference(a: tuple[int, int], b: tuple[int, int]) -> Interval:
    """By how much the share of b is greater than that of a; each is hits and looks."""
    first, second = wilson(*a), wilson(*b)
    difference = second.value - first.value
    down = sqrt((second.value - second.low) ** 2 + (first.high - first.value) ** 2)
    up = sqrt((second.high - second.value) ** 2 + (first.value - first.low) ** 2)
    return Interval(difference - down, difference, difference + up)


def mean(values: Sequence[float]) -> Interval:
    """The mean of what batches came to; of fewer than two nobody knows how sure it is."""
    if len(values) < 2:
        return Interval(-inf, values[0] if values else 0.0, inf)
    half = student(len(values) - 1) * sqrt(variance(values) / len(values))
    value = fmean(values)
    return Interval(value - half, value, value + half)


def mean_difference(a: Sequence[float], b: Sequence[float]) -> Interval:
    """By how much the mean of b is greater than that of a."""
    if len(a) < 2 or len(b) < 2:
        return Interval(-inf, (fmean(b) if b else 0.0) - (fmean(a) if a else 0.0), inf)
    first, second = variance(a) / len(a), variance(b) / len(b)
    difference = fmean(b) - fmean(a)
    if first + second == 0:
        return Interval(difference, difference, difference)
    freedom = (first + second) ** 2 / (first**2 / (len(a) - 1) + second**2 / (len(b) - 1))
    half = student(freedom) * sqrt(first + second)
    return Interval(difference - half, difference, difference + half)


def student(freedom: float) -> float:
    """Student's t at 97.5 %; fractions of a degree are dropped, which errs on the wide side."""
    whole = max(1, int(freedom))
    return _STUDENT[whole - 1] if whole <= len(_STUDENT) else Z + 2.5 / whole
