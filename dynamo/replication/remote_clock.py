"""How far another node's monotonic clock is ahead of ours, as bounds that hold, without synchronised clocks.

A node that is asked says what its clock shows. It looked at it between our sending and our receiving, so the difference
of the clocks lies between (theirs - received) and (theirs - sent): half the round trip to either side of the middle, as
everywhere, but as a bound, not as an estimate. Every answer gives such an interval; the true difference lies in all of
them, so they are intersected, and quick answers make up for slow ones. As two crystals drift apart by up to DRIFT, an
older interval is widened by that much for the time that has passed.

An interval that contradicts what is known means another clock: the other machine was started again, or stood still
(a suspended machine's monotonic clock does). Then the new interval is all there is.

Source: Marzullo and Owicki 1983, intersection of intervals; research note on telemetry, section 1.2.
"""

from __future__ import annotations

from math import inf

DRIFT = 2e-4
"""Two clocks of 100 parts in a million each."""


class RemoteClock:
    """One per peer. Times are monotonic seconds, `theirs` by the peer's clock, all others by ours."""

    __slots__ = ("_at", "_high", "_low")

    def __init__(self) -> None:
        self._low = -inf
        self._high = inf
        self._at = 0.0

    def observe(self, sent_at: float, received_at: float, theirs: float) -> None:
        """Take in what the peer's clock showed between two moments."""
        low, high = theirs - received_at, theirs - sent_at
        slack = DRIFT * max(0.0, received_at - self._at)
        self._low, self._high = max(low, self._low - slack), min(high, self._high + slack)
        if self._low > self._high:
            self._low, self._high = low, high
        self._at = received_at

    @property
    def offset_s(self) -> float:
        """The middle of what is possible; 0 before the first answer."""
        return 0.0 if self._high == inf else (self._low + self._high) / 2

    @property
    def error_s(self) -> float:
        """How far from it the truth may be; infinite before the first answer."""
        return (self._high - self._low) / 2

    def window(self, theirs: float) -> tuple[float, float]:
        """Between which of our moments the peer's clock showed this. Needs an answer to go by."""
        slack = DRIFT * abs(theirs - self.offset_s - self._at)
        return theirs - self._high - slack, theirs - self._low + slack
