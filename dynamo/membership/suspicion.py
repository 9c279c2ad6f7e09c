"""How long a suspected node has to contradict, and how far a node trusts itself (Lifeguard, section IV).

A time-out that is long enough for a lone accuser, who may be the one that is ill, is needlessly long for one that
others confirm. So a suspicion begins with the longest time and shrinks with each independent accuser, by the logarithm
of their number, to the shortest.

The health score counts signs that this node itself is slow: timers that fire late, probes that nobody answers, not even
those that were asked to help, and suspicions of itself that it had to contradict. It falls again with every probe that
works. It stretches the time-outs of probes, and gives suspects more time, so that a node that is ill accuses few.
"""

from __future__ import annotations

from math import log, log10

SCORE_MAX = 4
LONGEST = 3.0
"""Longest time of a suspicion, in shortest times: without a second accuser, or with an own score of 2 or more."""
ACCUSERS_MAX = 3
"""Further accusers that bring a suspicion down to its shortest time, where the cluster has so many nodes."""


def shortest_s(multiplier: float, period_s: float, members: int) -> float:
    """So many periods, times the decimal logarithm of the cluster's size where that is more than 1."""
    return multiplier * period_s * max(1.0, log10(members))


def accusers_wanted(members: int) -> int:
    """Independent accusers, beside the first, that a suspicion can hope for: neither of the two involved is one."""
    return max(0, min(ACCUSERS_MAX, members - 2))


def stretch(confirmations: int, wanted: int) -> float:
    """Time of a suspicion in shortest times: from LONGEST without confirmations to 1 with as many as are wanted."""
    if confirmations >= wanted:
        return 1.0
    return LONGEST - (LONGEST - 1.0) * log(confirmations + 1) / log(wanted + 1)


class Suspicion:
    """One node that is suspected, in one incarnation."""

    __slots__ = ("_accusers", "_is_condemned", "_shortest_s", "_wanted", "since")

    def __init__(self, since: float, shortest_s: float, wanted: int) -> None:
        self.since = since
        self._shortest_s = shortest_s
        self._wanted = wanted
        self._accusers: dict[str, None] = {}
        self._is_condemned = False

    def accuse(self, by: str) -> bool:
        """Somebody suspects the node. Whether that is new, and more than is known already is of use."""
        if not by or by in self._accusers or len(self._accusers) > self._wanted:
            return False
        self._accusers[by] = None
        return True

    def condemn(self) -> None:
        """Somebody holds the node dead, which outweighs any number of accusers: only the shortest time is left."""
        self._is_condemned = True

    def due(self, score: int) -> float:
        """When it turns into a death (monotonic seconds), for a node of that health score."""
        confirmed = 1.0 if self._is_condemned else stretch(max(0, len(self._accusers) - 1), self._wanted)
        return self.since + self._shortest_s * max(confirmed, min(1.0 + score, LONGEST))


class Health:
    """The score: 0 for a healthy node, SCORE_MAX for one that should trust nothing it sees."""

    def __init__(self) -> None:
        self.score = 0

    @property
    def factor(self) -> float:
        """What probe time-outs are multiplied with."""
        return 1.0 + self.score

    def better(self) -> None:
        """A probe was answered in time."""
        self.score = max(0, self.score - 1)

    def worse(self) -> None:
        """A sign that this node is slow or cut off."""
        self.score = min(SCORE_MAX, self.score + 1)
