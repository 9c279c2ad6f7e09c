"""One axis along which something grows, the curves that were measured on it, and what is said of them.

The *exponent* of a curve is the power of the size by which processor time per request grows. What it may be is a
property of the axis: a value has to be copied, so its cost may be proportional to its bytes; a request of a store
with a hundred times the keys has no more to do, but for the depth of a tree. A curve above what its axis allows, over
all or between its two largest sizes, is called *superlinear*: all requests together cost more than in proportion.
"""

from __future__ import annotations

import msgspec

from dynamo.growth.footprint import Footprint
from dynamo.growth.slope import at_the_end, exponent
from dynamo.workload.runner import Sample

FLAT = 0.1
"""Exponents from minus this to this are called flat: over three decades a factor of two, within what machines do."""


class Axis(msgspec.Struct, frozen=True, kw_only=True):
    """What grows, and what it may cost."""

    name: str
    unit: str
    """Of its sizes, as a heading has it."""
    sizes: tuple[int, ...]
    allowed: float
    """Largest exponent of processor time per request."""
    reason: str
    """Why so much is allowed."""
    shape: str
    """What was measured: nodes, values, keys."""


class Point(msgspec.Struct, frozen=True, kw_only=True):
    """One operation at one size."""

    size: int
    operation: str
    sample: Sample

    @property
    def cost_us(self) -> float:
        """Processor time of all server processes for each request that was carried out."""
        return self.sample.server_cpu_us


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """What a cluster of this size takes before anybody asks it for anything."""

    size: int
    idle_ms_per_s: float
    """Processor time of all its processes, in milliseconds a second."""
    footprint: Footprint
    """Of all nodes together."""


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What is said of one curve."""

    operation: str
    exponent: float
    at_the_end: float
    """Between the two largest sizes."""
    allowed: float
    word: str
    """flat, falling, sublinear, linear, superlinear."""


class Curves(msgspec.Struct, kw_only=True):
    """All that was measured on one axis."""

    axis: Axis
    points: list[Point] = []
    standings: list[Standing] = []
    notes: list[str] = []

    @property
    def operations(self) -> list[str]:
        return list(dict.fromkeys(point.operation for point in self.points))

    def of(self, operation: str) -> list[Point]:
        """One curve."""
        return [point for point in self.points if point.operation == operation]

    @property
    def verdicts(self) -> list[Verdict]:
        """One for each curve of at least two points."""
        return [verdict(self.axis, self.of(name)) for name in self.operations if len(self.of(name)) > 1]


def verdict(axis: Axis, points: list[Point]) -> Verdict:
    """What a curve is called."""
    costs = [(float(point.size), max(point.cost_us, 0.01)) for point in points]
    whole, end = exponent(costs), at_the_end(costs)
    return Verdict(
        operation=points[0].operation,
        exponent=whole,
        at_the_end=end,
        allowed=axis.allowed,
        word=_word(max(whole, end), axis.allowed),
    )


def _word(power: float, allowed: float) -> str:
    if power > allowed:
        return "superlinear"
    if power < -FLAT:
        return "falling"
    if power <= FLAT:
        return "flat"
    return "sublinear" if power < 1 - FLAT else "linear"
