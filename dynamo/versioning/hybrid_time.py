"""Hybrid logical clocks: timestamps that follow causality and stay close to wall time.

A stamp is one int: milliseconds since 1970 shifted left by 16 bits, plus a logical counter. Comparing ints compares
stamps. Used to order concurrent writes in lww buckets (and, later, to make ballots fresh); never for anything that
correctness of the siblings mode rests on.

A wall clock that jumped far ahead and back again must not leave its node stamping ahead until real time has caught up:
its peers would refuse all that it writes. Whether a clock that goes back goes wrong or right shows when it is compared
with one that only grows: a clock that is again where it was before, or behind that, has been corrected, and the stamps
of between are not built upon. One that goes back further than ever before may be wrong: stamps go on from the last.
Keys written in between keep the stamps they got: a write over one of them must be greater still, and is refused by the
other nodes until their time has come.

Paper: Kulkarni et al. 2014, "Logical Physical Clocks".
"""

from __future__ import annotations

from dynamo.errors import ClockDrift

LOGICAL_BITS = 16
PLACES_MAX = 8
"""Places of a jumping wall clock that are remembered."""


def stamp(wall_ms: int, logical: int = 0) -> int:
    """The stamp of a wall-clock time in milliseconds."""
    return (wall_ms << LOGICAL_BITS) | logical


def wall_ms(hybrid: int) -> int:
    """The milliseconds part of a stamp."""
    return hybrid >> LOGICAL_BITS


class HybridClock:
    """The one source of stamps of a node. Wall time comes in as an argument, so a clock that jumps back is harmless."""

    __slots__ = ("_ahead_ms", "_drift_max_ms", "_last", "_left")

    def __init__(self, drift_max_ms: int, last: int = 0) -> None:
        self._drift_max_ms = drift_max_ms
        self._last = last
        self._ahead_ms: int | None = None
        """Wall time less monotonic time at the last look."""
        self._left: list[tuple[int, int]] = []
        """The same at places that the wall clock has jumped away from, each with the highest stamp by then."""

    def look(self, now_ms: int, monotonic_ms: int) -> None:
        """Compare the two clocks, before a stamp is taken from the wall clock."""
        ahead_ms, before_ms = now_ms - monotonic_ms, self._ahead_ms
        self._ahead_ms = ahead_ms
        if before_ms is None or abs(ahead_ms - before_ms) <= self._drift_max_ms:
            return
        others = [place for place in self._left if abs(place[0] - before_ms) > self._drift_max_ms]
        self._left = [*others[1 - PLACES_MAX :], (before_ms, self._last)]
        if ahead_ms < before_ms:
            passed = [place for place in self._left if place[0] >= ahead_ms - self._drift_max_ms]
            self._last = min(self._last, max(min(passed)[1], stamp(now_ms)))

    @property
    def last(self) -> int:
        """The highest stamp given out or seen."""
        return self._last

    def tick(self, now_ms: int, above: int = 0) -> int:
        """A stamp greater than every earlier one of this node and than `above` (what the write has seen)."""
        self._last = max(self._last + 1, above + 1, stamp(now_ms))
        return self._last

    def observe(self, remote: int, now_ms: int) -> None:
        """Take in a stamp of another node.

        Raises ClockDrift when it lies more than the allowed drift ahead: accepting it would let one broken clock win
        every later conflict in the cluster.
        """
        if self.is_too_far_ahead(remote, now_ms):
            ahead_ms = wall_ms(remote) - now_ms
            raise ClockDrift(
                f"a timestamp is {ahead_ms} ms ahead of this node's clock, {self._drift_max_ms} ms are allowed; "
                "check time synchronisation on the nodes",
                ahead_ms=ahead_ms,
                limit_ms=self._drift_max_ms,
            )
        self._last = max(self._last, remote)

    def is_too_far_ahead(self, remote: int, now_ms: int) -> bool:
        """Whether a stamp lies more than the allowed drift ahead of the wall clock."""
        return wall_ms(remote) - now_ms > self._drift_max_ms
