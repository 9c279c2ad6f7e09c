"""Probabilistically bounded staleness: how likely a read sees a write, so long after the write was acknowledged.

A write is sent to N replicas; replica i shows it W_i seconds later, and its acknowledgement is back after another A_i.
The client is told at the w-th acknowledgement. A read that begins t seconds after that is sent to replicas, which look
R_i later; the coordinator answers with the newest of the r replies that it waits for. The read is fresh if one of these
looked when it showed the write already: told + t + R_i >= W_i.

So a trial has one number for each (r, w): the least t that would have done, `need` = min(W_i - R_i) - told. It is drawn
many times and sorted once, and the sorted list is the whole curve: the share of needs that are no greater than t. Where
r + w > N one of the replies is of a replica that has acknowledged, and no need is above 0.

What this says: one write and then one read of that key, nothing failing, nothing repaired, the legs of one replica
telling nothing of another's. It is not the share of reads that are stale: that depends on how soon people read, too.

Paper: Bailis et al. 2012, "Probabilistically Bounded Staleness for Practical Partial Quorums", sections 3 and 5.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from math import ceil, comb, floor, inf, sqrt

N_MAX = 5
"""Most replicas that a prediction is made for: its series are closed, and grow with the square of N."""
AFTER_S = (0.0, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
"""Times after the acknowledgement for which the metrics give a ratio."""
PROBABILITIES = (0.9, 0.99, 0.999)
"""For which the metrics give the time that it takes."""
_NORMAL_95 = 1.96

Quorum = tuple[int, int]
"""Replies that a read waits for, acknowledgements that a write waits for."""


def partial_quorums(n: int) -> tuple[Quorum, ...]:
    """Those that may miss each other, r + w <= n. The others are always fresh."""
    return tuple((r, w) for r in range(1, n) for w in range(1, n - r + 1))


def missed_share(n: int, r: int, w: int, versions: int = 1) -> float:
    """Probability that a read at r misses the last so many writes at w, with writes that reach no more than w replicas.

    Closed form, without times: the bound where a read follows a write at once. Section 3.1.
    """
    return float((comb(n - w, r) / comb(n, r)) ** versions)


class Needs:
    """Trials of one write and one read with N replicas."""

    def __init__(self, n: int) -> None:
        self._n = n
        self._by_quorum: dict[Quorum, list[float]] = {quorum: [] for quorum in partial_quorums(n)}

    def add(self, shown: Sequence[float], acked: Sequence[float], replies: Iterable[tuple[float, int]]) -> None:
        """One trial. `shown`: W of each replica; `acked`: when the acknowledgements came, in that order.

        `replies`: in the order in which the read counts them, R and which replica. Seconds.
        """
        least, needs, n = inf, self._by_quorum, self._n
        for r, (leg, replica) in enumerate(replies, 1):
            if r == n:
                return
            need = shown[replica] - leg
            least = min(least, need)
            for w in range(1, n - r + 1):
                needs[r, w].append(least - acked[w - 1])

    def curve(self, quorum: Quorum) -> Curve:
        """What the trials say of one partial quorum. Sorts: milliseconds for 20,000 trials."""
        return Curve(self._by_quorum[quorum])


class Curve:
    """How likely a read is fresh, by the time since the acknowledgement. Raises ValueError if there are no trials."""

    __slots__ = ("_needs",)

    def __init__(self, needs: Iterable[float]) -> None:
        self._needs = sorted(needs)
        if not self._needs:
            raise ValueError("a curve without trials")

    def fresh(self, after_s: float) -> float:
        """Probability that a read is fresh which begins so long after the acknowledgement."""
        return bisect_right(self._needs, after_s) / len(self._needs)

    def bound_s(self, probability: float) -> float:
        """After so many seconds that share of reads is fresh."""
        return self._at(ceil(probability * len(self._needs)))

    def bound_between_s(self, probability: float) -> tuple[float, float]:
        """Between which seconds the bound lies, as far as the number of trials tells: 95% by order statistics."""
        count = len(self._needs)
        give = _NORMAL_95 * sqrt(count * probability * (1 - probability))
        return self._at(floor(probability * count - give)), self._at(ceil(probability * count + give) + 1)

    def _at(self, rank: int) -> float:
        return max(0.0, self._needs[min(max(rank, 1), len(self._needs)) - 1])
