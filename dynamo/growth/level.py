"""Whether a figure of a long run stays level: one rule for all of them, with a tolerance for each.

Looked at is the second half of the run, in which caches have filled and windows of history have come round. A figure
*rises* if both are so:

- its trend (Theil-Sen: the median slope over all pairs of windows) comes to more over that half than the tolerance,
  which is a share of its median, or an amount where that is more;
- the trend is not chance: Mann-Kendall's test, one-sided at 1 %.

Falling is fine. Of several nodes that with the greatest rise counts.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence

import msgspec

from dynamo.growth.slope import Point, rise, theil_sen

SURE = 2.326
"""Standard deviations that chance exceeds once in a hundred."""
LEAST = 4
"""Windows in the second half below which nothing is said."""


class Tolerance(msgspec.Struct, frozen=True, kw_only=True):
    """How much a figure may rise over the second half."""

    name: str
    unit: str
    share: float
    """Of its median."""
    amount: float
    """In its unit; the greater of the two counts."""


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What is said of one figure."""

    name: str
    unit: str
    median: float
    """Over the second half."""
    growth: float
    """What the trend comes to over that half."""
    allowed: float
    sure: float
    """Standard deviations above chance."""
    level: bool
    whose: str
    """The node with the greatest rise; empty where there is one series for all."""


P999 = Tolerance(name="p99.9", unit="ms", share=0.25, amount=5.0)
MEMORY = Tolerance(name="memory", unit="MiB", share=0.05, amount=4.0)
DATA = Tolerance(name="LMDB's file", unit="MiB", share=0.05, amount=4.0)
LOG = Tolerance(name="log", unit="MiB", share=0.05, amount=8.0)
DISK = Tolerance(name="disk", unit="MiB", share=0.05, amount=8.0)
HINTS = Tolerance(name="hints", unit="hints", share=0.0, amount=50.0)
UNSERVED = Tolerance(name="not answered well", unit="%", share=0.0, amount=1.0)


def second_half(points: Sequence[Point], end: float) -> list[Point]:
    """Those of a run that lasts until `end`."""
    return [point for point in points if point[0] >= end / 2]


def verdict(tolerance: Tolerance, series: Mapping[str, Sequence[Point]], end: float) -> Verdict | None:
    """What is said of one figure, by node. None if there are too few windows to say anything."""
    found = [_judged(tolerance, name, second_half(points, end)) for name, points in series.items()]
    judged = [each for each in found if each is not None]
    return max(judged, key=lambda each: (not each.level, each.growth), default=None)


def _judged(tolerance: Tolerance, whose: str, points: list[Point]) -> Verdict | None:
    if len(points) < LEAST:
        return None
    median = statistics.median(value for _, value in points)
    growth = theil_sen(points) * (points[-1][0] - points[0][0])
    allowed, sure = max(tolerance.share * median, tolerance.amount), rise(points)
    return Verdict(
        name=tolerance.name,
        unit=tolerance.unit,
        median=median,
        growth=growth,
        allowed=allowed,
        sure=sure,
        level=growth <= allowed or sure < SURE,
        whose=whose,
    )
