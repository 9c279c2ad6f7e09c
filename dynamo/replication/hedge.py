"""Hedged reads: who answers how fast, when an answer counts as late, and how many extra requests that may cost.

The slowest of R answers makes the latency of a read. So one that is slower than the 99th percentile is not waited for:
one more replica is asked, and the first R answers decide. The percentile is that of the quickest peer, since that is
what another replica would need; taken over all peers, one node that is slow for long would lift it above its own
slowness. A budget bounds the extra requests to a share of all reads: where everybody is slow, asking more people only
makes it worse.

Source: Dean and Barroso 2013, "The Tail at Scale".
"""

from __future__ import annotations

from math import frexp, inf, log2

from dynamo.replication.legs import Legs

FLOOR_S = 0.001
"""No answer counts as late before."""
SAMPLES_MIN = 50
"""Answers of a peer before its percentile means anything."""
BURST_MAX = 10.0
"""Extra requests that may have been saved up."""

_SAMPLES_MAX = 512
_WINDOW = 1024
"""Answers of all peers after which one that gave none is forgotten step by step, so that it is tried again."""
_REFRESH = 32
_SMALLEST_S = 0.00005
_STEPS = 8
"""Buckets for each doubling: a percentile is at most 9% too high."""
_BUCKETS = 144
_EWMA_WEIGHT = 0.1
_UNKNOWN = -64
"""Rank of a peer that was never measured: it is tried first, and then it is measured."""


class _Peer:
    """What one peer's answers took lately."""

    __slots__ = ("average_s", "counts", "late_s", "total", "unseen")

    def __init__(self) -> None:
        self.average_s = 0.0
        self.counts = [0] * _BUCKETS
        self.total = 0
        self.late_s = inf
        """The 99th percentile."""
        self.unseen = True
        """Whether no answer came in this window."""

    def take(self, seconds: float) -> None:
        self.average_s += (seconds - self.average_s) * (_EWMA_WEIGHT if self.total else 1.0)
        step = int(log2(seconds / _SMALLEST_S) * _STEPS) if seconds > _SMALLEST_S else 0
        self.counts[min(step, _BUCKETS - 1)] += 1
        self.total += 1
        self.unseen = False
        if self.total % _REFRESH == 0:
            self._refresh()

    def _refresh(self) -> None:
        self.late_s = _percentile_s(self.counts, self.total) if self.total >= SAMPLES_MIN else inf
        if self.total >= _SAMPLES_MAX:
            self.counts = [count // 2 for count in self.counts]
            self.total = sum(self.counts)


def _percentile_s(counts: list[int], total: int) -> float:
    """Upper end of the bucket below which 99% lie."""
    above = total // 100
    for step in range(_BUCKETS - 1, -1, -1):
        above -= counts[step]
        if above < 0:
            return float(_SMALLEST_S * 2 ** ((step + 1) / _STEPS))
    return inf


class Latencies:
    """How long the peers of a node take to answer a Fetch. One per node; what it asks itself is not measured."""

    __slots__ = ("_left", "_peers", "late_s", "ranks")

    def __init__(self, peers: list[str]) -> None:
        self._peers = {peer: _Peer() for peer in peers}
        self._left = _WINDOW
        self.ranks = dict.fromkeys(peers, _UNKNOWN)
        """Nearest first by this: peers that differ by less than half are equals."""
        self.late_s = inf
        """After so many seconds an answer counts as late; inf while that is not known."""

    def observe(self, node: str, seconds: float) -> None:
        """A node took so long to answer, or to be given up."""
        peer = self._peers.get(node)
        if peer is None:
            return
        before_s = peer.late_s
        peer.take(seconds)
        self.ranks[node] = frexp(peer.average_s)[1]
        if peer.late_s != before_s:
            self._choose()
        self._left -= 1
        if self._left == 0:
            self._end_window()

    def _choose(self) -> None:
        self.late_s = max(FLOOR_S, min(peer.late_s for peer in self._peers.values()))

    def _end_window(self) -> None:
        self._left = _WINDOW
        for node, peer in self._peers.items():
            if peer.unseen and peer.total:
                peer.average_s /= 2
                peer.late_s = inf
                self.ranks[node] -= 1
            peer.unseen = True
        self._choose()


class Budget:
    """Extra requests that may be made: `share` of one for each read, saved up to a few."""

    __slots__ = ("_saved", "_share")

    def __init__(self, share: float) -> None:
        self._share = share
        self._saved = 0.0

    def earn(self) -> None:
        """A read begins."""
        self._saved = min(BURST_MAX, self._saved + self._share)

    def take(self) -> bool:
        """Whether one more request may be made; then it counts as made."""
        if self._saved < 1.0:
            return False
        self._saved -= 1.0
        return True


class Hedging:
    """What the reads of one node share. `share` 0 switches extra requests off; answers are measured all the same."""

    __slots__ = ("budget", "latencies", "legs")

    def __init__(self, peers: list[str], share: float, legs: Legs | None = None) -> None:
        self.latencies = Latencies(peers)
        self.legs = legs
        """Where the two ways of each answer are kept, if at all."""
        self.budget = Budget(share) if share > 0 else None

    def begin(self, now: float) -> float:
        """A read begins that could ask one more: when its slowest answer will be late."""
        if self.budget is None:
            return inf
        self.budget.earn()
        return now + self.latencies.late_s
