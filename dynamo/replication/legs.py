"""How long messages took lately, there and back apart: what a coordinator learns from the answers it gets anyway.

An answer says when, on the clock of the replica, it was true: when the record was read, or could be read by others. The
clocks of two nodes differ by an unknown amount, and so "sent here, true there" is the way there plus that amount, the
way back is the rest minus it. The amount hardly changes, so it is estimated: over some dozens of exchanges in a row
the two ways are taken to be equally long *on average*. Each single exchange keeps its own way there and way back, which
halving every round trip would flatten. What stays hidden is a way there that is always slower than the way back.

Kept are the last exchanges with each peer, never more. A read that this node answers alone brings none.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

KEPT_MAX = 2000
"""Exchanges of one kind with one peer; 140 bytes each."""
_RUN = 64
"""Exchanges in a row for which the clocks' difference is one number: seconds, so that drift does not matter."""
_DRIFT_S = 0.001
"""Two clocks may drift apart by so much during it."""

Exchange = tuple[float, float]
"""There and back, in seconds. A write's way there ends when the replica can show it."""
_Raw = tuple[float, float, float]
"""Round trip without the time at the replica; from sending to arriving by both clocks; time at the replica."""


class Legs:
    """One per node. Times are this node's monotonic seconds; `at_us` and `spent_us` as in `protocol.messages`."""

    __slots__ = ("_own", "_reads", "_writes", "taken")

    def __init__(self, peers: Iterable[str]) -> None:
        self._own: deque[float] = deque(maxlen=KEPT_MAX)
        self._writes: dict[str, deque[_Raw]] = {peer: deque(maxlen=KEPT_MAX) for peer in peers}
        self._reads: dict[str, deque[_Raw]] = {peer: deque(maxlen=KEPT_MAX) for peer in self._writes}
        self.taken = 0
        """Writes that were measured since the start."""

    def read(self, peer: str, sent_at: float, at_us: int, now: float) -> None:
        """A peer has answered a Fetch. One that does not say when it looked (0) is not measured."""
        reads = self._reads.get(peer)
        if reads is not None and at_us:
            reads.append((now - sent_at, at_us / 1e6 - sent_at, 0.0))

    def wrote(self, peer: str, sent_at: float, at_us: int, spent_us: int, now: float) -> None:
        """A peer has acknowledged a Store."""
        writes = self._writes.get(peer)
        if writes is not None and at_us:
            spent = spent_us / 1e6
            # A peer counts in whole microseconds, and a peer that lies must not make a leg negative.
            writes.append((max(0.0, now - sent_at - spent), at_us / 1e6 - spent - sent_at, spent))
            self.taken += 1

    def wrote_here(self, seconds: float) -> None:
        """A write of this node could be read here so long after it was sent to the others."""
        self._own.append(seconds)

    def count(self, peer: str) -> int:
        """Writes with the peer that are kept."""
        return len(self._writes[peer])

    @property
    def own(self) -> Sequence[float]:
        """Seconds until writes could be read here, oldest first."""
        return tuple(self._own)

    @property
    def peers(self) -> tuple[str, ...]:
        return tuple(self._writes)

    def writes(self, peer: str) -> list[Exchange]:
        """W and A, oldest first."""
        return list(_told_apart(self._writes[peer]))

    def reads(self, peer: str) -> list[Exchange]:
        """R and S, oldest first."""
        return list(_told_apart(self._reads[peer]))


def _told_apart(exchanges: Iterable[_Raw]) -> Iterator[Exchange]:
    left = iter(exchanges)
    while run := list(islice(left, _RUN)):
        ahead = _clock_ahead(run)
        for trip, forward, spent in run:
            there = trip / 2 if ahead is None else min(max(0.0, forward - ahead), trip)
            yield there + spent, trip - there


def _clock_ahead(run: Sequence[_Raw]) -> float | None:
    """By how much the peer's clock is ahead; None if it was not the same all the time, as after its restart."""
    least = max(forward - trip for trip, forward, _ in run)
    most = min(forward for _, forward, _ in run)
    if least > most + _DRIFT_S:
        return None
    middle = sum(forward - trip / 2 for trip, forward, _ in run) / len(run)
    return min(max(middle, least), most)
