"""News that travels on probes and their answers (SWIM, section 4.1).

Each saying is told a bounded number of times, proportional to the logarithm of the cluster's size: enough for an
epidemic to reach everyone with high probability. What has been told least goes first, and of that the newest. A newer
saying about a node takes the place of the older one. Who misses news all the same finds out by probing.
"""

from __future__ import annotations

from math import ceil, log2

from dynamo.protocol.messages import MemberState

TOLD_FACTOR = 3
MESSAGE_MAX = 8
"""Sayings in one message, beside those about its two ends."""


def told_max(members: int) -> int:
    """How often each saying is told."""
    return TOLD_FACTOR * ceil(log2(members + 1))


class Dissemination:
    """What one node still has to tell."""

    def __init__(self, members: int) -> None:
        self._told_max = told_max(members)
        self._number = 0
        self._news: dict[str, tuple[int, int, MemberState]] = {}
        """By node: how often it was told, its number (newer ones are smaller), and the saying."""

    def __len__(self) -> int:
        return len(self._news)

    def add(self, saying: MemberState) -> None:
        """Tell this from now on, instead of what was told of that node before."""
        self._number -= 1
        self._news[saying.node] = (0, self._number, saying)

    def take(self) -> list[MemberState]:
        """What to put into a message; counted as told."""
        chosen = sorted(self._news.values(), key=lambda each: each[:2])[:MESSAGE_MAX]
        for told, number, saying in chosen:
            if told + 1 < self._told_max:
                self._news[saying.node] = (told + 1, number, saying)
            else:
                del self._news[saying.node]
        return [saying for _, _, saying in chosen]
